"""The root of a stream that is listened to: its input as it comes in, and its output as the consumer gets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from typing import Any

from anabranch.engine.chunks import Algebra, Tally
from anabranch.engine.graphs import INPUT_SLOT
from anabranch.engine.runs import MISSING, RunInfo
from anabranch.scheduler.closing import AClosing, Closing, aclose_after, close_after
from anabranch.scheduler.reporting import aease, ease, is_busy
from anabranch.scheduler.sources import Once
from anabranch.scheduler.traces import Trace


class Root:
    """Tells a trace of the input and the output of a stream."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self._taken = Tally(where="the input")
        self._is_whole = False
        self._source: Any = None  # of the input's chunks; whoever runs the steps closes it, if the root could begin

    # The input

    def fed(self, source: Iterator[Any], whole: bool) -> Iterator[Any]:
        """The chunks of the input, which the trace is told of. `whole`: there is one, and it is known now."""
        if not whole:
            self._source = source
            return self._passed(source)
        value = next(source)
        self._know(value)
        return iter((value,))

    def afed(self, source: AsyncIterator[Any], whole: bool) -> AsyncIterator[Any]:
        """The same on a loop."""
        if not whole:
            self._source = source
            return self._apassed(source)
        assert isinstance(source, Once)
        self._know(source.value)
        return source

    def _know(self, value: Any) -> None:
        self._is_whole = True
        self.trace.know_input(value)
        self._taken.push(value)

    def _passed(self, source: Iterator[Any]) -> Iterator[Any]:
        with Closing([source]):
            for chunk in source:
                self._take(chunk)
                yield chunk
        self._end_input()

    async def _apassed(self, source: AsyncIterator[Any]) -> AsyncIterator[Any]:
        async with AClosing([source]):
            async for chunk in source:
                self._take(chunk)
                yield chunk
        self._end_input()

    def _take(self, chunk: Any) -> None:
        self._taken.push(chunk)
        self.trace.take_input(self._taken)
        self.trace.pass_input(chunk)

    def _end_input(self) -> None:
        self.trace.take_input(self._taken)
        self.trace.close_slot(INPUT_SLOT)

    # The output

    def told(self, chunks: Generator[Any, None, None], algebra: Algebra | None) -> Generator[Any, None, None]:
        """The chunks of the output, which are those of the root's run if that is a scope."""
        trace, total = self.trace, Tally(algebra, "the output")
        run: RunInfo | None = None
        try:
            try:
                run = self._begin()
            except BaseException as error:
                close_after(error, [self._source])
                raise
            with Closing([chunks]):
                try:
                    for chunk in chunks:
                        if run is not None:
                            total.push(chunk)
                            trace.tell_chunk(run, chunk)
                            ease(run)
                        yield chunk
                except GeneratorExit:
                    trace.closes = True
                    raise
        except GeneratorExit:
            trace.close(None, output=total.value)
            raise
        except BaseException as error:
            trace.close(error)
            raise
        trace.close(None, output=total.value)

    async def atold(self, chunks: AsyncGenerator[Any, None], algebra: Algebra | None) -> AsyncGenerator[Any, None]:
        """The same on a loop, awaiting the listeners."""
        self.trace.reporter.enter(asyncio.get_running_loop())
        trace, total = self.trace, Tally(algebra, "the output")
        run: RunInfo | None = None
        try:
            try:
                run = self._begin()
            except BaseException as error:
                await aclose_after(error, [self._source])
                raise
            async with AClosing([chunks]):
                try:
                    async for chunk in chunks:
                        if run is not None:
                            total.push(chunk)
                            trace.tell_chunk(run, chunk)
                            if is_busy(run, trace.reporter):
                                await aease(run, trace.reporter)
                        yield chunk
                except GeneratorExit:
                    trace.closes = True
                    raise
        except GeneratorExit:
            await self._aclose(None, total.value)
            raise
        except BaseException as error:
            await self._aclose(error)
            raise
        await self._aclose(None, total.value)

    async def _aclose(self, error: BaseException | None, output: Any = MISSING) -> None:
        try:
            self.trace.close(error, output=output)
        finally:
            await self.trace.reporter.settle()

    def _begin(self) -> RunInfo | None:
        run = self.trace.open()
        if self._is_whole:
            self.trace.pass_input(self._taken.value)
            self.trace.close_slot(INPUT_SLOT)
        return run
