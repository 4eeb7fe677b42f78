"""Our chat models, tools and retrievers as LangChain's: for what asks for one of these, such as an agent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextvars import ContextVar
from functools import cache
from typing import Any, cast

from pydantic import Field

from anabranch.nodes.extras import import_extra
from anabranch.nodes.langchain.errors import raise_as_both
from anabranch.nodes.langchain.runnables import config_in
from anabranch.nodes.langchain.values import from_langchain_value, to_langchain_value
from anabranch.nodes.messages.tool_calls import tool_call
from anabranch.nodes.models.chat_models import BaseChatModel
from anabranch.nodes.retrieval.retrievers import BaseRetriever
from anabranch.nodes.tools.tools import BaseTool

CALL: ContextVar[str | None] = ContextVar("anabranch_langchain_call", default=None)
"""The id of the tool call that is being answered."""


def chat_model_for(model: BaseChatModel) -> Any:
    """A chat model of LangChain's that asks one of ours."""
    return _chat_model_class()(runnable=model, name=model.get_name())


def tool_for(tool: BaseTool) -> Any:
    """A tool of LangChain's that calls one of ours. LangChain's handles errors as ours would."""
    return _tool_class()(
        runnable=tool.model_copy(update={"handle_tool_error": False, "handle_validation_error": False}),
        name=tool.name,
        description=tool.description,
        args_schema=tool.tool_call_schema,
        return_direct=tool.return_direct,
        response_format=tool.response_format,
        handle_tool_error=tool.handle_tool_error,
        handle_validation_error=tool.handle_validation_error,
        tags=tool.tags,
        metadata=tool.metadata,
    )


def retriever_for(retriever: BaseRetriever) -> Any:
    """A retriever of LangChain's that asks one of ours."""
    return _retriever_class()(
        runnable=retriever, name=retriever.get_name(), tags=retriever.tags, metadata=retriever.metadata
    )


@cache
def _chat_model_class() -> Any:
    models = import_extra("langchain_core.language_models", "langchain", "to_langchain")
    outputs = import_extra("langchain_core.outputs", "langchain", "to_langchain")
    calling = import_extra("langchain_core.utils.function_calling", "langchain", "to_langchain")

    class AnabranchChatModel(models.BaseChatModel):  # type: ignore[misc,name-defined]
        runnable: Any = Field(exclude=True)

        @property
        def _llm_type(self) -> str:
            return str(self.runnable._llm_type)

        @property
        def _identifying_params(self) -> dict[str, Any]:
            return cast(dict[str, Any], self.runnable._identifying_params)

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            result = self.runnable.generate([from_langchain_value(messages)], stop, **kwargs)
            return _result(outputs, result)

        async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            result = await self.runnable.agenerate([from_langchain_value(messages)], stop, **kwargs)
            return _result(outputs, result)

        def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
            with self.runnable.stream(from_langchain_value(messages), None, **_stopped(stop, kwargs)) as pieces:
                for piece in pieces:
                    chunk = outputs.ChatGenerationChunk(message=to_langchain_value(piece))
                    if run_manager is not None:
                        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk

        async def _astream(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> AsyncIterator[Any]:
            async with self.runnable.astream(from_langchain_value(messages), None, **_stopped(stop, kwargs)) as pieces:
                async for piece in pieces:
                    chunk = outputs.ChatGenerationChunk(message=to_langchain_value(piece))
                    if run_manager is not None:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk

        def bind_tools(self, tools: Sequence[Any], *, tool_choice: Any = None, **kwargs: Any) -> Any:
            known = [each if isinstance(each, BaseTool) else calling.convert_to_openai_tool(each) for each in tools]
            return self.bind(**self.runnable.bind_tools(known, tool_choice=tool_choice, **kwargs).kwargs)

    return AnabranchChatModel


def _stopped(stop: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    return kwargs if stop is None else {"stop": stop, **kwargs}


def _result(outputs: Any, result: Any) -> Any:
    return outputs.ChatResult(
        generations=to_langchain_value(list(result.generations[0])), llm_output=result.llm_output or {}
    )


@cache
def _tool_class() -> Any:
    tools = import_extra("langchain_core.tools", "langchain", "to_langchain")
    their_config = import_extra("langchain_core.runnables", "langchain", "to_langchain").RunnableConfig

    class AnabranchTool(tools.BaseTool):  # type: ignore[misc,name-defined]
        runnable: Any = Field(exclude=True)

        def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
            token = CALL.set(_id_of(input))
            try:
                return super().invoke(input, config, **kwargs)
            finally:
                CALL.reset(token)

        async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
            token = CALL.set(_id_of(input))
            try:
                return await super().ainvoke(input, config, **kwargs)
            finally:
                CALL.reset(token)

        def _run(self, *args: Any, config: Any, run_manager: Any = None, **kwargs: Any) -> Any:
            try:
                answer = self.runnable.invoke(_call(self, args, kwargs), config_in(config, run_manager))
            except Exception as error:
                raise_as_both(error)
            return _answered(self, answer)

        async def _arun(self, *args: Any, config: Any, run_manager: Any = None, **kwargs: Any) -> Any:
            try:
                answer = await self.runnable.ainvoke(_call(self, args, kwargs), config_in(config, run_manager))
            except Exception as error:
                raise_as_both(error)
            return _answered(self, answer)

    for method in (AnabranchTool._run, AnabranchTool._arun):
        method.__annotations__["config"] = their_config  # by which LangChain knows what to hand in
    return AnabranchTool


def _id_of(input: Any) -> str | None:
    return input.get("id") if isinstance(input, dict) and input.get("type") == "tool_call" else None


def _call(tool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What our tool is called with: a call, if it was called with one, or if it gives an artifact."""
    given = from_langchain_value(kwargs) if kwargs or not args else from_langchain_value(args[0])
    call_id = CALL.get()
    if tool.response_format == "content" and call_id is None:
        return given
    return tool_call(name=tool.name, args=given, id=call_id or "call")


def _answered(tool: Any, answer: Any) -> Any:
    if tool.response_format == "content_and_artifact":
        return to_langchain_value((answer.content, answer.artifact))
    return to_langchain_value(answer)


@cache
def _retriever_class() -> Any:
    retrievers = import_extra("langchain_core.retrievers", "langchain", "to_langchain")

    class AnabranchRetriever(retrievers.BaseRetriever):  # type: ignore[misc,name-defined]
        runnable: Any = Field(exclude=True)

        def _get_relevant_documents(self, query: str, *, run_manager: Any, **kwargs: Any) -> Any:
            found = self.runnable.invoke(query, config_in(None, run_manager), **kwargs)
            return to_langchain_value(found)

        async def _aget_relevant_documents(self, query: str, *, run_manager: Any, **kwargs: Any) -> Any:
            found = await self.runnable.ainvoke(query, config_in(None, run_manager), **kwargs)
            return to_langchain_value(found)

    return AnabranchRetriever
