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
    "engine.errors": "AnabranchError ChunkError CompositionError ConfigError EdgeTypeError GraphError "
    "NotRunnableError PortalError StepInputError Stopped",
    "engine.json_encoding": "to_json",
    "engine.run_logs": "RunLog RunLogPatch",
    "engine.run_states": "BaseStreamEvent CustomStreamEvent EventData LogEntry RunState StandardStreamEvent "
    "StreamEvent",
    "engine.value_types": "DictType",
    "nodes.adding": "aadd add",
    "nodes.any_message": "AnyMessage",
    "nodes.async_callback_handlers": "AsyncCallbackHandler",
    "nodes.bindings": "RunnableBinding",
    "nodes.block_templates": "DictPromptTemplate ImagePromptTemplate",
    "nodes.bm25": "BM25Retriever",
    "nodes.branches": "RouterInput RouterRunnable RunnableBranch",
    "nodes.buffer_strings": "get_buffer_string",
    "nodes.caches": "BaseCache InMemoryCache get_llm_cache set_llm_cache",
    "nodes.caching": "RunnableWithCache",
    "nodes.callback_handlers": "BaseCallbackHandler",
    "nodes.callback_managers": "AsyncCallbackManagerForChainRun AsyncCallbackManagerForLLMRun "
    "AsyncCallbackManagerForRetrieverRun AsyncCallbackManagerForToolRun CallbackManagerForChainRun "
    "CallbackManagerForLLMRun CallbackManagerForRetrieverRun CallbackManagerForToolRun Callbacks",
    "nodes.chat_history": "BaseChatMessageHistory InMemoryChatMessageHistory",
    "nodes.chat_models": "BaseChatModel SimpleChatModel",
    "nodes.chat_prompts": "ChatPromptTemplate",
    "nodes.coercion": "coerce_to_runnable",
    "nodes.collecting": "RunCollectorCallbackHandler UsageMetadataCallbackHandler collect_runs "
    "get_usage_metadata_callback",
    "nodes.configurable_fields": "ConfigurableField ConfigurableFieldMultiOption ConfigurableFieldSingleOption "
    "ConfigurableFieldSpec",
    "nodes.configurables": "RunnableConfigurableAlternatives RunnableConfigurableFields",
    "nodes.console": "ConsoleTracer",
    "nodes.cumulative_parsers": "BaseCumulativeTransformOutputParser",
    "nodes.custom_events": "adispatch_custom_event dispatch_custom_event",
    "nodes.dags": "RunnableDag from_dag",
    "nodes.debugging": "ConsoleCallbackHandler get_debug set_debug",
    "nodes.decorators": "chain",
    "nodes.distance_strategies": "DistanceStrategy",
    "nodes.docstores": "InMemoryDocstore",
    "nodes.document_prompts": "MissingMetadataError aformat_document format_document",
    "nodes.documents": "Document format_documents",
    "nodes.drawable_graphs": "Edge Graph Node",
    "nodes.drawing_styles": "CurveStyle LabelsDict MermaidDrawMethod NodeStyles",
    "nodes.embeddings": "Embeddings",
    "nodes.event_files": "EventFile JsonLinesTracer",
    "nodes.example_selectors": "BaseExampleSelector LengthBasedExampleSelector MaxMarginalRelevanceExampleSelector "
    "SemanticSimilarityExampleSelector sorted_values",
    "nodes.extractive": "ExtractiveChatModel",
    "nodes.extras": "MissingExtraError",
    "nodes.faiss_vectors": "FAISS",
    "nodes.fake_chat_models": "FakeChatModel FakeListChatModel FakeListChatModelError FakeMessagesListChatModel "
    "GenericFakeChatModel ParrotFakeChatModel",
    "nodes.fake_embeddings": "DeterministicFakeEmbedding FakeEmbeddings",
    "nodes.fake_llms": "FakeListLLM FakeListLLMError FakeStreamingListLLM",
    "nodes.fenced_json": "parse_json_markdown",
    "nodes.few_shot_prompts": "FewShotChatMessagePromptTemplate FewShotPromptTemplate FewShotPromptWithTemplates",
    "nodes.file_handlers": "FileCallbackHandler",
    "nodes.function_calling": "convert_to_json_schema convert_to_openai_function convert_to_openai_tool",
    "nodes.functions": "RunnableLambda",
    "nodes.generations": "ChatGeneration ChatGenerationChunk ChatResult Generation GenerationChunk LLMResult RunInfo",
    "nodes.generators": "RunnableGenerator",
    "nodes.hashing_embeddings": "HashingEmbeddings",
    "nodes.in_memory_vectors": "InMemoryVectorStore",
    "nodes.in_thread": "run_in_executor",
    "nodes.injected_arguments": "InjectedToolArg InjectedToolCallId",
    "nodes.json_parsers": "JsonOutputParser PydanticOutputParser SimpleJsonOutputParser",
    "nodes.key_value_stores": "BaseStore ByteStore InMemoryBaseStore InMemoryByteStore InMemoryStore",
    "nodes.langchain_objects": "from_langchain to_langchain",
    "nodes.language_models": "BaseLanguageModel LanguageModelInput",
    "nodes.list_parsers": "CommaSeparatedListOutputParser ListOutputParser MarkdownListOutputParser "
    "NumberedListOutputParser",
    "nodes.llms": "BaseLLM LLM",
    "nodes.maps": "RunnableEach",
    "nodes.message_chunks": "AIMessageChunk BaseMessageChunk ChatMessageChunk FunctionMessageChunk HumanMessageChunk "
    "SystemMessageChunk ToolMessageChunk message_chunk_to_message",
    "nodes.message_conversion": "MessageLikeRepresentation convert_to_messages",
    "nodes.message_dicts": "message_to_dict messages_from_dict messages_to_dict",
    "nodes.message_filtering": "filter_messages merge_message_runs",
    "nodes.message_histories": "RunnableWithMessageHistory",
    "nodes.message_templates": "AIMessagePromptTemplate BaseMessagePromptTemplate BaseStringMessagePromptTemplate "
    "ChatMessagePromptTemplate HumanMessagePromptTemplate MessagesPlaceholder SystemMessagePromptTemplate",
    "nodes.message_trimming": "trim_messages",
    "nodes.messages": "AIMessage BaseMessage ChatMessage FunctionMessage HumanMessage RemoveMessage SystemMessage "
    "ToolMessage",
    "nodes.model_runs": "AsyncModelRunManager ModelRunManager",
    "nodes.openai_completions": "OpenAI",
    "nodes.openai_conversion": "convert_to_openai_messages",
    "nodes.openai_embeddings": "OpenAIEmbeddings",
    "nodes.openai_models": "ChatOpenAI",
    "nodes.otel": "OpenTelemetryTracer",
    "nodes.output_errors": "OutputParserException",
    "nodes.parallels": "RunnableMap RunnableParallel",
    "nodes.parsers": "BaseGenerationOutputParser BaseLLMOutputParser BaseOutputParser BaseTransformOutputParser "
    "StrOutputParser",
    "nodes.partial_json": "parse_partial_json",
    "nodes.passthrough": "RunnableAssign RunnablePassthrough RunnablePick",
    "nodes.perfetto": "ChromeTrace PerfettoTracer",
    "nodes.policies": "RunnableRetry RunnableWithFallbacks",
    "nodes.prompt_templates": "BaseChatPromptTemplate BasePromptTemplate StringPromptTemplate",
    "nodes.prompt_values": "ChatPromptValue ChatPromptValueConcrete PromptValue StringPromptValue",
    "nodes.prompt_variables": "MissingVariablesError",
    "nodes.rate_limiters": "BaseRateLimiter InMemoryRateLimiter",
    "nodes.rate_limiting": "RunnableWithRateLimiter",
    "nodes.replays": "EventFileError replay replay_log",
    "nodes.retriever_tools": "create_retriever_tool",
    "nodes.retrievers": "BaseRetriever",
    "nodes.retry_states": "RetryState",
    "nodes.run_managers": "AsyncRunManager RunManager",
    "nodes.run_trees": "BaseTracer Run",
    "nodes.runnable_tools": "convert_runnable_to_tool",
    "nodes.runnables": "Input Output Runnable",
    "nodes.sequences": "RunnableSequence",
    "nodes.serializable": "RunnableSerializable",
    "nodes.serialized_objects": "dumpd dumps load loads",
    "nodes.simulated_threads": "SimulationError",
    "nodes.simulation_reports": "Simulation Sweep",
    "nodes.simulations": "simulate",
    "nodes.sqlite_caches": "SQLiteCache",
    "nodes.sqlite_history": "SQLiteChatMessageHistory",
    "nodes.stdlib_answers": "stdlib_chain stdlib_retriever",
    "nodes.stdlib_corpus": "stdlib_documents",
    "nodes.stdout_handlers": "StdOutCallbackHandler StreamingStdOutCallbackHandler",
    "nodes.string_prompts": "PromptTemplate",
    "nodes.structured_prompts": "StructuredPrompt",
    "nodes.structured_tools": "StructuredTool Tool",
    "nodes.template_formats": "get_template_variables",
    "nodes.templates": "TemplateError",
    "nodes.terms": "terms_of",
    "nodes.token_counting": "count_tokens_approximately",
    "nodes.token_usage": "InputTokenDetails OutputTokenDetails UsageMetadata add_usage",
    "nodes.tool_calls": "InvalidToolCall ToolCall ToolCallChunk invalid_tool_call tool_call tool_call_chunk",
    "nodes.tool_decorator": "tool",
    "nodes.tool_examples": "tool_example_to_messages",
    "nodes.tool_outputs": "ToolException",
    "nodes.tool_parsers": "JsonOutputKeyToolsParser JsonOutputToolsParser PydanticToolsParser",
    "nodes.tool_rendering": "render_text_description render_text_description_and_args",
    "nodes.tools": "ArgsSchema BaseTool BaseToolkit",
    "nodes.vector_stores": "VectorStore VectorStoreRetriever",
    "nodes.vectors": "maximal_marginal_relevance",
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
