"""What users write to be told of runs: callback handlers, with a method for each thing that may happen.

A method that isn't written does nothing, and is marked so (`does_nothing`): it isn't even called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

if TYPE_CHECKING:
    from anabranch.nodes.callbacks.retry_states import RetryState
    from anabranch.nodes.messages.generations import ChatGenerationChunk, LLMResult
    from anabranch.nodes.messages.messages import BaseMessage
    from anabranch.nodes.retrieval.documents import Document

F = TypeVar("F", bound=Callable[..., Any])

Serialized = Any
"""A dict or None; who writes a method may take it to be a dict."""

Tags = list[str] | None
Metadata = dict[str, Any] | None


def idle(method: F) -> F:
    """Mark a method of a handler that does nothing, so that it costs nothing."""
    method.does_nothing = True  # type: ignore[attr-defined]
    return method


class BaseCallbackHandler:
    """Told of runs by whatever has it in `config["callbacks"]`. Subclass it and write the methods that you need.

    A method gets `run_id`, `parent_run_id` (None at the root) and `tags`; at a start also `metadata` and `name`. Take
    `**kwargs`, for there may be more. `serialized` tells the class and name of a model, prompt, parser, tool or
    retriever.

    What a method raises is logged, once a handler, and the run goes on. Under asyncio methods are called in a thread,
    one after the other.

    Attributes:
        raise_error: what it raises breaks the run.
        run_inline: it never waits, so that it needs no thread under asyncio.

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> class Names(BaseCallbackHandler):
        ...     def on_chain_start(self, serialized, inputs, *, run_id, name=None, **kwargs):
        ...         print(name)
        >>> RunnableLambda(len).invoke("abc", {"callbacks": [Names()]})
        len
        3
    """

    raise_error: bool = False
    run_inline: bool = False

    @property
    def ignore_llm(self) -> bool:
        """Whether it isn't told of models."""
        return False

    @property
    def ignore_chat_model(self) -> bool:
        """Whether it isn't told of chat models' starts."""
        return False

    @property
    def ignore_chain(self) -> bool:
        """Whether it isn't told of chains."""
        return False

    @property
    def ignore_agent(self) -> bool:
        """Whether it isn't told of tools and agents."""
        return False

    @property
    def ignore_retriever(self) -> bool:
        """Whether it isn't told of retrievers."""
        return False

    @property
    def ignore_retry(self) -> bool:
        """Whether it isn't told of further attempts."""
        return False

    @property
    def ignore_custom_event(self) -> bool:
        """Whether it isn't told of events that functions tell."""
        return False

    # Models
    # fmt: off

    @idle
    def on_llm_start(
        self, serialized: Serialized, prompts: list[str], *,
        run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, metadata: Metadata = None, **kwargs: Any,
    ) -> Any:
        """A model was asked with texts; also one asked with messages, where `on_chat_model_start` isn't written."""

    @idle
    def on_chat_model_start(
        self, serialized: Serialized, messages: list[list[BaseMessage]], *,
        run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, metadata: Metadata = None, **kwargs: Any,
    ) -> Any:
        """A chat model was asked with messages: a list of lists, of which there is one."""

    @idle
    def on_llm_new_token(
        self, token: str, *, chunk: ChatGenerationChunk | None = None,
        run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any,
    ) -> Any:
        """A model has made a piece of its answer, which `chunk` has whole."""

    @idle
    def on_llm_end(
        self, response: LLMResult, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """A model has answered."""

    @idle
    def on_llm_error(
        self, error: BaseException, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """A model has failed. `kwargs` has the `response` so far, if it was streamed."""

    # Chains: functions, prompts, parsers and all that is made of others

    @idle
    def on_chain_start(
        self, serialized: Serialized, inputs: Any, *,
        run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, metadata: Metadata = None, **kwargs: Any,
    ) -> Any:
        """It has started. Input that is still to come is `{"input": ""}`."""

    @idle
    def on_chain_end(
        self, outputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """It is over. Input that came after its start is in `inputs`."""

    @idle
    def on_chain_error(
        self, error: BaseException, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """It has failed."""

    # Tools

    @idle
    def on_tool_start(
        self, serialized: Serialized, input_str: str, *, inputs: dict[str, Any] | None = None,
        run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, metadata: Metadata = None, **kwargs: Any,
    ) -> Any:
        """A tool was called, with the text of its input, and the input itself where that is a dict."""

    @idle
    def on_tool_end(
        self, output: Any, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """A tool has answered. `kwargs` has its `name`."""

    @idle
    def on_tool_error(
        self, error: BaseException, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """A tool has failed."""

    # Retrievers

    @idle
    def on_retriever_start(
        self, serialized: Serialized, query: str, *,
        run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, metadata: Metadata = None, **kwargs: Any,
    ) -> Any:
        """A retriever was asked."""

    @idle
    def on_retriever_end(
        self, documents: Sequence[Document], *,
        run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any,
    ) -> Any:
        """A retriever has found what it could."""

    @idle
    def on_retriever_error(
        self, error: BaseException, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """A retriever has failed."""

    # What a run tells of its own

    @idle
    def on_text(
        self, text: str, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """A function has told a text, by `run_manager.on_text`."""

    @idle
    def on_retry(
        self, retry_state: RetryState, *,
        run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any,
    ) -> Any:
        """An attempt has failed, and there will be another."""

    @idle
    def on_custom_event(
        self, name: str, data: Any, *, run_id: UUID, tags: Tags = None, metadata: Metadata = None, **kwargs: Any
    ) -> Any:
        """A function has told an event of its own, by `dispatch_custom_event`."""

    @idle
    def on_agent_action(
        self, action: Any, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """For handlers that have it; nothing here calls it."""

    @idle
    def on_agent_finish(
        self, finish: Any, *, run_id: UUID, parent_run_id: UUID | None = None, tags: Tags = None, **kwargs: Any
    ) -> Any:
        """For handlers that have it; nothing here calls it."""
