"""Tells callback handlers, which have methods such as `on_chain_start` and `on_llm_end`, of facts.

Any object with some of these methods will do. Flags of a handler that are heeded: `ignore_chain`, `ignore_llm`,
`ignore_chat_model`, `ignore_retriever`, `ignore_agent` (tools), `ignore_retry`, `ignore_custom_event`; `raise_error`
(its exceptions break the run); `run_inline` (it never waits, so it needs no thread of its own on an event loop).
"""

from __future__ import annotations

import logging
from functools import lru_cache
from inspect import iscoroutine, iscoroutinefunction
from typing import Any, Protocol

from anabranch.engine.runs import MISSING, Listener, RunInfo

logger = logging.getLogger("anabranch")

EVENTS = {
    "chain": "chain",
    "prompt": "chain",
    "parser": "chain",
    "llm": "llm",
    "chat_model": "llm",
    "retriever": "retriever",
    "tool": "tool",
}
"""The run type as the names of a handler's methods have it."""

_IGNORED_BY = {"chain": "ignore_chain", "llm": "ignore_llm", "retriever": "ignore_retriever", "tool": "ignore_agent"}


class View(Protocol):
    """How handlers, events and logs see what goes into a model and comes out of it."""

    def asked(self, value: Any) -> Any:
        """What handlers get of an input: texts, or lists of messages."""

    def answered(self, value: Any) -> Any:
        """What handlers get of an output."""

    def piece(self, chunk: Any) -> tuple[str, Any]:
        """The text of a chunk, and the chunk as handlers get it."""

    def said(self, asked: Any) -> list[str]:
        """What was asked as texts, for those who know no messages."""

    def options(self) -> dict[str, Any]:
        """What more a handler is told at the start."""


class HandlerListener(Listener):
    """See the module."""

    def __init__(self, handler: Any) -> None:
        self._handler = handler
        self._is_logged = False
        self.inline = bool(getattr(handler, "run_inline", False))
        self.is_async = _has_coroutines(type(handler))  # type: ignore[arg-type] # a class is hashable

    @property
    def handler(self) -> Any:
        """The handler."""
        return self._handler

    def started(self, run: RunInfo) -> Any:
        """See `Listener`."""
        known = None if run.input is MISSING else run.input
        if run.run_type == "chat_model":
            return self._asked_messages(run, known)
        common = {**self._place(run), "metadata": run.metadata, "name": run.name}
        if run.run_type == "llm":
            asked = run.about.said(run.about.asked(known)) if run.about is not None else [known]
            return self._call(run, "on_llm_start", None, asked, **common, **_options(run))
        if run.run_type == "retriever":
            return self._call(run, "on_retriever_start", None, known, **common)
        if run.run_type == "tool":
            inputs = known if isinstance(known, dict) else None
            return self._call(run, "on_tool_start", None, str(known), **common, inputs=inputs)
        run_type = None if run.run_type == "chain" else run.run_type
        inputs = {"input": ""} if run.input is MISSING else known
        return self._call(run, "on_chain_start", None, inputs, **common, run_type=run_type)

    def _asked_messages(self, run: RunInfo, known: Any) -> Any:
        handler = self._handler
        if getattr(handler, "ignore_chat_model", False):
            return None
        about = {**self._place(run), "metadata": run.metadata, "name": run.name, **_options(run)}
        asked = run.about.asked(known) if run.about is not None else [known]

        def as_text() -> Any:
            said = run.about.said(asked) if run.about is not None else [str(known)]
            return self._call(run, "on_llm_start", None, said, **about)

        method = getattr(handler, "on_chat_model_start", None)
        if method is None or getattr(method, "does_nothing", False):
            return as_text()
        try:
            made = method(None, asked, **about)
        except NotImplementedError:
            return as_text()
        return _or_as_text(made, as_text) if iscoroutine(made) else made

    def chunk(self, run: RunInfo, chunk: Any) -> Any:
        """See `Listener`."""
        if run.about is None or run.run_type not in ("llm", "chat_model"):
            return None
        text, piece = run.about.piece(chunk)
        return self._call(run, "on_llm_new_token", text, chunk=piece, **self._place(run))

    def ended(self, run: RunInfo) -> Any:
        """See `Listener`."""
        output = None if run.output is MISSING else run.output
        if run.about is not None and run.output is not MISSING:
            output = run.about.answered(output)
        return self._call(run, f"on_{EVENTS[run.run_type]}_end", output, **self._place(run), **_late_input(run))

    def failed(self, run: RunInfo) -> Any:
        """See `Listener`."""
        return self._call(run, f"on_{EVENTS[run.run_type]}_error", run.error, **self._place(run), **_late_input(run))

    def told(self, run: RunInfo, what: str, *data: Any) -> Any:
        """See `Listener`."""
        if getattr(self._handler, f"ignore_{what}", False):
            return None
        place = self._place(run)
        if what == "custom_event":
            place.pop("parent_run_id")
            return self._invoke(f"on_{what}", *data, **place, metadata=run.metadata)
        return self._invoke(f"on_{what}", *data, **place)

    def _place(self, run: RunInfo) -> dict[str, Any]:
        return {"run_id": run.id, "parent_run_id": run.parent_id, "tags": run.tags}

    def _call(self, run: RunInfo, method: str, /, *args: Any, **kwargs: Any) -> Any:
        if getattr(self._handler, _IGNORED_BY[EVENTS[run.run_type]], False):
            return None
        return self._invoke(method, *args, **kwargs)

    def _invoke(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        method = getattr(self._handler, name, None)
        if method is None or getattr(method, "does_nothing", False):
            return None
        return method(*args, **kwargs)

    def broke(self, error: Exception, what: str) -> None:
        """See `Listener`."""
        if getattr(self._handler, "raise_error", False):
            raise error
        if not self._is_logged:
            self._is_logged = True
            logger.warning(
                "callback handler %s raised at a %r fact, which the run ignores (it is logged once): %r",
                type(self._handler).__name__,
                what,
                error,
            )


def listener_of(handler: Any) -> Listener:
    """What tells a handler of facts."""
    return handler if isinstance(handler, Listener) else HandlerListener(handler)


def _late_input(run: RunInfo) -> dict[str, Any]:
    return {"inputs": run.input} if EVENTS[run.run_type] == "chain" and run.input is not MISSING else {}


def _options(run: RunInfo) -> dict[str, Any]:
    return {} if run.about is None else run.about.options()


async def _or_as_text(asked: Any, as_text: Any) -> None:
    try:
        await asked
    except NotImplementedError:
        made = as_text()
        if made is not None:
            await made


@lru_cache(maxsize=256)
def _has_coroutines(cls: type) -> bool:
    return any(name.startswith("on_") and iscoroutinefunction(getattr(cls, name)) for name in dir(cls))
