"""What users touch: runnables, and the prompts, models, parsers and retrievers made of them.

Each name is imported from its module when it is first asked for: what is a pydantic model takes long to define. Type
checkers and editors read `__init__.pyi` instead, which `make stub` writes from the table below.
"""

from importlib import import_module
from typing import Any

from anabranch.nodes import making as _making  # noqa: F401 (it completes `Runnable`)

_EXPORTS = {
    "engine.chunks": "AddableDict Algebra afold fold",
    "engine.config": "RunnableConfig ensure_config merge_configs patch_config",
    "engine.errors": "AnabranchError ChunkError CompositionError ConfigError EdgeTypeError GraphError NotRunnableError "
    "PortalError StepInputError Stopped",
    "engine.json_encoding": "to_json",
    "engine.run_logs": "RunLog RunLogPatch",
    "engine.run_states": "BaseStreamEvent CustomStreamEvent EventData LogEntry RunState StandardStreamEvent "
    "StreamEvent",
    "engine.value_types": "DictType",
    "nodes.adding": "aadd add",
    "nodes.bindings": "RunnableBinding",
    "nodes.branches": "RouterInput RouterRunnable RunnableBranch",
    "nodes.caching": "RunnableWithCache",
    "nodes.callbacks.async_handlers": "AsyncCallbackHandler",
    "nodes.callbacks.custom_events": "adispatch_custom_event dispatch_custom_event",
    "nodes.callbacks.file_handlers": "FileCallbackHandler",
    "nodes.callbacks.handlers": "BaseCallbackHandler",
    "nodes.callbacks.managers": "AsyncCallbackManagerForChainRun AsyncCallbackManagerForLLMRun "
    "AsyncCallbackManagerForRetrieverRun AsyncCallbackManagerForToolRun CallbackManagerForChainRun "
    "CallbackManagerForLLMRun CallbackManagerForRetrieverRun CallbackManagerForToolRun Callbacks",
    "nodes.callbacks.model_runs": "AsyncModelRunManager ModelRunManager",
    "nodes.callbacks.retry_states": "RetryState",
    "nodes.callbacks.run_managers": "AsyncRunManager RunManager",
    "nodes.callbacks.stdout_handlers": "StdOutCallbackHandler StreamingStdOutCallbackHandler",
    "nodes.coercion": "coerce_to_runnable",
    "nodes.configurable_fields": "ConfigurableField ConfigurableFieldMultiOption ConfigurableFieldSingleOption "
    "ConfigurableFieldSpec",
    "nodes.configurables": "RunnableConfigurableAlternatives RunnableConfigurableFields",
    "nodes.dags": "RunnableDag from_dag",
    "nodes.decorators": "chain",
    "nodes.drawable_graphs": "Edge Graph Node",
    "nodes.drawing_styles": "CurveStyle LabelsDict MermaidDrawMethod NodeStyles",
    "nodes.extras": "MissingExtraError",
    "nodes.functions": "RunnableLambda",
    "nodes.generators": "RunnableGenerator",
    "nodes.histories.chat_history": "BaseChatMessageHistory InMemoryChatMessageHistory",
    "nodes.histories.message_histories": "RunnableWithMessageHistory",
    "nodes.histories.sqlite_history": "SQLiteChatMessageHistory",
    "nodes.in_thread": "run_in_executor",
    "nodes.langchain.objects": "from_langchain to_langchain",
    "nodes.maps": "RunnableEach",
    "nodes.messages.any_message": "AnyMessage",
    "nodes.messages.buffer_strings": "get_buffer_string",
    "nodes.messages.chunks": "AIMessageChunk BaseMessageChunk ChatMessageChunk FunctionMessageChunk HumanMessageChunk "
    "SystemMessageChunk ToolMessageChunk message_chunk_to_message",
    "nodes.messages.conversion": "MessageLikeRepresentation convert_to_messages",
    "nodes.messages.dicts": "message_to_dict messages_from_dict messages_to_dict",
    "nodes.messages.filtering": "filter_messages merge_message_runs",
    "nodes.messages.generations": "ChatGeneration ChatGenerationChunk ChatResult Generation GenerationChunk LLMResult "
    "RunInfo agenerate_from_stream generate_from_stream",
    "nodes.messages.messages": "AIMessage BaseMessage ChatMessage FunctionMessage HumanMessage RemoveMessage "
    "SystemMessage ToolMessage",
    "nodes.messages.prompt_values": "ChatPromptValue ChatPromptValueConcrete PromptValue StringPromptValue",
    "nodes.messages.token_counting": "count_tokens_approximately",
    "nodes.messages.token_usage": "InputTokenDetails OutputTokenDetails UsageMetadata add_usage",
    "nodes.messages.tool_calls": "InvalidToolCall ToolCall ToolCallChunk invalid_tool_call tool_call tool_call_chunk",
    "nodes.messages.trimming": "trim_messages",
    "nodes.models.caches": "BaseCache InMemoryCache get_llm_cache set_llm_cache",
    "nodes.models.chat_models": "BaseChatModel SimpleChatModel",
    "nodes.models.fake_chat_models": "FakeChatModel FakeListChatModel FakeListChatModelError FakeMessagesListChatModel "
    "GenericFakeChatModel ParrotFakeChatModel",
    "nodes.models.fake_llms": "FakeListLLM FakeListLLMError FakeStreamingListLLM",
    "nodes.models.language_models": "BaseLanguageModel LanguageModelInput",
    "nodes.models.llms": "BaseLLM LLM",
    "nodes.models.rate_limiters": "BaseRateLimiter InMemoryRateLimiter",
    "nodes.models.sqlite_caches": "SQLiteCache",
    "nodes.openai.completions": "OpenAI",
    "nodes.openai.conversion": "convert_to_openai_messages",
    "nodes.openai.embeddings": "OpenAIEmbeddings",
    "nodes.openai.models": "ChatOpenAI",
    "nodes.parallels": "RunnableMap RunnableParallel",
    "nodes.parsers.cumulative_parsers": "BaseCumulativeTransformOutputParser",
    "nodes.parsers.fenced_json": "parse_json_markdown",
    "nodes.parsers.json_parsers": "JsonOutputParser PydanticOutputParser SimpleJsonOutputParser",
    "nodes.parsers.list_parsers": "CommaSeparatedListOutputParser ListOutputParser MarkdownListOutputParser "
    "NumberedListOutputParser",
    "nodes.parsers.output_errors": "OutputParserException",
    "nodes.parsers.parsers": "BaseGenerationOutputParser BaseLLMOutputParser BaseOutputParser "
    "BaseTransformOutputParser StrOutputParser",
    "nodes.parsers.tool_parsers": "JsonOutputKeyToolsParser JsonOutputToolsParser PydanticToolsParser",
    "nodes.partial_json": "parse_partial_json",
    "nodes.passthrough": "RunnableAssign RunnablePassthrough RunnablePick",
    "nodes.policies": "RunnableRetry RunnableWithFallbacks",
    "nodes.prompts.block_templates": "DictPromptTemplate ImagePromptTemplate",
    "nodes.prompts.chat_prompts": "ChatPromptTemplate",
    "nodes.prompts.document_prompts": "MissingMetadataError aformat_document format_document",
    "nodes.prompts.example_selectors": "BaseExampleSelector LengthBasedExampleSelector "
    "MaxMarginalRelevanceExampleSelector SemanticSimilarityExampleSelector sorted_values",
    "nodes.prompts.few_shot_prompts": "FewShotChatMessagePromptTemplate FewShotPromptTemplate "
    "FewShotPromptWithTemplates",
    "nodes.prompts.message_templates": "AIMessagePromptTemplate BaseMessagePromptTemplate "
    "BaseStringMessagePromptTemplate ChatMessagePromptTemplate HumanMessagePromptTemplate MessagesPlaceholder "
    "SystemMessagePromptTemplate",
    "nodes.prompts.prompt_templates": "BaseChatPromptTemplate BasePromptTemplate StringPromptTemplate",
    "nodes.prompts.string_prompts": "PromptTemplate",
    "nodes.prompts.structured_prompts": "StructuredPrompt",
    "nodes.prompts.template_formats": "get_template_variables",
    "nodes.prompts.templates": "TemplateError",
    "nodes.prompts.variables": "MissingVariablesError",
    "nodes.rate_limiting": "RunnableWithRateLimiter",
    "nodes.retrieval.bm25": "BM25Retriever",
    "nodes.retrieval.distance_strategies": "DistanceStrategy",
    "nodes.retrieval.docstores": "InMemoryDocstore",
    "nodes.retrieval.documents": "Document format_documents",
    "nodes.retrieval.embeddings": "Embeddings",
    "nodes.retrieval.faiss_vectors": "FAISS",
    "nodes.retrieval.fake_embeddings": "DeterministicFakeEmbedding FakeEmbeddings",
    "nodes.retrieval.hashing_embeddings": "HashingEmbeddings",
    "nodes.retrieval.in_memory_vectors": "InMemoryVectorStore",
    "nodes.retrieval.key_value_stores": "BaseStore ByteStore InMemoryBaseStore InMemoryByteStore InMemoryStore",
    "nodes.retrieval.retrievers": "BaseRetriever",
    "nodes.retrieval.terms": "terms_of",
    "nodes.retrieval.vector_stores": "VectorStore VectorStoreRetriever",
    "nodes.retrieval.vectors": "maximal_marginal_relevance",
    "nodes.runnables": "Input Output Runnable",
    "nodes.schemas.function_calling": "convert_to_json_schema convert_to_openai_function convert_to_openai_tool",
    "nodes.schemas.injected_arguments": "InjectedToolArg InjectedToolCallId",
    "nodes.sequences": "RunnableSequence",
    "nodes.serializable": "RunnableSerializable",
    "nodes.serialized_objects": "dumpd dumps load loads",
    "nodes.simulation.reports": "Simulation Sweep",
    "nodes.simulation.simulations": "simulate",
    "nodes.simulation.threads": "SimulationError",
    "nodes.stdlib.answers": "stdlib_chain stdlib_retriever",
    "nodes.stdlib.corpus": "stdlib_documents",
    "nodes.stdlib.extractive": "ExtractiveChatModel",
    "nodes.tools.decorator": "tool",
    "nodes.tools.examples": "tool_example_to_messages",
    "nodes.tools.outputs": "ToolException",
    "nodes.tools.rendering": "render_text_description render_text_description_and_args",
    "nodes.tools.retriever_tools": "create_retriever_tool",
    "nodes.tools.runnable_tools": "convert_runnable_to_tool",
    "nodes.tools.structured_tools": "StructuredTool Tool",
    "nodes.tools.tools": "ArgsSchema BaseTool BaseToolkit",
    "nodes.tracing.collecting": "RunCollectorCallbackHandler UsageMetadataCallbackHandler collect_runs "
    "get_usage_metadata_callback",
    "nodes.tracing.console": "ConsoleTracer",
    "nodes.tracing.debugging": "ConsoleCallbackHandler FunctionCallbackHandler get_debug set_debug",
    "nodes.tracing.event_files": "EventFile JsonLinesTracer",
    "nodes.tracing.otel": "OpenTelemetryTracer",
    "nodes.tracing.perfetto": "ChromeTrace PerfettoTracer",
    "nodes.tracing.replays": "EventFileError replay replay_log",
    "nodes.tracing.run_trees": "BaseTracer Run",
    "scheduler.handles": "RunHandle",
    "scheduler.managers": "CallbackManager",
}
"""What each module exports: a new name needs its place here, and `make stub`."""

_HOMES = {name: f"anabranch.{module}" for module, names in _EXPORTS.items() for name in names.split()}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
