"""Outputs that are kept: one place of a cache, and a runnable whose outputs stand in one.

Only what was made to its end is kept: no failure, and no stream that was closed early. Two calls with one input at once
both make it. A stream of what is kept is one chunk.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import aclosing, closing
from functools import partial
from typing import Any

from anabranch.engine.chunks import Accumulator
from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import CompositionError, GraphError, StepInputError
from anabranch.engine.graph_json import graph_to_json
from anabranch.engine.operators import Operator
from anabranch.engine.runs import RunInfo
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.messages.chunks import BaseMessageChunk, message_chunk_to_message, message_to_chunk
from anabranch.nodes.messages.messages import BaseMessage
from anabranch.nodes.models.caches import Answers, BaseCache, InMemoryCache
from anabranch.nodes.models.exact_json import exact_json
from anabranch.nodes.policies import Around
from anabranch.nodes.runnables import Input, Output, Runnable
from anabranch.scheduler.managers import RUN

Whole = Callable[[Any], Any]


class Kept:
    """One place of a cache.

    Args:
        cache: the cache.
        prompt, llm_string: where in it.
        pack: what is put there of an output.
        unpack: an output of what stands there.
        chunk: the one chunk of such an output.
        where: whose outputs these are, for errors.
    """

    def __init__(
        self,
        cache: BaseCache,
        prompt: str,
        llm_string: str,
        pack: Callable[[Any], Answers],
        unpack: Callable[[Answers], Any],
        chunk: Callable[[Any], Any],
        where: str,
    ) -> None:
        self._cache = cache
        self._place = (prompt, llm_string)
        self._pack = pack
        self._unpack = unpack
        self._chunk = chunk
        self._where = where

    def is_there(self) -> bool:
        """Whether something stands there."""
        return self._cache.lookup(*self._place) is not None

    async def ais_there(self) -> bool:
        """The same without blocking."""
        return await self._cache.alookup(*self._place) is not None

    def find(self, run: RunInfo | None = None) -> Any:
        """The output that stands there; None when none does. `run`: whose output it is to be."""
        found = self._cache.lookup(*self._place)
        return None if found is None else self._hit(found, run)

    async def afind(self, run: RunInfo | None = None) -> Any:
        """The same without blocking."""
        found = await self._cache.alookup(*self._place)
        return None if found is None else self._hit(found, run)

    def put(self, made: Any) -> None:
        """Let an output stand there."""
        self._cache.update(*self._place, self._pack(made))

    async def aput(self, made: Any) -> None:
        """The same without blocking."""
        await self._cache.aupdate(*self._place, self._pack(made))

    def answer(self, make: Callable[[], Any]) -> Any:
        """What stands there, or else what is made, which then does."""
        found = self._cache.lookup(*self._place)
        if found is not None:
            return self._hit(found)
        made = make()
        self.put(made)
        return made

    async def aanswer(self, make: Callable[[], Awaitable[Any]]) -> Any:
        """The same without blocking."""
        found = await self._cache.alookup(*self._place)
        if found is not None:
            return self._hit(found)
        made = await make()
        await self.aput(made)
        return made

    def pieces(
        self, make: Callable[[], Iterator[Any]], whole: Whole = lambda total: total
    ) -> Generator[Any, None, None]:
        """The same in chunks. `whole`: what they make when they are added up."""
        found = self._cache.lookup(*self._place)
        if found is not None:
            yield self._chunk(self._hit(found))
            return
        total = Accumulator(where=self._where)
        with closing(make()) as chunks:  # type: ignore[type-var] # streams can be closed
            for chunk in chunks:
                total.push(chunk)
                yield chunk
        self.put(whole(total.value))

    async def apieces(
        self, make: Callable[[], AsyncIterator[Any]], whole: Whole = lambda total: total
    ) -> AsyncGenerator[Any, None]:
        """The same in chunks, without blocking."""
        found = await self._cache.alookup(*self._place)
        if found is not None:
            yield self._chunk(self._hit(found))
            return
        total = Accumulator(where=self._where)
        async with aclosing(make()) as chunks:  # type: ignore[type-var] # streams can be closed
            async for chunk in chunks:
                total.push(chunk)
                yield chunk
        await self.aput(whole(total.value))

    def _hit(self, found: Answers, run: RunInfo | None = None) -> Any:
        run = run or RUN.get()
        if run is not None:
            run.metadata = {**run.metadata, "cache_hit": True}
        return self._unpack(found)


class RunnableWithCache(Around[Input, Output]):
    """A runnable whose outputs are kept in a cache. What `with_cache` makes, where it is told what counts as equal.

    Args:
        bound: the runnable.
        cache: where outputs are kept; by default in memory, for this runnable alone.
        key: what to go by instead of the input and the configurable: a function of the input.
        name: what tells these outputs from others in a cache that is shared.

    Raises:
        CompositionError: a `TypeError`, when `cache` is no cache, or `key` no function, or a name is needed.
        StepInputError: a `TypeError`, when there is no `key` and an input can't be written as JSON.

    Example:
        >>> asked = []
        >>> def answer(question):
        ...     asked.append(question)
        ...     return question.upper()
        >>> cached = RunnableLambda(answer).with_cache()
        >>> cached.invoke("why"), cached.invoke("why"), asked
        ('WHY', 'WHY', ['why'])
    """

    def __init__(
        self,
        bound: Runnable[Input, Output],
        cache: BaseCache | None = None,
        key: Callable[[Any], Any] | None = None,
        name: str | None = None,
    ) -> None:
        if cache is not None and not hasattr(cache, "lookup"):
            raise CompositionError(f"with_cache takes a cache, such as InMemoryCache(), got {cache!r:.80}")
        if key is not None and not callable(key):
            raise CompositionError(f"with_cache: key must be a function of the input, got {key!r:.80}")
        self.bound = coerce_to_runnable(bound)
        self.cache = InMemoryCache() if cache is None else cache
        self.key = key
        self.known_as = name or ("" if cache is None else identity(self.bound))

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        def form(run: Callable[..., Any]) -> Any:
            return partial(run, kwargs)

        return Operator(
            name=self.get_name(),
            invoke=form(self._invoke),
            ainvoke=form(self._ainvoke),
            stream=form(self._stream),
            astream=form(self._astream),
            wants_config=True,
            shows=lambda: {"cached": self.bound._graph_with(kwargs)},
        )

    def _invoke(self, kwargs: dict[str, Any], value: Any, config: RunnableConfig) -> Any:
        return self._kept(kwargs, value, config).answer(lambda: self.bound.invoke(value, **kwargs))

    async def _ainvoke(self, kwargs: dict[str, Any], value: Any, config: RunnableConfig) -> Any:
        return await self._kept(kwargs, value, config).aanswer(lambda: self.bound.ainvoke(value, **kwargs))

    def _stream(self, kwargs: dict[str, Any], value: Any, config: RunnableConfig) -> Iterator[Any]:
        return self._kept(kwargs, value, config).pieces(lambda: self.bound.stream(value, **kwargs))

    def _astream(self, kwargs: dict[str, Any], value: Any, config: RunnableConfig) -> AsyncIterator[Any]:
        return self._kept(kwargs, value, config).apieces(lambda: self.bound.astream(value, **kwargs))

    def _kept(self, kwargs: Mapping[str, Any], value: Any, config: RunnableConfig) -> Kept:
        settings = {"kwargs": dict(kwargs)}
        asked = value
        if self.key is not None:
            asked = self.key(value)
        elif configurable := config.get("configurable"):
            settings["configurable"] = configurable
        try:
            place = exact_json(asked), exact_json([self.known_as, settings])
        except StepInputError as error:
            raise StepInputError(
                f"{self.get_name()} has a cache, where its input, arguments and configurable are the key: {error}. "
                "Give with_cache a key, a function from the input to what can be written"
            ) from None
        return Kept(self.cache, *place, _pack, _unpack, _chunk, self.get_name())

    def __repr__(self) -> str:
        return f"{self.bound!r}.with_cache({self.cache!r})"


def identity(runnable: Runnable[Any, Any]) -> str:
    """What tells the outputs of a runnable from those of others, in this process and in any other.

    Raises:
        CompositionError: a `TypeError`, when nothing does.
    """
    known = getattr(runnable, "_known_as", None)
    if known is not None:
        return str(known())
    try:
        return exact_json(graph_to_json(runnable.__graph__))
    except (GraphError, StepInputError) as error:
        raise CompositionError(
            f"with_cache needs a name, under which what {runnable.get_name()} gives stands in a cache that others may "
            f"share: with_cache(cache, name=...). One can't be made up, for {error}"
        ) from None


def _pack(value: Any) -> Answers:
    return [message_chunk_to_message(value) if isinstance(value, BaseMessageChunk) else value]


def _unpack(found: Answers) -> Any:
    return found[0]


def _chunk(value: Any) -> Any:
    return message_to_chunk(value) if isinstance(value, BaseMessage) else value
