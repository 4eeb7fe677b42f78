# Written by `make stub` from the table in __init__.py.

from anabranch.engine.chunks import AddableDict, Algebra, afold, fold
from anabranch.engine.config import RunnableConfig, ensure_config, merge_configs, patch_config
from anabranch.engine.errors import AnabranchError, ChunkError, CompositionError, ConfigError, EdgeTypeError, GraphError, NotRunnableError, PortalError, StepInputError, Stopped
from anabranch.engine.json_encoding import to_json
from anabranch.engine.run_logs import RunLog, RunLogPatch
from anabranch.engine.run_states import BaseStreamEvent, CustomStreamEvent, EventData, LogEntry, RunState, StandardStreamEvent, StreamEvent
from anabranch.engine.value_types import DictType
from anabranch.nodes.adding import aadd, add
from anabranch.nodes.bindings import RunnableBinding
from anabranch.nodes.branches import RouterInput, RouterRunnable, RunnableBranch
from anabranch.nodes.caching import RunnableWithCache
from anabranch.nodes.callbacks.async_handlers import AsyncCallbackHandler
from anabranch.nodes.callbacks.custom_events import adispatch_custom_event, dispatch_custom_event
from anabranch.nodes.callbacks.file_handlers import FileCallbackHandler
from anabranch.nodes.callbacks.handlers import BaseCallbackHandler
from anabranch.nodes.callbacks.managers import AsyncCallbackManagerForChainRun, AsyncCallbackManagerForLLMRun, AsyncCallbackManagerForRetrieverRun, AsyncCallbackManagerForToolRun, CallbackManagerForChainRun, CallbackManagerForLLMRun, CallbackManagerForRetrieverRun, CallbackManagerForToolRun, Callbacks
from anabranch.nodes.callbacks.model_runs import AsyncModelRunManager, ModelRunManager
from anabranch.nodes.callbacks.retry_states import RetryState
from anabranch.nodes.callbacks.run_managers import AsyncRunManager, RunManager
from anabranch.nodes.callbacks.stdout_handlers import StdOutCallbackHandler, StreamingStdOutCallbackHandler
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.configurable_fields import ConfigurableField, ConfigurableFieldMultiOption, ConfigurableFieldSingleOption, ConfigurableFieldSpec
from anabranch.nodes.configurables import RunnableConfigurableAlternatives, RunnableConfigurableFields
from anabranch.nodes.dags import RunnableDag, from_dag
from anabranch.nodes.decorators import chain
from anabranch.nodes.drawable_graphs import Edge, Graph, Node
from anabranch.nodes.drawing_styles import CurveStyle, LabelsDict, MermaidDrawMethod, NodeStyles
from anabranch.nodes.extras import MissingExtraError
from anabranch.nodes.functions import RunnableLambda
from anabranch.nodes.generators import RunnableGenerator
from anabranch.nodes.histories.chat_history import BaseChatMessageHistory, InMemoryChatMessageHistory
from anabranch.nodes.histories.message_histories import RunnableWithMessageHistory
from anabranch.nodes.histories.sqlite_history import SQLiteChatMessageHistory
from anabranch.nodes.in_thread import run_in_executor
from anabranch.nodes.langchain.objects import from_langchain, to_langchain
from anabranch.nodes.maps import RunnableEach
from anabranch.nodes.messages.any_message import AnyMessage
from anabranch.nodes.messages.buffer_strings import get_buffer_string
from anabranch.nodes.messages.chunks import AIMessageChunk, BaseMessageChunk, ChatMessageChunk, FunctionMessageChunk, HumanMessageChunk, SystemMessageChunk, ToolMessageChunk, message_chunk_to_message
from anabranch.nodes.messages.conversion import MessageLikeRepresentation, convert_to_messages
from anabranch.nodes.messages.dicts import message_to_dict, messages_from_dict, messages_to_dict
from anabranch.nodes.messages.filtering import filter_messages, merge_message_runs
from anabranch.nodes.messages.generations import ChatGeneration, ChatGenerationChunk, ChatResult, Generation, GenerationChunk, LLMResult, RunInfo, agenerate_from_stream, generate_from_stream
from anabranch.nodes.messages.messages import AIMessage, BaseMessage, ChatMessage, FunctionMessage, HumanMessage, RemoveMessage, SystemMessage, ToolMessage
from anabranch.nodes.messages.prompt_values import ChatPromptValue, ChatPromptValueConcrete, PromptValue, StringPromptValue
from anabranch.nodes.messages.token_counting import count_tokens_approximately
from anabranch.nodes.messages.token_usage import InputTokenDetails, OutputTokenDetails, UsageMetadata, add_usage
from anabranch.nodes.messages.tool_calls import InvalidToolCall, ToolCall, ToolCallChunk, invalid_tool_call, tool_call, tool_call_chunk
from anabranch.nodes.messages.trimming import trim_messages
from anabranch.nodes.models.caches import BaseCache, InMemoryCache, get_llm_cache, set_llm_cache
from anabranch.nodes.models.chat_models import BaseChatModel, SimpleChatModel
from anabranch.nodes.models.fake_chat_models import FakeChatModel, FakeListChatModel, FakeListChatModelError, FakeMessagesListChatModel, GenericFakeChatModel, ParrotFakeChatModel
from anabranch.nodes.models.fake_llms import FakeListLLM, FakeListLLMError, FakeStreamingListLLM
from anabranch.nodes.models.language_models import BaseLanguageModel, LanguageModelInput
from anabranch.nodes.models.llms import BaseLLM, LLM
from anabranch.nodes.models.rate_limiters import BaseRateLimiter, InMemoryRateLimiter
from anabranch.nodes.models.sqlite_caches import SQLiteCache
from anabranch.nodes.openai.completions import OpenAI
from anabranch.nodes.openai.conversion import convert_to_openai_messages
from anabranch.nodes.openai.embeddings import OpenAIEmbeddings
from anabranch.nodes.openai.models import ChatOpenAI
from anabranch.nodes.parallels import RunnableMap, RunnableParallel
from anabranch.nodes.parsers.cumulative_parsers import BaseCumulativeTransformOutputParser
from anabranch.nodes.parsers.fenced_json import parse_json_markdown
from anabranch.nodes.parsers.json_parsers import JsonOutputParser, PydanticOutputParser, SimpleJsonOutputParser
from anabranch.nodes.parsers.list_parsers import CommaSeparatedListOutputParser, ListOutputParser, MarkdownListOutputParser, NumberedListOutputParser
from anabranch.nodes.parsers.output_errors import OutputParserException
from anabranch.nodes.parsers.parsers import BaseGenerationOutputParser, BaseLLMOutputParser, BaseOutputParser, BaseTransformOutputParser, StrOutputParser
from anabranch.nodes.parsers.tool_parsers import JsonOutputKeyToolsParser, JsonOutputToolsParser, PydanticToolsParser
from anabranch.nodes.partial_json import parse_partial_json
from anabranch.nodes.passthrough import RunnableAssign, RunnablePassthrough, RunnablePick
from anabranch.nodes.policies import RunnableRetry, RunnableWithFallbacks
from anabranch.nodes.prompts.block_templates import DictPromptTemplate, ImagePromptTemplate
from anabranch.nodes.prompts.chat_prompts import ChatPromptTemplate
from anabranch.nodes.prompts.document_prompts import MissingMetadataError, aformat_document, format_document
from anabranch.nodes.prompts.example_selectors import BaseExampleSelector, LengthBasedExampleSelector, MaxMarginalRelevanceExampleSelector, SemanticSimilarityExampleSelector, sorted_values
from anabranch.nodes.prompts.few_shot_prompts import FewShotChatMessagePromptTemplate, FewShotPromptTemplate, FewShotPromptWithTemplates
from anabranch.nodes.prompts.message_templates import AIMessagePromptTemplate, BaseMessagePromptTemplate, BaseStringMessagePromptTemplate, ChatMessagePromptTemplate, HumanMessagePromptTemplate, MessagesPlaceholder, SystemMessagePromptTemplate
from anabranch.nodes.prompts.prompt_templates import BaseChatPromptTemplate, BasePromptTemplate, StringPromptTemplate
from anabranch.nodes.prompts.string_prompts import PromptTemplate
from anabranch.nodes.prompts.structured_prompts import StructuredPrompt
from anabranch.nodes.prompts.template_formats import get_template_variables
from anabranch.nodes.prompts.templates import TemplateError
from anabranch.nodes.prompts.variables import MissingVariablesError
from anabranch.nodes.rate_limiting import RunnableWithRateLimiter
from anabranch.nodes.retrieval.bm25 import BM25Retriever
from anabranch.nodes.retrieval.distance_strategies import DistanceStrategy
from anabranch.nodes.retrieval.docstores import InMemoryDocstore
from anabranch.nodes.retrieval.documents import Document, format_documents
from anabranch.nodes.retrieval.embeddings import Embeddings
from anabranch.nodes.retrieval.faiss_vectors import FAISS
from anabranch.nodes.retrieval.fake_embeddings import DeterministicFakeEmbedding, FakeEmbeddings
from anabranch.nodes.retrieval.hashing_embeddings import HashingEmbeddings
from anabranch.nodes.retrieval.in_memory_vectors import InMemoryVectorStore
from anabranch.nodes.retrieval.key_value_stores import BaseStore, ByteStore, InMemoryBaseStore, InMemoryByteStore, InMemoryStore
from anabranch.nodes.retrieval.retrievers import BaseRetriever
from anabranch.nodes.retrieval.terms import terms_of
from anabranch.nodes.retrieval.vector_stores import VectorStore, VectorStoreRetriever
from anabranch.nodes.retrieval.vectors import maximal_marginal_relevance
from anabranch.nodes.runnables import Input, Output, Runnable
from anabranch.nodes.schemas.function_calling import convert_to_json_schema, convert_to_openai_function, convert_to_openai_tool
from anabranch.nodes.schemas.injected_arguments import InjectedToolArg, InjectedToolCallId
from anabranch.nodes.sequences import RunnableSequence
from anabranch.nodes.serializable import RunnableSerializable
from anabranch.nodes.serialized_objects import dumpd, dumps, load, loads
from anabranch.nodes.simulation.reports import Simulation, Sweep
from anabranch.nodes.simulation.simulations import simulate
from anabranch.nodes.simulation.threads import SimulationError
from anabranch.nodes.stdlib.answers import stdlib_chain, stdlib_retriever
from anabranch.nodes.stdlib.corpus import stdlib_documents
from anabranch.nodes.stdlib.extractive import ExtractiveChatModel
from anabranch.nodes.tools.decorator import tool
from anabranch.nodes.tools.examples import tool_example_to_messages
from anabranch.nodes.tools.outputs import ToolException
from anabranch.nodes.tools.rendering import render_text_description, render_text_description_and_args
from anabranch.nodes.tools.retriever_tools import create_retriever_tool
from anabranch.nodes.tools.runnable_tools import convert_runnable_to_tool
from anabranch.nodes.tools.structured_tools import StructuredTool, Tool
from anabranch.nodes.tools.tools import ArgsSchema, BaseTool, BaseToolkit
from anabranch.nodes.tracing.collecting import RunCollectorCallbackHandler, UsageMetadataCallbackHandler, collect_runs, get_usage_metadata_callback
from anabranch.nodes.tracing.console import ConsoleTracer
from anabranch.nodes.tracing.debugging import ConsoleCallbackHandler, FunctionCallbackHandler, get_debug, set_debug
from anabranch.nodes.tracing.event_files import EventFile, JsonLinesTracer
from anabranch.nodes.tracing.otel import OpenTelemetryTracer
from anabranch.nodes.tracing.perfetto import ChromeTrace, PerfettoTracer
from anabranch.nodes.tracing.replays import EventFileError, replay, replay_log
from anabranch.nodes.tracing.run_trees import BaseTracer, Run
from anabranch.scheduler.handles import RunHandle
from anabranch.scheduler.managers import CallbackManager

