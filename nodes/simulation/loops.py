"""An event loop in virtual time, run by an actor of a simulation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from anabranch.nodes.simulation.threads import Actor, SimulationError, Stage


class StageLoop(asyncio.BaseEventLoop):
    """asyncio's own loop, with virtual time, and actors for threads. It does no input or output."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self._stage = stage
        self._selector = _Selector(stage)

    def time(self) -> float:
        """The virtual time, in seconds."""
        return self._stage.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Run a function in an actor of its own."""
        future = self.create_future()

        def settle(ok: bool, result: Any) -> None:
            if not future.done():
                (future.set_result if ok else future.set_exception)(result)

        def work() -> None:
            try:
                ok, result = True, func(*args)
            except BaseException as error:
                ok, result = False, error
            if not self.is_closed():
                self.call_soon_threadsafe(settle, ok, result)

        self._stage.start(work, "an executor's thread")
        return future

    def run(self, main: Callable[[], Coroutine[Any, Any, Any]] | None = None) -> Any:
        """Run a coroutine function to its end, or for ever; whatever tasks are left then are cancelled."""
        try:
            return self.run_forever() if main is None else self.run_until_complete(main())
        finally:
            if (tasks := asyncio.all_tasks(self)) or self._asyncgens:  # type: ignore[attr-defined]
                self.run_until_complete(self._wind_up(tasks))
            self.close()

    async def _wind_up(self, tasks: set[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.shutdown_asyncgens()

    def call_exception_handler(self, context: Any) -> None:
        """Report a fault, unless the play is over and those who still wait are being dismissed."""
        if not self._stage.over:
            super().call_exception_handler(context)

    # What BaseEventLoop leaves to those who derive from it

    def _process_events(self, event_list: Any) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        self._selector.wake()

    def _make_socket_transport(self, *_: Any, **__: Any) -> Any:
        raise _no_io()

    def _make_subprocess_transport(self, *_: Any, **__: Any) -> Any:
        raise _no_io()

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """There is no input or output."""
        raise _no_io()


def _no_io() -> SimulationError:
    return SimulationError(
        "a simulation does no input or output on its event loop, for that takes real time: "
        "put a fake in place of the step that does"
    )


class _Selector:
    """Lets the actor that runs the loop wait."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._sleeper: Actor | None = None

    def select(self, timeout: float | None) -> tuple[()]:
        """Wait for that long or until somebody wakes the loop."""
        if timeout is not None and timeout <= 0:
            self._stage.pause()
        else:
            self._sleeper = self._stage.current
            self._stage.park(timeout)
            self._sleeper = None
        return ()

    def wake(self) -> None:
        """Somebody called something on the loop."""
        if self._sleeper is not None:
            self._stage.wake(self._sleeper)
