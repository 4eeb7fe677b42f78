"""Run managers by the names that other libraries give them, so that a model or retriever need not be annotated anew."""

from anabranch.nodes.callbacks.handlers import BaseCallbackHandler
from anabranch.nodes.callbacks.model_runs import AsyncModelRunManager, ModelRunManager
from anabranch.nodes.callbacks.run_managers import AsyncRunManager, RunManager
from anabranch.scheduler.managers import CallbackManager

Callbacks = list[BaseCallbackHandler] | CallbackManager | None
"""What `config["callbacks"]` may be; a tool's function may take a parameter of this type."""

CallbackManagerForChainRun = RunManager
CallbackManagerForLLMRun = ModelRunManager
CallbackManagerForRetrieverRun = RunManager
CallbackManagerForToolRun = RunManager
AsyncCallbackManagerForChainRun = AsyncRunManager
AsyncCallbackManagerForLLMRun = AsyncModelRunManager
AsyncCallbackManagerForRetrieverRun = AsyncRunManager
AsyncCallbackManagerForToolRun = AsyncRunManager
