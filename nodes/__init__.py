"""What users touch: runnables, and the prompts, models, parsers and retrievers made of them.

What is a pydantic model is imported when it is first asked for: defining such models takes longer than all else here.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from anabranch.engine.chunks import AddableDict, Algebra, afold, fold
from anabranch.engine.config import RunnableConfig, ensure_config, merge_configs, patch_config
from anabranch.engine.errors import (
    AnabranchError,
    ChunkError,
    CompositionError,
    ConfigError,
    EdgeTypeError,
    GraphError,
    NotRunnableError,
    PortalError,
    StepInputError,
    Stopped,
)
from anabranch.engine.fitting import DictType
from anabranch.nodes import making as _making  # noqa: F401 (it completes `Runnable`)
from anabranch.nodes.bindings import RunnableBinding
from anabranch.nodes.branches import RouterRunnable, RunnableBranch
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.configurable_fields import (
    ConfigurableField,
    ConfigurableFieldMultiOption,
    ConfigurableFieldSingleOption,
    ConfigurableFieldSpec,
)
from anabranch.nodes.configurables import RunnableConfigurableAlternatives, RunnableConfigurableFields
from anabranch.nodes.dags import RunnableDag, from_dag
from anabranch.nodes.decorators import chain
from anabranch.nodes.functions import RunnableLambda
from anabranch.nodes.generators import RunnableGenerator
from anabranch.nodes.maps import RunnableEach
from anabranch.nodes.parallels import RunnableMap, RunnableParallel
from anabranch.nodes.passthrough import RunnableAssign, RunnablePassthrough, RunnablePick
from anabranch.nodes.policies import RunnableRetry, RunnableWithFallbacks
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.sequences import RunnableSequence
from anabranch.scheduler.handles import RunHandle

if TYPE_CHECKING:
    from anabranch.nodes.bm25 import BM25Retriever
    from anabranch.nodes.chat_models import BaseChatModel
    from anabranch.nodes.documents import Document, format_documents
    from anabranch.nodes.extractive import ExtractiveChatModel
    from anabranch.nodes.extras import MissingExtraError
    from anabranch.nodes.fake_chat_models import FakeListChatModel, GenericFakeChatModel
    from anabranch.nodes.generations import ChatGeneration, ChatGenerationChunk, ChatResult
    from anabranch.nodes.message_chunks import (
        AIMessageChunk,
        BaseMessageChunk,
        ChatMessageChunk,
        HumanMessageChunk,
        SystemMessageChunk,
        message_chunk_to_message,
    )
    from anabranch.nodes.message_conversion import convert_to_messages
    from anabranch.nodes.message_templates import MessagesPlaceholder
    from anabranch.nodes.messages import (
        AIMessage,
        AnyMessage,
        BaseMessage,
        ChatMessage,
        HumanMessage,
        SystemMessage,
        ToolMessage,
        get_buffer_string,
    )
    from anabranch.nodes.openai_models import ChatOpenAI
    from anabranch.nodes.parsers import BaseOutputParser, StrOutputParser
    from anabranch.nodes.prompt_values import ChatPromptValue, PromptValue, StringPromptValue
    from anabranch.nodes.prompts import BasePromptTemplate, ChatPromptTemplate, MissingVariablesError, PromptTemplate
    from anabranch.nodes.retrievers import BaseRetriever
    from anabranch.nodes.serializable import RunnableSerializable
    from anabranch.nodes.stdlib_answers import stdlib_chain, stdlib_retriever
    from anabranch.nodes.stdlib_corpus import stdlib_documents
    from anabranch.nodes.templates import TemplateError
    from anabranch.nodes.terms import terms_of

_DEFERRED = {
    "bm25": "BM25Retriever",
    "chat_models": "BaseChatModel",
    "documents": "Document format_documents",
    "extractive": "ExtractiveChatModel",
    "extras": "MissingExtraError",
    "fake_chat_models": "FakeListChatModel GenericFakeChatModel",
    "generations": "ChatGeneration ChatGenerationChunk ChatResult",
    "message_chunks": "AIMessageChunk BaseMessageChunk ChatMessageChunk HumanMessageChunk "
    "SystemMessageChunk message_chunk_to_message",
    "message_conversion": "convert_to_messages",
    "message_templates": "MessagesPlaceholder",
    "messages": "AIMessage AnyMessage BaseMessage ChatMessage HumanMessage SystemMessage ToolMessage get_buffer_string",
    "openai_models": "ChatOpenAI",
    "parsers": "BaseOutputParser StrOutputParser",
    "prompt_values": "ChatPromptValue PromptValue StringPromptValue",
    "prompts": "BasePromptTemplate ChatPromptTemplate MissingVariablesError PromptTemplate",
    "retrievers": "BaseRetriever",
    "serializable": "RunnableSerializable",
    "stdlib_answers": "stdlib_chain stdlib_retriever",
    "stdlib_corpus": "stdlib_documents",
    "templates": "TemplateError",
    "terms": "terms_of",
}
"""What each module that is imported later exports."""

_HOMES = {name: module for module, names in _DEFERRED.items() for name in names.split()}


if not TYPE_CHECKING:  # to which any name would seem to exist

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


__all__ = [
    "AIMessage",
    "AIMessageChunk",
    "AddableDict",
    "Algebra",
    "AnabranchError",
    "AnyMessage",
    "BM25Retriever",
    "BaseChatModel",
    "BaseMessage",
    "BaseMessageChunk",
    "BaseOutputParser",
    "BasePromptTemplate",
    "BaseRetriever",
    "ChatGeneration",
    "ChatGenerationChunk",
    "ChatMessage",
    "ChatMessageChunk",
    "ChatOpenAI",
    "ChatPromptTemplate",
    "ChatPromptValue",
    "ChatResult",
    "ChunkError",
    "CompositionError",
    "ConfigError",
    "ConfigurableField",
    "ConfigurableFieldMultiOption",
    "ConfigurableFieldSingleOption",
    "ConfigurableFieldSpec",
    "DictType",
    "Document",
    "EdgeTypeError",
    "ExtractiveChatModel",
    "FakeListChatModel",
    "GenericFakeChatModel",
    "GraphError",
    "HumanMessage",
    "HumanMessageChunk",
    "MessagesPlaceholder",
    "MissingExtraError",
    "MissingVariablesError",
    "NotRunnableError",
    "PortalError",
    "PromptTemplate",
    "PromptValue",
    "RouterRunnable",
    "RunHandle",
    "Runnable",
    "RunnableAssign",
    "RunnableBinding",
    "RunnableBranch",
    "RunnableConfig",
    "RunnableConfigurableAlternatives",
    "RunnableConfigurableFields",
    "RunnableDag",
    "RunnableEach",
    "RunnableGenerator",
    "RunnableLambda",
    "RunnableMap",
    "RunnableParallel",
    "RunnablePassthrough",
    "RunnablePick",
    "RunnableRetry",
    "RunnableSequence",
    "RunnableSerializable",
    "RunnableWithFallbacks",
    "StepInputError",
    "Stopped",
    "StrOutputParser",
    "StringPromptValue",
    "SystemMessage",
    "SystemMessageChunk",
    "TemplateError",
    "ToolMessage",
    "afold",
    "chain",
    "coerce_to_runnable",
    "convert_to_messages",
    "ensure_config",
    "fold",
    "format_documents",
    "from_dag",
    "get_buffer_string",
    "merge_configs",
    "message_chunk_to_message",
    "patch_config",
    "stdlib_chain",
    "stdlib_documents",
    "stdlib_retriever",
    "terms_of",
]
