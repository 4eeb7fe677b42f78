"""The graph that is simulated in the place of another: each step is the step itself, watched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, cast

from anabranch.engine.graphs import Graph
from anabranch.engine.operators import Operator
from anabranch.scheduler import primitives
from anabranch.scheduler.closing import AClosing, Closing

if TYPE_CHECKING:
    from anabranch.nodes.simulation.steps import StepRun, Watch

_STAGED = "staged"
"""Where a graph keeps the one that is simulated in its place, among its plans."""


def staged(graph: Graph) -> Graph:
    """The graph with its steps watched; made once."""
    if (known := graph.plans.get(_STAGED)) is not None:
        return cast(Graph, known)
    steps = (
        replace(step, operator=_watched(step.operator, key, step.name))
        for step, key in zip(graph.steps, graph.keys, strict=True)
    )
    made = Graph(tuple(steps), graph.scopes, graph.output)
    graph.plans[_STAGED] = made.plans[_STAGED] = made
    return made


def _watched(operator: Operator, key: str, name: str) -> Operator:
    """An operator that does the same and is watched. Call steps and maps of chunks run no code of users'."""
    if operator.flow is not None:
        return operator
    forms: dict[str, Any] = {}
    for form, wrap in _WRAPS.items():
        if (run := getattr(operator, form)) is not None:
            forms[form] = wrap(run, key, name)
    return replace(operator, **forms)


def _watch() -> Watch:
    """That of the simulation which this thread plays."""
    world: Any = primitives.world()
    watch: Watch = world.steps
    return watch


@contextmanager
def _running(watch: Watch, key: str, name: str) -> Generator[StepRun, None, None]:
    """One run of a step whose code runs from its beginning to its end."""
    step, error = watch.begin(key, name), None
    token = watch.enter(step)
    try:
        yield step
    except BaseException as raised:
        error = raised
        raise
    finally:
        watch.leave(step, token)
        watch.end(step, error)


def _value(run: Callable[..., Any], key: str, name: str) -> Callable[..., Any]:
    def call(*arguments: Any) -> Any:
        with _running(watch := _watch(), key, name) as step:
            watch.last(step)
            return run(*arguments)

    return call


def _avalue(run: Callable[..., Awaitable[Any]], key: str, name: str) -> Callable[..., Awaitable[Any]]:
    async def call(*arguments: Any) -> Any:
        with _running(watch := _watch(), key, name) as step:
            await watch.alast(step)
            return await run(*arguments)

    return call


def _chunks(run: Callable[..., Iterator[Any]], key: str, name: str) -> Callable[..., Iterator[Any]]:
    def call(*arguments: Any) -> Iterator[Any]:
        watch = _watch()
        step, error = watch.begin(key, name), None
        made: list[Iterator[Any]] = []
        try:
            with Closing(made):
                while True:
                    token = watch.enter(step)
                    try:
                        if not made:
                            watch.last(step)
                            made.append(iter(run(*arguments)))
                        chunk = next(made[0])
                    except StopIteration:
                        return
                    finally:
                        watch.leave(step, token)
                    yield chunk
        except BaseException as raised:
            error = raised
            raise
        finally:
            watch.end(step, error)

    return call


def _achunks(run: Callable[..., AsyncIterator[Any]], key: str, name: str) -> Callable[..., AsyncIterator[Any]]:
    async def call(*arguments: Any) -> AsyncIterator[Any]:
        watch = _watch()
        step, error = watch.begin(key, name), None
        made: list[AsyncIterator[Any]] = []
        try:
            async with AClosing(made):
                while True:
                    token = watch.enter(step)
                    try:
                        if not made:
                            await watch.alast(step)
                            made.append(aiter(run(*arguments)))
                        chunk = await anext(made[0])
                    except StopAsyncIteration:
                        return
                    finally:
                        watch.leave(step, token)
                    yield chunk
        except BaseException as raised:
            error = raised
            raise
        finally:
            watch.end(step, error)

    return call


class _Upstream:
    """The input of a step that maps chunks: while it is read, the step waits for those before it."""

    def __init__(self, source: Any, watch: Watch) -> None:
        self._source = source
        self._watch = watch

    def __iter__(self) -> Self:
        return self

    def __aiter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        with self._watch.reading():
            return next(self._source)

    async def __anext__(self) -> Any:
        with self._watch.reading():
            return await anext(self._source)


def _transform(run: Callable[..., Any], key: str, name: str) -> Callable[..., Iterator[Any]]:
    return _chunks(lambda source, *config: run(_Upstream(source, _watch()), *config), key, name)


def _atransform(run: Callable[..., Any], key: str, name: str) -> Callable[..., AsyncIterator[Any]]:
    return _achunks(lambda source, *config: run(_Upstream(source, _watch()), *config), key, name)


_WRAPS: dict[str, Callable[[Any, str, str], Any]] = {
    "invoke": _value,
    "ainvoke": _avalue,
    "stream": _chunks,
    "astream": _achunks,
    "transform": _transform,
    "atransform": _atransform,
    "batch": _value,
    "abatch": _avalue,
}