_EXPORTS: dict[str, str]
_HOMES: dict[str, str]

__all__ = [
    "AIMessage",
    "AIMessageChunk",
    "AIMessagePromptTemplate",
    "AddableDict",
    "Algebra",
    "AnabranchError",
    "AnyMessage",
    "ArgsSchema",
    "AsyncCallbackHandler",
    "AsyncCallbackManagerForChainRun",
    "AsyncCallbackManagerForLLMRun",
    "AsyncCallbackManagerForRetrieverRun",
    "AsyncCallbackManagerForToolRun",
    "AsyncModelRunManager",
    "AsyncRunManager",
    "BM25Retriever",
    "BaseCache",
    "BaseCallbackHandler",
    "BaseChatMessageHistory",
    "BaseChatModel",
    "BaseChatPromptTemplate",
    "BaseCumulativeTransformOutputParser",
    "BaseExampleSelector",
    "BaseGenerationOutputParser",
    "BaseLLM",
    "BaseLLMOutputParser",
    "BaseLanguageModel",
    "BaseMessage",
    "BaseMessageChunk",
    "BaseMessagePromptTemplate",
    "BaseOutputParser",
    "BasePromptTemplate",
    "BaseRateLimiter",
    "BaseRetriever",
    "BaseStore",
    "BaseStreamEvent",
    "BaseStringMessagePromptTemplate",
    "BaseTool",
    "BaseToolkit",
    "BaseTracer",
    "BaseTransformOutputParser",
    "ByteStore",
    "CallbackManager",
    "CallbackManagerForChainRun",
    "CallbackManagerForLLMRun",
    "CallbackManagerForRetrieverRun",
    "CallbackManagerForToolRun",
    "Callbacks",
    "ChatGeneration",
    "ChatGenerationChunk",
    "ChatMessage",
    "ChatMessageChunk",
    "ChatMessagePromptTemplate",
    "ChatOpenAI",
    "ChatPromptTemplate",
    "ChatPromptValue",
    "ChatPromptValueConcrete",
    "ChatResult",
    "ChromeTrace",
    "ChunkError",
    "CommaSeparatedListOutputParser",
    "CompositionError",
    "ConfigError",
    "ConfigurableField",
    "ConfigurableFieldMultiOption",
    "ConfigurableFieldSingleOption",
    "ConfigurableFieldSpec",
    "ConsoleCallbackHandler",
    "ConsoleTracer",
    "CurveStyle",
    "CustomStreamEvent",
    "DeterministicFakeEmbedding",
    "DictPromptTemplate",
    "DictType",
    "DistanceStrategy",
    "Document",
    "Edge",
    "EdgeTypeError",
    "Embeddings",
    "EventData",
    "EventFile",
    "EventFileError",
    "ExtractiveChatModel",
    "FAISS",
    "FakeChatModel",
    "FakeEmbeddings",
    "FakeListChatModel",
    "FakeListChatModelError",
    "FakeListLLM",
    "FakeListLLMError",
    "FakeMessagesListChatModel",
    "FakeStreamingListLLM",
    "FewShotChatMessagePromptTemplate",
    "FewShotPromptTemplate",
    "FewShotPromptWithTemplates",
    "FileCallbackHandler",
    "FunctionCallbackHandler",
    "FunctionMessage",
    "FunctionMessageChunk",
    "Generation",
    "GenerationChunk",
    "GenericFakeChatModel",
    "Graph",
    "GraphError",
    "HashingEmbeddings",
    "HumanMessage",
    "HumanMessageChunk",
    "HumanMessagePromptTemplate",
    "ImagePromptTemplate",
    "InMemoryBaseStore",
    "InMemoryByteStore",
    "InMemoryCache",
    "InMemoryChatMessageHistory",
    "InMemoryDocstore",
    "InMemoryRateLimiter",
    "InMemoryStore",
    "InMemoryVectorStore",
    "InjectedToolArg",
    "InjectedToolCallId",
    "Input",
    "InputTokenDetails",
    "InvalidToolCall",
    "JsonLinesTracer",
    "JsonOutputKeyToolsParser",
    "JsonOutputParser",
    "JsonOutputToolsParser",
    "LLM",
    "LLMResult",
    "LabelsDict",
    "LanguageModelInput",
    "LengthBasedExampleSelector",
    "ListOutputParser",
    "LogEntry",
    "MarkdownListOutputParser",
    "MaxMarginalRelevanceExampleSelector",
    "MermaidDrawMethod",
    "MessageLikeRepresentation",
    "MessagesPlaceholder",
    "MissingExtraError",
    "MissingMetadataError",
    "MissingVariablesError",
    "ModelRunManager",
    "Node",
    "NodeStyles",
    "NotRunnableError",
    "NumberedListOutputParser",
    "OpenAI",
    "OpenAIEmbeddings",
    "OpenTelemetryTracer",
    "Output",
    "OutputParserException",
    "OutputTokenDetails",
    "ParrotFakeChatModel",
    "PerfettoTracer",
    "PortalError",
    "PromptTemplate",
    "PromptValue",
    "PydanticOutputParser",
    "PydanticToolsParser",
    "RemoveMessage",
    "RetryState",
    "RouterInput",
    "RouterRunnable",
    "Run",
    "RunCollectorCallbackHandler",
    "RunHandle",
    "RunInfo",
    "RunLog",
    "RunLogPatch",
    "RunManager",
    "RunState",
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
    "RunnableWithCache",
    "RunnableWithFallbacks",
    "RunnableWithMessageHistory",
    "RunnableWithRateLimiter",
    "SQLiteCache",
    "SQLiteChatMessageHistory",
    "SemanticSimilarityExampleSelector",
    "SimpleChatModel",
    "SimpleJsonOutputParser",
    "Simulation",
    "SimulationError",
    "StandardStreamEvent",
    "StdOutCallbackHandler",
    "StepInputError",
    "Stopped",
    "StrOutputParser",
    "StreamEvent",
    "StreamingStdOutCallbackHandler",
    "StringPromptTemplate",
    "StringPromptValue",
    "StructuredPrompt",
    "StructuredTool",
    "Sweep",
    "SystemMessage",
    "SystemMessageChunk",
    "SystemMessagePromptTemplate",
    "TemplateError",
    "Tool",
    "ToolCall",
    "ToolCallChunk",
    "ToolException",
    "ToolMessage",
    "ToolMessageChunk",
    "UsageMetadata",
    "UsageMetadataCallbackHandler",
    "VectorStore",
    "VectorStoreRetriever",
    "aadd",
    "add",
    "add_usage",
    "adispatch_custom_event",
    "afold",
    "aformat_document",
    "agenerate_from_stream",
    "chain",
    "coerce_to_runnable",
    "collect_runs",
    "convert_runnable_to_tool",
    "convert_to_json_schema",
    "convert_to_messages",
    "convert_to_openai_function",
    "convert_to_openai_messages",
    "convert_to_openai_tool",
    "count_tokens_approximately",
    "create_retriever_tool",
    "dispatch_custom_event",
    "dumpd",
    "dumps",
    "ensure_config",
    "filter_messages",
    "fold",
    "format_document",
    "format_documents",
    "from_dag",
    "from_langchain",
    "generate_from_stream",
    "get_buffer_string",
    "get_debug",
    "get_llm_cache",
    "get_template_variables",
    "get_usage_metadata_callback",
    "invalid_tool_call",
    "load",
    "loads",
    "maximal_marginal_relevance",
    "merge_configs",
    "merge_message_runs",
    "message_chunk_to_message",
    "message_to_dict",
    "messages_from_dict",
    "messages_to_dict",
    "parse_json_markdown",
    "parse_partial_json",
    "patch_config",
    "render_text_description",
    "render_text_description_and_args",
    "replay",
    "replay_log",
    "run_in_executor",
    "set_debug",
    "set_llm_cache",
    "simulate",
    "sorted_values",
    "stdlib_chain",
    "stdlib_documents",
    "stdlib_retriever",
    "terms_of",
    "to_json",
    "to_langchain",
    "tool",
    "tool_call",
    "tool_call_chunk",
    "tool_example_to_messages",
    "trim_messages",
]
