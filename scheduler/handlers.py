"""Tells callback handlers, which have methods such as `on_chain_start` and `on_llm_end`, of facts.

Any object with some of these methods will do. Flags of a handler that are heeded: `ignore_chain`, `ignore_llm`,
`ignore_chat_model`, `ignore_retriever`, `ignore_agent` (tools), `ignore_retry`, `ignore_custom_event`; `raise_error`
(its exceptions break the run); `run_inline` (it never waits, so it needs no thread of its own on an event loop).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import iscoroutine
from typing import Any, Protocol

from anabranch.engine.errors import ConfigError
from anabranch.engine.events import asked, tool_call_id
from anabranch.engine.runs import MISSING, Listener, RunInfo
from anabranch.scheduler.handler_faults import tolerate
from anabranch.scheduler.handler_kinds import EVENTS, known_of
from anabranch.scheduler.hopping import hop

_IGNORED_BY = {run_type: {"tool": "ignore_agent"}.get(kind, f"ignore_{kind}") for run_type, kind in EVENTS.items()}
_ENDED = {run_type: f"on_{kind}_end" for run_type, kind in EVENTS.items()}


class View(Protocol):
    """How handlers, events and logs see what goes into a model or a tool and comes out of it.

    That of a tool has a `name` and a `description`, too, and `tool_call_id(value)`: of an input, the id of the call
    that it is, or None.
    """

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
        known = known_of(type(handler))  # type: ignore[arg-type] # a class is hashable
        self._handler = handler
        self._blocking = known.blocking
        self._methods: dict[str, Any] = {}
        self.hears = known.hears
        self.deaf_to = known.deaf_to
        self.is_async = known.is_async
        self.inline = not self.is_async and bool(getattr(handler, "run_inline", False))
        if self.is_async and (twin := getattr(handler, "twin", None)) is not None:
            self.twin = HandlerListener(twin)

    @property
    def handler(self) -> Any:
        """The handler."""
        return self._handler

    def started(self, run: RunInfo) -> Any:
        """See `Listener`."""
        if run.run_type == "chain" or EVENTS[run.run_type] == "chain":
            return self._chain_started(run)
        known = None if run.input is MISSING else run.input
        if run.run_type == "chat_model":
            return self._asked_messages(run, known)
        common = self._place(run)
        common["metadata"] = run.metadata
        common["name"] = run.name
        serialized = serialized_of(run)
        if run.run_type == "llm":
            prompts = run.about.said(run.about.asked(known)) if run.about is not None else [known]
            return self._call(run, "on_llm_start", serialized, prompts, **common, **_options(run))
        if run.run_type == "retriever":
            return self._call(run, "on_retriever_start", serialized, known, **common)
        given = None if known is None else asked(run)
        common |= {"inputs": given if isinstance(given, dict) else None, "tool_call_id": tool_call_id(run)}
        return self._call(run, "on_tool_start", serialized, str(given), **common)

    def _chain_started(self, run: RunInfo) -> Any:
        """`started` for what there is most of, without detours."""
        method = self._methods.get("on_chain_start", MISSING)
        if method is MISSING:
            method = self._heeded(run, "on_chain_start")
        if method is None:
            return None
        is_chain, parent = run.run_type == "chain", run.parent
        return method(
            None if is_chain else serialized_of(run),
            {"input": ""} if run.input is MISSING else run.input,
            run_id=run.id,
            parent_run_id=None if parent is None else parent.id,
            tags=run.tags,
            metadata=run.metadata,
            name=run.name,
            run_type=None if is_chain else run.run_type,
        )

    def _asked_messages(self, run: RunInfo, known: Any) -> Any:
        handler = self._handler
        if getattr(handler, "ignore_chat_model", False):
            return None
        about = {**self._place(run), "metadata": run.metadata, "name": run.name, **_options(run)}
        messages = run.about.asked(known) if run.about is not None else [known]
        serialized = serialized_of(run)

        def as_text() -> Any:
            said = run.about.said(messages) if run.about is not None else [str(known)]
            return self._call(run, "on_llm_start", serialized, said, **about)

        method = self._method("on_chat_model_start")
        if method is None:
            return as_text()
        if self.is_async:
            return _or_as_text(method(serialized, messages, **about), as_text)
        try:
            return method(serialized, messages, **about)
        except NotImplementedError:
            return as_text()

    def chunk(self, run: RunInfo, chunk: Any) -> Any:
        """See `Listener`."""
        if run.about is None or (run.run_type, "chunk") in self.deaf_to:
            return None
        text, piece = run.about.piece(chunk)
        return self._call(run, "on_llm_new_token", text, chunk=piece, **self._place(run))

    def ended(self, run: RunInfo) -> Any:
        """See `Listener`."""
        output = None if run.output is MISSING else run.output
        if not run.came_late and (run.run_type == "chain" or EVENTS[run.run_type] == "chain"):
            method, parent = self._methods.get("on_chain_end", MISSING), run.parent
            if method is MISSING:
                method = self._heeded(run, "on_chain_end")
            if method is None:
                return None
            return method(output, run_id=run.id, parent_run_id=None if parent is None else parent.id, tags=run.tags)
        if run.about is not None and run.output is not MISSING:
            output = run.about.answered(output)
        about = self._place(run)
        if run.came_late:
            about |= _late_input(run)
        if run.run_type == "tool":
            about["name"] = run.name if run.about is None else run.about.name
        return self._call(run, _ENDED[run.run_type], output, **about)

    def failed(self, run: RunInfo) -> Any:
        """See `Listener`."""
        about = {**self._place(run), **_late_input(run)}
        if run.run_type == "tool":
            about["tool_call_id"] = tool_call_id(run)
        elif EVENTS[run.run_type] == "llm" and run.about is not None and run.output is not MISSING:
            about["response"] = run.about.answered(run.output)
        return self._call(run, f"on_{EVENTS[run.run_type]}_error", run.error, **about)

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
        heeded = self._heeded(run, method)
        return None if heeded is None else heeded(*args, **kwargs)

    def _heeded(self, run: RunInfo, name: str) -> Any:
        """A method, unless the handler ignores such runs, or it does nothing. Looked up once a call."""
        try:
            return self._methods[name]
        except KeyError:
            ignored = getattr(self._handler, _IGNORED_BY[run.run_type], False)
            method = self._methods[name] = None if ignored else self._method(name)
            return method

    def _known(self, name: str) -> Any:
        try:
            return self._methods[name]
        except KeyError:
            method = self._methods[name] = self._method(name)
            return method

    def _invoke(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        method = self._known(name)
        return None if method is None else method(*args, **kwargs)

    def _method(self, name: str) -> Any:
        """A method that does something. A blocking one among coroutine functions runs in a thread."""
        method = getattr(self._handler, name, None)
        if method is None or getattr(method, "does_nothing", False) is True:
            return None
        if name in self._blocking:
            return lambda *args, **kwargs: hop(partial(method, *args, **kwargs), _not_stopped)
        return method

    def broke(self, error: Exception, what: str) -> None:
        """See `Listener`."""
        tolerate(self._handler, error, what)


class Fresh:
    """Stands in `callbacks` for a listener that is made anew for each run which it is given to."""

    def listener(self) -> Listener:
        """A new one."""
        raise NotImplementedError


FOREIGN: list[Callable[[Any], Listener | None]] = []
"""What tells handlers of another library of facts in the objects of that; None for any other handler."""


def listener_of(handler: Any) -> Listener:
    """What tells a handler of facts.

    Raises:
        ConfigError: a `ValueError`, when it is none.
    """
    if isinstance(handler, Fresh):
        return handler.listener()
    if isinstance(handler, Listener):
        return handler
    for listener_for in FOREIGN:
        if (listener := listener_for(handler)) is not None:
            return listener
    if isinstance(handler, type):
        name = handler.__name__
        raise ConfigError(f"callbacks: expected handlers, got the class {name}. Put an object of it there: {name}()")
    listener = HandlerListener(handler)
    if not listener.hears and not any(name.startswith("on_") for name in dir(handler)):
        raise ConfigError(
            f"callbacks: expected handlers, got {type(handler).__name__} {handler!r:.80}. A handler has methods such "
            "as on_chain_start; subclass BaseCallbackHandler"
        )
    return listener


def _late_input(run: RunInfo) -> dict[str, Any]:
    """The input of a run that has started without."""
    is_late = run.came_late and EVENTS[run.run_type] == "chain" and run.input is not MISSING
    return {"inputs": run.input} if is_late else {}


def _options(run: RunInfo) -> dict[str, Any]:
    return {} if run.about is None else run.about.options()


def serialized_of(run: RunInfo) -> dict[str, Any] | None:
    """What runs, as handlers are told: its class and its own name, and what a tool does. Nothing of chains."""
    if run.node is None or run.run_type == "chain":
        return None
    cls = type(run.node)
    told = {
        "lc": 1,
        "type": "not_implemented",
        "id": [*cls.__module__.split("."), cls.__qualname__],
        "name": getattr(run.node, "name", None) or cls.__name__,
    }
    if run.run_type == "tool" and run.about is not None:
        told |= {"name": run.about.name, "description": run.about.description}
    return told


async def _or_as_text(made: Any, as_text: Callable[[], Any]) -> None:
    try:
        if iscoroutine(made):
            await made
    except NotImplementedError:
        said = as_text()
        if said is not None:
            await said


def _not_stopped() -> None:
    """A handler is waited for, whatever comes."""
