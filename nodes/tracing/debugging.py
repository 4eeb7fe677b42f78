"""What goes into each run and comes out of it, on the console: of one call, or of all that is called from now on."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from anabranch.engine.json_encoding import to_json
from anabranch.engine.runs import RunInfo
from anabranch.nodes.messages.buffer_strings import get_buffer_string
from anabranch.nodes.messages.messages import BaseMessage
from anabranch.nodes.messages.prompt_values import PromptValue
from anabranch.nodes.tracing.run_trees import outcome_of, run_of
from anabranch.nodes.tracing.sinks import Sink
from anabranch.scheduler.managers import EVERYWHERE

GREEN, BLUE, RED = "32;1", "36;1", "31;1"


class FunctionCallbackHandler(Sink):
    """Tells a function of each run with its input, and with its output and time when it is over.

    Args:
        function: takes a text. It is called with one after the other; on an event loop in a thread.

    Example:
        >>> texts = []
        >>> RunnableLambda(abs).invoke(-1, {"callbacks": [FunctionCallbackHandler(texts.append)]})
        1
        >>> ["Entering" in text for text in texts], ["Exiting" in text for text in texts]
        ([True, False], [False, True])
    """

    def __init__(self, function: Callable[[str], Any]) -> None:
        super().__init__()
        self.function = function

    def started(self, run: RunInfo) -> None:
        """See `Listener`."""
        inputs: Any = run_of(run).inputs
        if run.run_type == "chat_model" and inputs:
            inputs = {"prompts": [get_buffer_string(inputs["messages"])]}
        shown = _shown(inputs) if inputs else "(still coming in)"
        self.note(run, _line(run, "start", GREEN, f"Entering {_kind(run)} run with input:", shown))

    def ended(self, run: RunInfo) -> None:
        """See `Listener`."""
        _, outputs, _ = outcome_of(run)
        said = f"[{_took(run)}] Exiting {_kind(run)} run with output:"
        self.note(run, _line(run, "end", BLUE, said, _shown(outputs)))

    def failed(self, run: RunInfo) -> None:
        """See `Listener`."""
        *_, error = outcome_of(run)
        said = f"[{_took(run)}] {_kind(run)} run errored with error:"
        self.note(run, _line(run, "error", RED, said, error or ""))

    def write(self, items: list[Any]) -> None:
        """Hand over texts."""
        for text in items:
            self.function(text)


class ConsoleCallbackHandler(FunctionCallbackHandler):
    """Prints each run with its input, and with its output and time when it is over, to the standard output.

    `ConsoleTracer` shows less of each run, and more of how they stand to each other.

    Example:
        >>> import contextlib, io
        >>> with contextlib.redirect_stdout(io.StringIO()) as said:
        ...     one = RunnableLambda(abs).invoke(-1, {"callbacks": [ConsoleCallbackHandler()]})
        >>> "[chain:abs] Entering Chain run with input:" in said.getvalue()
        True
    """

    def __init__(self) -> None:
        super().__init__(partial(print, flush=True))


def set_debug(value: bool) -> None:
    """Have all that is called from now on, in any thread, print its runs as `ConsoleCallbackHandler` does; or no more.

    Example:
        >>> set_debug(True)
        >>> get_debug()
        True
        >>> set_debug(False)
    """
    if value and not get_debug():
        EVERYWHERE.append(_DEBUGGER)
    elif not value and get_debug():
        EVERYWHERE.remove(_DEBUGGER)


def get_debug() -> bool:
    """Whether `set_debug` is on.

    Example:
        >>> get_debug()
        False
    """
    return _DEBUGGER in EVERYWHERE


_DEBUGGER = ConsoleCallbackHandler()


def _line(run: RunInfo, what: str, color: str, said: str, shown: str) -> str:
    type = run_of(run).run_type
    event = f"{type if type in ('llm', 'tool', 'retriever') else 'chain'}/{what}"
    return f"\x1b[{color}m\x1b[1;3m[{event}]\x1b[0m \x1b[1m[{_place(run)}] {said}\n\x1b[0m{shown}"


def _place(run: RunInfo) -> str:
    """The run and those around it, the outermost first."""
    crumbs: list[str] = []
    at: RunInfo | None = run
    while at is not None:
        crumbs.append(f"{'llm' if at.run_type == 'chat_model' else at.run_type}:{at.name}")
        at = at.parent
    return " > ".join(reversed(crumbs))


def _kind(run: RunInfo) -> str:
    return "LLM" if run.run_type in ("llm", "chat_model") else run.run_type.title()


def _took(run: RunInfo) -> str:
    seconds = max(0.0, run.ended - run.started)
    return f"{seconds * 1000:.0f}ms" if seconds < 1 else f"{seconds:.2f}s"


def _shown(value: Any) -> str:
    return json.dumps(to_json(_briefly(value)), indent=2, ensure_ascii=False)


def _briefly(value: Any) -> Any:
    """A value in which messages have only what was said."""
    if isinstance(value, BaseMessage):
        return {"type": value.type, **{str(name): _briefly(held) for name, held in value.__repr_args__()}}
    if isinstance(value, PromptValue):
        return value.to_string()
    if isinstance(value, list | tuple):
        return [_briefly(each) for each in value]
    return {key: _briefly(each) for key, each in value.items()} if isinstance(value, dict) else value
