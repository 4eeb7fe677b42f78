"""Callback handlers whose methods are coroutine functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from anabranch.nodes.callbacks.handlers import BaseCallbackHandler, Metadata, Serialized, Tags, idle

if TYPE_CHECKING:
    from anabranch.nodes.callbacks.retry_states import RetryState
    from anabranch.nodes.messages.generations import ChatGenerationChunk, LLMResult
    from anabranch.nodes.messages.messages import BaseMessage
    from anabranch.nodes.retrieval.documents import Document


class AsyncCallbackHandler(BaseCallbackHandler):
    """A handler whose methods are coroutine functions.

    They are awaited on the loop of the call; under a synchronous verb on the library's own. Those that aren't coroutine
    functions are called in a thread.

    Example:
        >>> class Outputs(AsyncCallbackHandler):
        ...     async def on_chain_end(self, outputs, **kwargs):
        ...         print("made", outputs)
        >>> RunnableLambda(len).invoke("abc", {"callbacks": [Outputs()]})
        made 3
        3
    """

    # Models
    # fmt: off

    @idle
    async def on_llm_start(
        self, serialized: Serialized, prompts: list[str], *,
        run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, metadata: Metadata = None, **kwargs: Any,
    ) -> Any:
        """A model was asked with texts; also one asked with messages, where `on_chat_model_start` isn't written."""

    @idle
    async def on_chat_model_start(
        self, serialized: Serialized, messages: list[list[BaseMessage]], *,
        run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, metadata: Metadata = None, **kwargs: Any,
    ) -> Any:
        """A chat model was asked with messages: a list of lists, of which there is one."""

    @idle
    async def on_llm_new_token(
        self, token: str, *, chunk: ChatGenerationChunk | None = None,
        run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any,
    ) -> Any:
        """A model has made a piece of its answer, which `chunk` has whole."""

    @idle
    async def on_llm_end(
        self, response: LLMResult, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """A model has answered."""

    @idle
    async def on_llm_error(
        self, error: BaseException, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """A model has failed. `kwargs` has the `response` so far, if it was streamed."""

    # Chains: functions, prompts, parsers and all that is made of others

    @idle
    async def on_chain_start(
        self, serialized: Serialized, inputs: Any, *,
        run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, metadata: Metadata = None, **kwargs: Any,
    ) -> Any:
        """It has started. Input that is still to come is `{"input": ""}`."""

    @idle
    async def on_chain_end(
        self, outputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """It is over. Input that came after its start is in `inputs`."""

    @idle
    async def on_chain_error(
        self, error: BaseException, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """It has failed."""

    # Tools

    @idle
    async def on_tool_start(
        self, serialized: Serialized, input_str: str, *, inputs: dict[str, Any] | None = None,
        run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, metadata: Metadata = None, **kwargs: Any,
    ) -> Any:
        """A tool was called, with the text of its input, and the input itself where that is a dict."""

    @idle
    async def on_tool_end(
        self, output: Any, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """A tool has answered. `kwargs` has its `name`."""

    @idle
    async def on_tool_error(
        self, error: BaseException, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """A tool has failed."""

    # Retrievers

    @idle
    async def on_retriever_start(
        self, serialized: Serialized, query: str, *,
        run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, metadata: Metadata = None, **kwargs: Any,
    ) -> Any:
        """A retriever was asked."""

    @idle
    async def on_retriever_end(
        self, documents: Sequence[Document], *,
        run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any,
    ) -> Any:
        """A retriever has found what it could."""

    @idle
    async def on_retriever_error(
        self, error: BaseException, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """A retriever has failed."""

    # What a run tells of its own

    @idle
    async def on_text(
        self, text: str, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """A function has told a text, by `run_manager.on_text`."""

    @idle
    async def on_retry(
        self, retry_state: RetryState, *,
        run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any,
    ) -> Any:
        """An attempt has failed, and there will be another."""

    @idle
    async def on_custom_event(
        self, name: str, data: Any, *, run_id: UUID, tags: Tags = None, metadata: Metadata = None, **kwargs: Any
    ) -> Any:
        """A function has told an event of its own, by `dispatch_custom_event`."""

    @idle
    async def on_agent_action(
        self, action: Any, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """For handlers that have it; nothing here calls it."""

    @idle
    async def on_agent_finish(
        self, finish: Any, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """For handlers that have it; nothing here calls it."""
