"""The tree of runs as objects: what ran, inside what, on which input, to which end. And who keeps it: a tracer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from anabranch.engine.events import asked
from anabranch.engine.runs import MISSING, Listener, RunInfo
from anabranch.scheduler.handler_faults import tolerate
from anabranch.scheduler.handler_kinds import EVENTS, TOKENLESS
from anabranch.scheduler.handlers import serialized_of


@dataclass(eq=False, repr=False)
class Run:
    """One execution of a step or of a chain, as far as it is known.

    Attributes:
        id, name, run_type, tags: as in events.
        trace_id: the id of the outermost run.
        parent_run_id: of the run around it; None at the root.
        dotted_order: start times and ids from the root to here, so that runs sorted by it stand in their order.
        start_time, end_time: in UTC; no end time while it runs.
        inputs: a dict; what is none is `{"input": value}`. Empty until it is known. A chat model has `messages`, a text
            model `prompts`.
        outputs: a dict; what is none is `{"output": value}`. None until it is known. A model has `generations` and
            `llm_output`, a retriever `documents`.
        error: what it failed with, as text.
        events: what happened, in order, each with a `name` and a `time`.
        extra: `metadata`, and a model's settings.
        child_runs: those inside it, in the order in which they started.
        serialized: the class and name of a model, prompt, parser, tool or retriever.

    Example:
        >>> def tell(run):
        ...     print(run, run.inputs, run.outputs, run.tags)
        ...     print(run.child_runs)
        >>> (RunnableLambda(abs) | str).with_listeners(on_end=tell).invoke(-1, {"tags": ["demo"]})
        Run(chain 'RunnableSequence', over, 2 inside) {'input': -1} {'output': '1'} ['demo']
        [Run(chain 'abs', over, 0 inside), Run(chain 'str', over, 0 inside)]
        '1'
    """

    id: UUID
    name: str
    run_type: str
    trace_id: UUID
    dotted_order: str
    start_time: datetime
    parent_run_id: UUID | None = None
    end_time: datetime | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] | None = None
    error: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    child_runs: list[Run] = field(default_factory=list)
    serialized: dict[str, Any] | None = None

    @property
    def metadata(self) -> dict[str, Any]:
        """What was said of it in config."""
        found: dict[str, Any] = self.extra.setdefault("metadata", {})
        return found

    @property
    def latency(self) -> float | None:
        """How long it took, in seconds; None while it runs."""
        return None if self.end_time is None else (self.end_time - self.start_time).total_seconds()

    def __repr__(self) -> str:
        state = "failed" if self.error is not None else "over" if self.end_time else "running"
        return f"Run({self.run_type} {self.name!r}, {state}, {len(self.child_runs)} inside)"


_HOOKS = {
    (kind, what): f"_on_{kind}_{what}"
    for kind in dict.fromkeys(EVENTS.values())
    for what in ("start", "end", "error", *(["new_token"] if kind == "llm" else []))
}


class BaseTracer(Listener):
    """A callback handler that keeps the tree of runs. Subclass it and write `_persist_run`.

    It may be given in `callbacks`, for one call or for many at once. `_persist_run` gets each outermost run that it
    has heard of when that is over, with all runs inside. Under asyncio it is called in a thread, unless `run_inline` is
    set.

    It may also write `_on_run_create` and `_on_run_update`, which get each run that has started or is over, and
    `_on_chain_start`, `_on_chain_end`, `_on_chain_error`, and the same of `llm`, `retriever` and `tool`, for those of
    one kind; `_on_llm_new_token` gets the text and the chunk, too. A handler's methods, such as `on_chain_start`, are
    not called.

    Attributes:
        run_map: the runs that are under way, by id.
        raise_error: what it raises breaks the run; otherwise it is logged once.
        run_inline: it never waits, so that it needs no thread under asyncio.

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> class Printer(BaseTracer):
        ...     def _persist_run(self, run):
        ...         print(run.name, run.inputs, run.outputs, [child.name for child in run.child_runs])
        >>> (RunnableLambda(abs) | str).invoke(-1, {"callbacks": [Printer()]})
        RunnableSequence {'input': -1} {'output': '1'} ['abs', 'str']
        '1'
    """

    raise_error: bool = False
    run_inline: bool = False
    deaf_to = TOKENLESS
    _hooks: ClassVar[dict[tuple[str, str], str]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._hooks = {key: name for key, name in _HOOKS.items() if hasattr(cls, name)}

    def __init__(self) -> None:
        self.run_map: dict[UUID, Run] = {}
        self.inline = self.run_inline

    # What a subclass may write

    def _persist_run(self, run: Run) -> Any:
        """An outermost run is over."""
        raise NotImplementedError(f"{type(self).__name__} must write _persist_run(run), to do something with runs")

    def _on_run_create(self, run: Run) -> Any:
        """A run has started."""

    def _on_run_update(self, run: Run) -> Any:
        """A run is over."""

    def _tell(self, info: RunInfo, what: str, *told: Any) -> None:
        name = self._hooks.get((EVENTS[info.run_type], what))
        if name is not None:
            getattr(self, name)(*told)

    # Facts

    def started(self, info: RunInfo) -> Any:
        """See `Listener`."""
        run = run_of(info)
        around = None if info.parent is None else self.run_map.get(info.parent.id)
        if around is not None:
            around.child_runs.append(run)
        self.run_map[run.id] = run
        made = self._on_run_create(run)
        self._tell(info, "start", run)
        return made

    def chunk(self, info: RunInfo, chunk: Any) -> Any:
        """See `Listener`."""
        run = self.run_map.get(info.id)
        if run is None or (info.run_type, "chunk") in self.deaf_to:
            return
        text, piece = (str(chunk), chunk) if info.about is None else info.about.piece(chunk)
        _note(run, "new_token", {"token": text, "chunk": piece})
        self._tell(info, "new_token", run, text, piece)

    def told(self, info: RunInfo, what: str, *data: Any) -> Any:
        """See `Listener`."""
        run = self.run_map.get(info.id)
        if run is not None:
            _note(run, what, dict(zip(_TOLD[what], data, strict=True)))

    def ended(self, info: RunInfo) -> Any:
        """See `Listener`."""
        return self._over(info, "end")

    def failed(self, info: RunInfo) -> Any:
        """See `Listener`."""
        return self._over(info, "error")

    def _over(self, info: RunInfo, what: str) -> Any:
        run = self.run_map.pop(info.id, None)
        if run is None:
            return None
        run.end_time = info.end_time
        run.inputs, run.outputs, run.error = outcome_of(info)
        if info.metadata:
            run.extra["metadata"] = info.metadata  # more may be known by now than at the start
        run.events.append({"name": what, "time": run.end_time})
        is_outermost = info.parent is None or info.parent.id not in self.run_map
        made = self._finish(run, is_outermost)
        self._tell(info, what, run)
        return made

    def _finish(self, run: Run, is_outermost: bool) -> Any:
        self._on_run_update(run)
        if is_outermost:
            self._persist_run(run)

    def broke(self, error: Exception, what: str) -> None:
        """See `Listener`."""
        tolerate(self, error, what)


_TOLD = {"custom_event": ("event", "data"), "retry": ("retry_state",), "text": ("text",)}


def _note(run: Run, what: str, told: dict[str, Any]) -> None:
    run.events.append({"name": what, "time": datetime.now(UTC), "kwargs": told})


def run_of(info: RunInfo) -> Run:
    """A run that has just started."""
    root, order = info, [_order(info)]
    while root.parent is not None:
        root = root.parent
        order.append(_order(root))
    options = {} if info.about is None else info.about.options()
    return Run(
        id=info.id,
        name=info.name,
        run_type="llm" if info.run_type == "chat_model" else info.run_type,
        trace_id=root.id,
        dotted_order=".".join(reversed(order)),
        start_time=info.start_time,
        parent_run_id=info.parent_id,
        inputs=_inputs(info),
        events=[{"name": "start", "time": info.start_time}],
        extra={**options, "metadata": info.metadata} if info.metadata or options else {},
        tags=info.tags,
        serialized=serialized_of(info),
    )


def outcome_of(info: RunInfo) -> tuple[dict[str, Any], dict[str, Any] | None, str | None]:
    """The inputs, outputs and error of a run that is over, as a `Run` has them."""
    error = None
    if info.error is not None:
        error = "\n".join([repr(info.error), *getattr(info.error, "__notes__", ())])
    return _inputs(info), _outputs(info), error


def _order(info: RunInfo) -> str:
    return f"{info.start_time:%Y%m%dT%H%M%S%f}Z{info.id}"


def _inputs(info: RunInfo) -> dict[str, Any]:
    value = info.input
    if value is MISSING:
        return {}
    if info.run_type == "chat_model" and info.about is not None:
        (messages,) = info.about.asked(value)
        return {"messages": messages}
    if info.run_type == "llm" and info.about is not None:
        return {"prompts": info.about.asked(value)}
    if info.run_type == "retriever":
        return {"query": value}
    if info.run_type == "tool":
        value = asked(info)
    return value if isinstance(value, dict) else {"input": value}


def _outputs(info: RunInfo) -> dict[str, Any] | None:
    value = info.output
    if value is MISSING:
        return None
    if info.run_type in ("chat_model", "llm") and info.about is not None:
        result = info.about.answered(value)
        if hasattr(result, "generations"):
            generations = [_generation(each) for each in result.generations[0]]
            return {"generations": [generations], "llm_output": result.llm_output}
    if info.run_type == "retriever":
        return {"documents": value}
    return value if isinstance(value, dict) else {"output": value}


def _generation(made: Any) -> dict[str, Any]:
    shown = {"text": made.text, "generation_info": made.generation_info}
    return {**shown, "message": made.message} if hasattr(made, "message") else shown
