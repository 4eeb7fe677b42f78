"""Our runnables as objects of LangChain's, for its `|`, its agents and LangGraph.

LangChain makes the run, and its handlers are told of what runs inside as children of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing
from functools import cache
from typing import Any, cast

from anabranch.engine.config import RunnableConfig
from anabranch.nodes.extras import import_extra
from anabranch.nodes.langchain.errors import raise_as_both
from anabranch.nodes.langchain.listeners import adopted
from anabranch.nodes.langchain.nodes import translated
from anabranch.nodes.langchain.values import from_langchain_value, to_langchain_value
from anabranch.nodes.runnables import Runnable
from anabranch.scheduler.sources import Once


def config_in(config: Any, run_manager: Any) -> RunnableConfig:
    """The config of ours for what runs inside a run of LangChain's."""
    made: Any = translated(config or {})
    for key in ("tags", "metadata"):  # those of the run, which its manager hands down
        made.pop(key, None)
    if run_manager is not None:
        manager = run_manager.get_child()
        if manager.handlers:
            made["callbacks"] = adopted(manager, root=run_manager)
    return cast(RunnableConfig, made)


class Verbs:
    """What LangChain asks of a Runnable, by ours. What `runnable_for` makes is this above LangChain's class.

    Args:
        runnable: ours.
        run_type: as LangChain is told it; None for a chain.
    """

    name: str | None

    def __init__(self, runnable: Runnable[Any, Any], run_type: str | None = None) -> None:
        self.runnable = runnable
        self.name = runnable.get_name()
        self._run_type = run_type

    @property
    def InputType(self) -> Any:
        """Not told: it may be a class of ours."""
        return Any

    @property
    def OutputType(self) -> Any:
        """Not told: it may be a class of ours."""
        return Any

    def get_input_schema(self, config: Any = None) -> Any:
        """That of ours."""
        return self.runnable.get_input_schema(config)

    def get_output_schema(self, config: Any = None) -> Any:
        """That of ours."""
        return self.runnable.get_output_schema(config)

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """See LangChain's."""
        it: Any = self
        return it._call_with_config(self._invoked, input, config, run_type=self._run_type, **kwargs)

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """See LangChain's."""
        it: Any = self
        return await it._acall_with_config(self._ainvoked, input, config, run_type=self._run_type, **kwargs)

    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Iterator[Any]:
        """See LangChain's."""
        return self.transform(iter([input]), config, **kwargs)

    def transform(self, input: Iterator[Any], config: Any = None, **kwargs: Any) -> Iterator[Any]:
        """See LangChain's."""
        it: Any = self
        with closing(
            it._transform_stream_with_config(input, self._transformed, config, run_type=self._run_type, **kwargs)
        ) as chunks:
            yield from chunks

    async def astream(self, input: Any, config: Any = None, **kwargs: Any) -> AsyncIterator[Any]:
        """See LangChain's."""
        async with aclosing(self.atransform(Once(input), config, **kwargs)) as chunks:  # type: ignore[type-var]
            async for chunk in chunks:
                yield chunk

    async def atransform(self, input: AsyncIterator[Any], config: Any = None, **kwargs: Any) -> AsyncIterator[Any]:
        """See LangChain's."""
        it: Any = self
        async with aclosing(
            it._atransform_stream_with_config(input, self._atransformed, config, run_type=self._run_type, **kwargs)
        ) as chunks:
            async for chunk in chunks:
                yield chunk

    # Inside LangChain's run

    def _invoked(self, input: Any, run_manager: Any, config: Any, **kwargs: Any) -> Any:
        try:
            output = self.runnable.invoke(from_langchain_value(input), config_in(config, run_manager), **kwargs)
        except Exception as error:
            raise_as_both(error)
        return to_langchain_value(output)

    async def _ainvoked(self, input: Any, run_manager: Any, config: Any, **kwargs: Any) -> Any:
        inside = config_in(config, run_manager)
        try:
            output = await self.runnable.ainvoke(from_langchain_value(input), inside, **kwargs)
        except Exception as error:
            raise_as_both(error)
        return to_langchain_value(output)

    def _transformed(self, input: Iterator[Any], run_manager: Any, config: Any, **kwargs: Any) -> Iterator[Any]:
        chunks: Any = self.runnable.transform(
            map(from_langchain_value, input), config_in(config, run_manager), **kwargs
        )
        try:
            with closing(chunks):
                yield from map(to_langchain_value, chunks)
        except Exception as error:
            raise_as_both(error)

    async def _atransformed(
        self, input: AsyncIterator[Any], run_manager: Any, config: Any, **kwargs: Any
    ) -> AsyncIterator[Any]:
        inside = config_in(config, run_manager)
        chunks: Any = self.runnable.atransform(_Ours(input), inside, **kwargs)
        try:
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield to_langchain_value(chunk)
        except Exception as error:
            raise_as_both(error)


class _Ours:
    """Chunks with our classes. It holds nothing that must be closed."""

    def __init__(self, chunks: AsyncIterator[Any]) -> None:
        self._chunks = chunks

    def __aiter__(self) -> _Ours:
        return self

    async def __anext__(self) -> Any:
        return from_langchain_value(await anext(self._chunks))


def runnable_for(runnable: Runnable[Any, Any]) -> Any:
    """An object of LangChain's that runs one of ours."""
    steps = runnable.__graph__.steps
    run_type = steps[0].operator.run_type if len(steps) == 1 and not runnable.__graph__.scopes else "chain"
    return _runnable_class()(runnable, run_type if run_type in ("prompt", "parser") else None)


@cache
def _runnable_class() -> Any:
    library = import_extra("langchain_core.runnables", "langchain", "to_langchain")
    return type("AnabranchRunnable", (Verbs, library.Runnable), {})
