"""Runs inside a LangChain object, told to those who listen to the step that runs it.

A `Relay` is a callback handler of LangChain's. LangChain's outermost run is the step's own, which the driver tells of;
those below it become runs below the step's, with LangChain's ids.
"""

from __future__ import annotations

from functools import cache
from threading import Lock
from time import time
from typing import Any
from uuid import UUID

from anabranch.engine.runs import MISSING, RunInfo
from anabranch.nodes.callbacks.run_managers import tell
from anabranch.nodes.extras import import_extra
from anabranch.nodes.langchain.values import from_langchain_value
from anabranch.nodes.langchain.views import view_of
from anabranch.scheduler.handler_kinds import EVENTS
from anabranch.scheduler.managers import children


class Relaying:
    """See the module. What `relay` makes is this below LangChain's class of handlers.

    Args:
        run: that of the step.
        is_streamed: the driver tells of the step's chunks.
    """

    run_inline = True
    raise_error = True

    def __init__(self, run: RunInfo, is_streamed: bool) -> None:
        self.run = run
        self._is_streamed = is_streamed
        self._runs: dict[UUID, RunInfo] = {}
        self._is_over = False
        self._lock = Lock()

    def run_below(self, run_id: UUID | None) -> RunInfo:
        """The run of an id of LangChain's, as long as it runs; otherwise that of the step."""
        return self._runs.get(run_id, self.run) if run_id is not None else self.run

    def close(self, error: BaseException | None) -> None:
        """The step is over: runs that LangChain has left open end now, or fail with it; the inner ones first."""
        with self._lock:
            self._is_over = True
            left = [run for run in reversed(self._runs.values()) if run is not self.run]
            self._runs.clear()
        for run in left:
            self._over(run, error=error)

    # Starts

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_type: str | None = None, **about: Any) -> None:
        """A chain, prompt or parser has started."""
        self._start(run_type if run_type in EVENTS else "chain", serialized, inputs, about)

    def on_chat_model_start(self, serialized: Any, messages: Any, **about: Any) -> None:
        """A chat model has started."""
        self._start("chat_model", serialized, messages[0] if messages else [], about)

    def on_llm_start(self, serialized: Any, prompts: list[str], **about: Any) -> None:
        """A model from text to text has started."""
        self._start("llm", serialized, prompts[0] if prompts else "", about)

    def on_retriever_start(self, serialized: Any, query: str, **about: Any) -> None:
        """A retriever has started."""
        self._start("retriever", serialized, query, about)

    def on_tool_start(self, serialized: Any, input_str: str, *, inputs: Any = None, **about: Any) -> None:
        """A tool has started."""
        self._start("tool", serialized, input_str if inputs is None else inputs, about)

    def _start(self, run_type: str, serialized: Any, value: Any, about: dict[str, Any]) -> None:
        run_id, parent_id = about["run_id"], about.get("parent_run_id")
        with self._lock:
            if self._is_over:
                return
            parent = self._runs.get(parent_id) if parent_id is not None else None
            if parent is None and not self._runs:
                self._runs[run_id] = self.run
                return
            run = self._made(run_type, about.get("name") or named(serialized), parent or self.run, about)
            run.input = from_langchain_value(value)
            run.about = view_of(run_type, run.name, serialized, about)
            self._runs[run_id] = run
        run.started = time()
        tell(run, "started")

    def _made(self, run_type: str, name: str, parent: RunInfo, about: dict[str, Any]) -> RunInfo:
        manager = children(parent)
        tags = [tag for tag in about.get("tags") or () if tag not in manager.inheritable_tags]
        run = manager.run(name, run_type, tags, None, about["run_id"])
        run.metadata.update(about.get("metadata") or {})
        run.reporter, run.config = parent.reporter, parent.config
        return run

    # Ends

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **about: Any) -> None:
        """A chain, prompt or parser is over."""
        self._end(run_id, outputs)

    def on_llm_end(self, response: Any, *, run_id: UUID, **about: Any) -> None:
        """A model is over."""
        run = self.run_below(run_id)
        generation = response.generations[0][0]
        if run is self.run:
            self._end(run_id, MISSING)
        else:
            self._end(run_id, generation.message if run.run_type == "chat_model" else generation.text)

    def on_retriever_end(self, documents: Any, *, run_id: UUID, **about: Any) -> None:
        """A retriever is over."""
        self._end(run_id, documents)

    def on_tool_end(self, output: Any, *, run_id: UUID, **about: Any) -> None:
        """A tool is over."""
        self._end(run_id, output)

    def _end(self, run_id: UUID, output: Any) -> None:
        run = self._taken(run_id)
        if run is not None:
            self._over(run, from_langchain_value(output))

    def _taken(self, run_id: UUID) -> RunInfo | None:
        """A run that is over now; None for the step's own."""
        with self._lock:
            if self._runs.get(run_id) is self.run:
                return None  # it stays, for what runs below it
            return self._runs.pop(run_id, None)

    def _over(self, run: RunInfo, output: Any = MISSING, error: BaseException | None = None) -> None:
        run.output, run.error, run.ended = output, error, time()
        tell(run, "ended" if error is None else "failed")

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **about: Any) -> None:
        """A run has failed."""
        run = self._taken(run_id)
        if run is not None:
            self._over(run, error=error)

    on_llm_error = on_retriever_error = on_tool_error = on_chain_error

    # What is told meanwhile

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, run_id: UUID, **about: Any) -> None:
        """A model has made a piece of its answer."""
        run = self.run_below(run_id)
        if self._is_over or (run is self.run and (self._is_streamed or run_id not in self._runs)):
            return
        if run is self.run:
            run.tells_chunks = False  # the answer, which may be handed on as one chunk, would repeat it
        piece = from_langchain_value(chunk)
        told = piece.message if hasattr(piece, "message") else token if piece is None else piece.text
        tell(run, "chunk", told if run.about is None else run.about.token(str(token), piece))

    def on_text(self, text: str, *, run_id: UUID, **about: Any) -> None:
        """A run has told a text."""
        tell(self.run_below(run_id), "told", "text", text)

    def on_retry(self, retry_state: Any, *, run_id: UUID, **about: Any) -> None:
        """Something is tried again."""
        tell(self.run_below(run_id), "told", "retry", retry_state)

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **about: Any) -> None:
        """A run has told an event of its own."""
        tell(self.run_below(run_id), "told", "custom_event", name, from_langchain_value(data))


def relay(run: RunInfo, is_streamed: bool) -> Relaying:
    """A handler for a LangChain object that runs in a step."""
    made: Relaying = _relay_class()(run, is_streamed)
    return made


@cache
def _relay_class() -> Any:
    handlers = import_extra("langchain_core.callbacks", "langchain", "a LangChain object")
    return type("Relay", (Relaying, handlers.BaseCallbackHandler), {})


def named(serialized: Any) -> str:
    """The name of what LangChain tells of without one."""
    known = serialized or {}
    return str(known.get("name") or [*(known.get("id") or ()), "chain"][0])
