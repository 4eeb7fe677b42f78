"""The run of a model: what handlers see of its settings, and what a model that asks for it gets.

Tokens. The chunks of a model that is streamed are told by whoever streams it, so what the model tells of them itself
is not told again. What a model tells while it makes its answer as a whole is told as it comes.
"""

from __future__ import annotations

from typing import Any, Self
from uuid import UUID

from anabranch.engine.config import RunnableConfig
from anabranch.engine.runs import RunInfo, Shown
from anabranch.nodes.callbacks.run_managers import TOLD, AsyncRunManager, RunManager, atell, tell
from anabranch.scheduler.managers import RUN


class Made(Shown):
    """All that a model has answered to an input, and the run that did, which shows the answer that `invoke` gives."""

    __slots__ = ("result", "run_id")

    def __init__(self, result: Any, run_id: UUID, shown: Any) -> None:
        super().__init__(shown)
        self.result = result
        self.run_id = run_id


class ModelView:
    """How handlers see a model's input and output. See `scheduler.handlers.View`.

    Args:
        model: the model.
        kwargs: what is bound to it.
        result: what it has answered, once that is known.
    """

    __slots__ = ("kwargs", "model", "result")

    def __init__(self, model: Any, kwargs: dict[str, Any], result: Any = None) -> None:
        self.model = model
        self.kwargs = kwargs
        self.result = result

    def with_result(self, result: Any) -> Self:
        """The same of one run, which has answered."""
        return type(self)(self.model, self.kwargs, result)

    def options(self) -> dict[str, Any]:
        """The settings of the model, and of this call."""
        stop = self.kwargs.get("stop")
        settings = {**self.model._identifying_params, "_type": self.model._llm_type, **self.kwargs, "stop": stop}
        return {"invocation_params": settings, "options": {"stop": stop}, "batch_size": 1}

    def token(self, text: str, chunk: Any) -> Any:
        """What the model tells of itself as one of its chunks."""
        raise NotImplementedError


def note_result(model: Any, result: Any, run: RunInfo | None = None) -> None:
    """Let those who listen to a model's run see all that it has answered."""
    run = run or RUN.get()
    if run is not None and isinstance(run.about, ModelView) and run.about.model is model:
        run.about = run.about.with_result(result)


class ModelRunManager(RunManager):
    """A model's view of its run: a `RunManager` that can also tell of a piece of the answer.

    Args:
        config: that of the step.
        is_streamed: whoever streams the model tells of its chunks, so what it tells itself isn't told again.

    Example:
        >>> class Speaker(LLM):
        ...     def _call(self, prompt, stop=None, run_manager=None, **kwargs):
        ...         for word in ("so", "be", "it"):
        ...             run_manager.on_llm_new_token(word)
        ...         return "so be it"
        >>> class Words(BaseCallbackHandler):
        ...     def on_llm_new_token(self, token, **kwargs):
        ...         print(token)
        >>> Speaker().invoke("Well?", {"callbacks": [Words()]})
        so
        be
        it
        'so be it'
    """

    def __init__(self, config: RunnableConfig, is_streamed: bool = False) -> None:
        super().__init__(config)
        self._is_streamed = is_streamed

    def on_llm_new_token(self, token: str, *, chunk: Any = None, **kwargs: Any) -> Any:
        """Tell handlers a piece of the answer: their `on_llm_new_token`."""
        return TOLD if self._is_streamed else tell(self.run, "chunk", self._told_itself(token, chunk))

    def _told_itself(self, token: str, chunk: Any) -> Any:
        if self.run is None:
            return token
        self.run.tells_chunks = False  # the answer, which may be handed on as one chunk, would repeat it
        return self.run.about.token(token, chunk)


class AsyncModelRunManager(AsyncRunManager, ModelRunManager):
    """A `ModelRunManager` for asynchronous methods: what tells is to be awaited.

    Example:
        >>> import asyncio
        >>> class Speaker(LLM):
        ...     async def _acall(self, prompt, stop=None, run_manager=None, **kwargs):
        ...         await run_manager.on_llm_new_token("yes")
        ...         return "yes"
        >>> class Words(AsyncCallbackHandler):
        ...     async def on_llm_new_token(self, token, **kwargs):
        ...         print(token)
        >>> asyncio.run(Speaker().ainvoke("Well?", {"callbacks": [Words()]}))
        yes
        'yes'
    """

    def get_sync(self) -> ModelRunManager:
        """The same view for a synchronous method."""
        return self._shared_with(ModelRunManager(self.config, self._is_streamed))

    async def on_llm_new_token(self, token: str, *, chunk: Any = None, **kwargs: Any) -> None:
        """Tell handlers a piece of the answer: their `on_llm_new_token`."""
        if not self._is_streamed:
            await atell(self.run, "chunk", self._told_itself(token, chunk))
