"""Follows the runs of one flow through a graph, and reports them: each step's, and each scope's around them.

A scope starts with the first thing that happens in it, and ends when its steps are over and its output is complete.
Its chunks are made from those of the steps that feed its output, as a reader of that output would get them. Whoever
runs the steps tells: `start`, `chunk`, `end`, `fail`, and `close` when all is over.

A scope whose output can't be made fails: with the call, if somebody was to read that output; otherwise by itself when
what is around it ends.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from anabranch.engine.chunks import Accumulator
from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import StepInputError
from anabranch.engine.graphs import INPUT_SLOT, Graph, Step
from anabranch.engine.runs import MISSING, RunInfo, Shown
from anabranch.scheduler import primitives
from anabranch.scheduler.closing import STOPS
from anabranch.scheduler.handler_kinds import EVENTS
from anabranch.scheduler.inlets import CLOSED
from anabranch.scheduler.managers import CallbackManager, children, claim, manager_of
from anabranch.scheduler.reporting import Reporter
from anabranch.scheduler.scope_values import KnownValues, ScopeOutputs
from anabranch.scheduler.shapes import scopes_around, shape_of


class Trace:
    """See the module. `in_chunks`: the steps make chunks, of which scopes' chunks are made.

    Thread-safe: branches may run in several threads.
    """

    def __init__(
        self,
        graph: Graph,
        config: RunnableConfig | None,
        reporter: Reporter,
        value: Any = MISSING,
        *,
        in_chunks: bool = False,
    ) -> None:
        self.graph = graph
        self.reporter = reporter
        self._shape = shape_of(graph)
        self._config = config
        self._manager: CallbackManager = manager_of(config)
        name, id = self._manager.named
        self._name = (config.get("run_name") if config else None) or name
        self._id = (config.get("run_id") if config else None) or id
        self._in_chunks = in_chunks
        self._input = value
        self._known = KnownValues({} if value is MISSING else {INPUT_SLOT: value})
        scopes = self._shape.scopes
        self._left = [scope.steps for scope in scopes]
        self._scopes: list[RunInfo | None] = [None] * len(scopes)
        self._managers: list[CallbackManager | None] = [None] * len(scopes)
        self._outputs = ScopeOutputs(scopes)
        self._open: dict[RunInfo, None] = {}
        self._lock = primitives.RLock()
        self.closes = False
        """The consumer closes the stream: what is stopped now has ended, and hasn't failed."""

    # Runs

    def _manager_in(self, scope: int, held: bool = False) -> CallbackManager:
        """That of the scope's children. Starts what has not started, unless it is held back. With the lock."""
        if scope < 0:
            return self._manager
        manager = self._managers[scope]
        if manager is None:
            manager = self._managers[scope] = children(self._start_scope(scope, held))
        elif not held and (run := self._scopes[scope]) is not None and run.wake is not None:
            run.wake()
        return manager

    def _start_scope(self, index: int, held: bool) -> RunInfo:
        scope = self.graph.scopes[index]
        manager = self._manager_in(scope.parent, held)
        if not scope.is_run:
            run = self._hidden(manager, scope.tags, scope.config)
        else:
            run = self._named(manager, scope.name, "chain", scope.tags, scope.config)
            run.node = scope.node
        self._scopes[index] = run
        if not self._in_chunks or (run.is_first and self._input is not MISSING):
            run.input = self._known.about(self._shape.scopes[index].source)
        (self._hold if held else self._begin)(run)
        return run

    def _named(
        self, manager: CallbackManager, name: str, run_type: str, tags: tuple[str, ...], bound: RunnableConfig | None
    ) -> RunInfo:
        if manager is not self._manager:
            return manager.run(name, run_type, tags, bound)
        if self._id is not None:
            claim(self._id, self._name or name, manager.parent)
        run = manager.run(self._name or name, run_type, tags, bound, self._id)
        self._id = None
        run.is_first = True
        return run

    def _hidden(self, manager: CallbackManager, tags: tuple[str, ...], bound: RunnableConfig | None) -> RunInfo:
        run = manager.hidden(tags, bound)
        if manager is self._manager:
            run.named = (self._name, self._id)  # it is for the first run inside
        return run

    def _begin(self, run: RunInfo) -> None:
        run.reporter, run.config, run.came_late = self.reporter, self._config, run.input is MISSING
        run.started = primitives.time()
        self._open[run] = None
        self.reporter.tell(run, "started")

    def _hold(self, run: RunInfo) -> None:
        """Let a run begin when something happens in it: a chunk, its end, a run inside."""
        run.reporter, run.wake = self.reporter, partial(self._wake, run)

    def _wake(self, run: RunInfo) -> None:
        with self._lock:
            if run.wake is not None:
                run.wake = None
                if run.parent is not None and run.parent.wake is not None:
                    run.parent.wake()
                self._begin(run)

    def start(self, step: Step, value: Any = MISSING, *, held: bool = False) -> RunInfo:
        """A step's code is about to run, on this input if that is known. `held`: it may well do nothing."""
        operator, shape = step.operator, self._shape.steps[step.slot]
        with self._lock:
            manager = self._managers[step.scope] if step.scope >= 0 else self._manager
            if manager is None:
                manager = self._manager_in(step.scope, held)
            if operator.is_run:
                if manager is self._manager:
                    run = self._named(manager, shape.name, operator.run_type, step.tags, step.config)
                else:
                    run = manager.run(shape.name, operator.run_type, step.tags, step.config)  # without a detour
                run.node, run.about = step.node, operator.view
                if operator.metadata:
                    run.metadata = {**operator.metadata, **run.metadata}
                run.tells_chunks = shape.tells_chunks or run.parent is None
                if run.is_first and value is MISSING:
                    value = self._input
            else:
                run = self._hidden(manager, step.tags, step.config)
            run.slot = step.slot
            run.input = value
            if held:
                self._hold(run)
            else:
                self._begin(run)
        return run

    def reach(self, step: Step) -> None:
        """Something came in at a step that starts later: the scopes around it start."""
        with self._lock:
            self._manager_in(step.scope)

    def chunk(self, run: RunInfo, chunk: Any) -> None:
        """A step made a chunk."""
        if run.wake is not None:
            run.wake()
        if run.tells_chunks:
            self.reporter.tell_chunk(run, chunk)
        if run.slot in self._shape.feeds:
            self._pass(run.slot, chunk)

    def end(self, run: RunInfo, output: Any, value: Any = MISSING) -> None:
        """A step is over. `value` is its input, if that wasn't known before."""
        if run.input is MISSING:
            run.input = value
        if not run.ended:
            run.output = output.shown if isinstance(output, Shown) else output
            self._over(run, "ended")
        slot, left = run.slot, self._left
        around = self._shape.steps[slot].scopes
        with self._lock:
            if slot in self._shape.kept:
                self._known.values[slot] = output
            for at in around:
                left[at] -= 1
            if self._in_chunks and not self.closes:
                self.close_slot(slot)
            for at in around:
                if not left[at]:
                    self._look(at)

    def end_early(self, run: RunInfo, output: Any) -> None:
        """A step is over, but for its output, which is still to be handed on."""
        run.output = output
        self._over(run, "ended")

    def is_end(self, error: BaseException) -> bool:
        """Whether an error only tells code that the stream is closed."""
        return isinstance(error, GeneratorExit) or (self.closes and isinstance(error, STOPS))

    def fail(self, run: RunInfo, error: BaseException, value: Any = MISSING, output: Any = None) -> None:
        """An error came out of a step's code, after this output: it has failed, or has ended if it was only closed.

        One that is held back passed on what its input failed with.
        """
        if run.wake is not None:
            return
        if self.is_end(error):
            self.end(run, output, value)
            return
        if run.input is MISSING:
            run.input = value
        run.error = error
        if output is not None and EVENTS[run.run_type] == "llm":
            run.output = output  # what a model said before it failed
        self._over(run, "failed")

    def _over(self, run: RunInfo, what: str, later: bool = False) -> None:
        if run.wake is not None:
            run.wake()
        run.ended = primitives.time()
        self._open.pop(run, None)
        if later:
            self.reporter.defer(run, what)
        else:
            self.reporter.tell(run, what)

    def know_input(self, value: Any) -> None:
        """The whole of the graph's input, before it starts."""
        self._input = self._known.values[INPUT_SLOT] = value

    def take_input(self, taken: Accumulator) -> None:
        """What has come in so far of the graph's input."""
        self._known.values[INPUT_SLOT] = taken

    def tell_chunk(self, run: RunInfo, chunk: Any) -> None:
        """A chunk of the root, where that is a scope."""
        self.reporter.tell_chunk(run, chunk)

    # Scopes

    def _look(self, index: int) -> None:
        """End a scope if nothing of it is left. The root of a stream is ended by whoever reads it."""
        run = self._scopes[index]
        if run is None or run not in self._open or self._left[index]:
            return
        if self._in_chunks and (run.is_first or not self._outputs.is_whole(index)):
            return
        self._end_scope(index, run)

    def _end_scope(self, index: int, run: RunInfo) -> None:
        if run.input is MISSING:
            run.input = self._known.about(self._shape.scopes[index].source)
        try:
            total = self._outputs.totals.get(index)
            run.output = self._known.gathered(self._shape.scopes[index].output) if total is None else total.value
        except StepInputError as error:
            self._outputs.refusals[index] = error
            return
        self._fail_unread(index)
        self._over(run, "ended")

    def _fail_unread(self, around: int) -> None:
        """A scope ends: those in it whose output can't be made fail by themselves, for nobody was to read it."""
        for index, refusal in self._outputs.refusals_from_within():
            run = self._scopes[index]
            if run is not None and run in self._open and around in scopes_around(self.graph, index):
                run.error = refusal
                self._over(run, "failed")

    # Chunks of scopes

    def _pass(self, slot: int, chunk: Any) -> None:
        feeds = self._shape.feeds.get(slot)
        if feeds is None:
            return
        with self._lock:
            for index, leaf in feeds:
                self._feed(index, leaf, chunk)

    def close_slot(self, slot: int) -> None:
        """No more chunks come from a step, or of the input."""
        with self._lock:
            for index, leaf in self._shape.feeds.get(slot, ()):
                self._feed(index, leaf, CLOSED)
                self._look(index)

    def pass_input(self, chunk: Any) -> None:
        """A chunk of the graph's input."""
        self._pass(INPUT_SLOT, chunk)

    def _feed(self, index: int, leaf: int, chunk: Any) -> None:
        """Make chunks of a scope from one of its parts, or from the end of that, which is `CLOSED`."""
        try:
            made = self._outputs.made(index, leaf, chunk)
        except StepInputError as error:
            if error.scope == index:
                self._manager_in(index)  # it starts with what it can't take, if it has not
            return
        for each in made:
            self._manager_in(index)
            run = self._scopes[index]
            assert run is not None
            if run.listeners:
                self.reporter.tell(run, "chunk", each)

    # The whole

    def open(self) -> RunInfo | None:
        """Start the root, where that is a scope."""
        if not self._shape.has_root_scope:
            return None
        with self._lock:
            self._manager_in(0)
            return self._scopes[0]

    def close(self, error: BaseException | None = None, *, output: Any = MISSING, later: bool = False) -> None:
        """All is over: what is still open fails with this error, or ends; the inner runs first.

        If a listener breaks the run at one of them, the others are over nevertheless.
        """
        broken: BaseException | None = None
        with self._lock:
            for run in reversed(list(self._open)):
                try:
                    self._close_run(run, error, output, later)
                except BaseException as raised:
                    broken = broken or raised
        if broken is not None:
            raise broken

    def _close_run(self, run: RunInfo, error: BaseException | None, output: Any, later: bool) -> None:
        index = next((at for at, each in enumerate(self._scopes) if each is run), None)
        if index is not None and run.input is MISSING:
            run.input = self._known.about(self._shape.scopes[index].source)
        run.error = self._outputs.refusals.get(index) if error is None and index is not None else error
        if run.error is not None:
            self._over(run, "failed", later)
            return
        run.output = output if index == 0 and run.is_first else self._so_far(index)
        self._over(run, "ended", later)

    def _so_far(self, index: int | None) -> Any:
        total = None if index is None else self._outputs.totals.get(index)
        return MISSING if total is None else total.value
