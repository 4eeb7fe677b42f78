"""Notes on errors that say where in a chain they were raised."""

from __future__ import annotations

from uuid import UUID

from anabranch.engine.errors import StepInputError
from anabranch.engine.graphs import Graph
from anabranch.engine.runs import new_id
from anabranch.scheduler.units import Activation, Unit


def places_of(unit: Unit, *, inside: bool = False) -> list[str]:
    """Where a unit's step stands, and each call step around it, outermost first.

    A call step that is no run of its own counts for the scopes around it alone: what it runs stands in its place.
    `inside`: something that the unit's step runs is meant.
    """
    places: list[str] = []
    at: Unit | None = unit
    while at is not None:
        graph = at.activation.plan.graph
        step = graph.steps[at.slot]
        hides = (inside or at is not unit) and not step.operator.is_run
        places.append(graph.place_of_scope(step.scope) if hides else graph.place(at.slot))
        at = at.activation.group.parent
    return list(filter(None, places[::-1]))


def explain(error: BaseException, unit: Unit, run: UUID | None = None) -> None:
    """Note on an error which step raised it, where that stands, and in which run."""
    *around, own = places_of(unit)
    note_place(error, " > ".join([*around, scope_refusing(error, unit.activation.plan.graph) or own]), run)


def explain_output(error: BaseException, activation: Activation) -> None:
    """The same for an error in gathering the output of an activation."""
    parent, graph = activation.group.parent, activation.plan.graph
    around = [] if parent is None else places_of(parent, inside=True)
    note_place(error, " > ".join([*around, scope_refusing(error, graph) or graph.place_of_scope(0)]))


def scope_refusing(error: BaseException, graph: Graph) -> str | None:
    """Where the scope stands that refused an input, if it wasn't a step that raised. Answered once."""
    if not isinstance(error, StepInputError) or error.scope is None:
        return None
    scope, error.scope = error.scope, None
    return graph.place_of_scope(scope)


def note_place(error: BaseException, place: str, run: UUID | None = None) -> None:
    """Add the note to an exception, unless the same stands there already. `run`: its id, if it is traced."""
    text = f"raised in step {place}"
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, StopIteration | StopAsyncIteration):
        inherit_notes(error, error.__cause__)  # Python has made the one of the other
    if isinstance(error, Exception) and not any(n.startswith(text) for n in getattr(error, "__notes__", ())):
        error.add_note(f"{text} (run {run or new_id()})")


def raisable(error: BaseException) -> BaseException:
    """An error as generators and coroutines can raise it: a `StopIteration` would lose its notes on its way out."""
    if not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    raised = RuntimeError(f"a step raised {type(error).__name__}")
    raised.__cause__ = error
    inherit_notes(raised, error)
    return raised


def inherit_notes(error: BaseException, cause: BaseException) -> None:
    """Note on an error what is noted on another, and not on it."""
    for note in getattr(cause, "__notes__", ()):
        if note not in getattr(error, "__notes__", ()):
            error.add_note(note)


class Passed(BaseException):
    """Carries an error past a flow that must not see it any more: a chunk is out already."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
