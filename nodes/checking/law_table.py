"""Which laws a node is checked by, and with what: one row a law."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from anabranch.engine import laws
from anabranch.engine.errors import AnabranchError
from anabranch.engine.graphs import INPUT_SLOT, slots_of
from anabranch.engine.law_outcomes import holds, outcome
from anabranch.nodes.checking import copying_laws, stopping_laws, tracing_laws
from anabranch.nodes.functions import RunnableLambda
from anabranch.nodes.parallels import RunnableParallel
from anabranch.nodes.passthrough import RunnablePassthrough, RunnablePick
from anabranch.nodes.runnables import Runnable

AnyRunnable = Runnable[Any, Any]
Takes = Literal["value", "chunks", "values", "samples", "all"]

REPEATABLE = "called_twice_it_gives_the_same"
"""The law that those which compare two runs rely on."""


class LawsError(AnabranchError, ValueError):
    """Raised when laws can't be checked: a name that none has, inputs that there are none of."""


@dataclass(frozen=True)
class NodeLaw:
    """A law that a node is checked by.

    Attributes:
        function: the law: its name is that of the function, its text the docstring.
        takes: what it is checked with: an input, the chunks of one, a list of inputs, all inputs at once, or, where a
            check takes long, a few inputs one by one.
        arguments: of the function, for a node and what it is checked with.
        compares: it compares two runs, so it says nothing of a node that doesn't give the same twice.
        share: it is checked with one of so many of the examples that a strategy is asked for.
        twin: the law that says the same of the synchronous verbs.
        in_chains: it is checked of the node inside a chain, too.
        why_not: why it doesn't apply to a node; None if it does.
    """

    function: Callable[..., Any]
    takes: Takes = "value"
    arguments: Callable[[AnyRunnable, Any], tuple[Any, ...]] = lambda a, value: (a, value)
    compares: bool = True
    in_chains: bool = False
    share: int = 1
    twin: str = ""
    why_not: Callable[[AnyRunnable], str | None] = lambda a: None

    @property
    def name(self) -> str:
        """That of the function."""
        return self.function.__name__

    @property
    def text(self) -> str:
        """The law in English."""
        return " ".join((self.function.__doc__ or "").split())


def answers_some_input(a: AnyRunnable, values: Sequence[Any]) -> None:
    """Of the inputs that it is checked with it answers at least one: where it fails, the other laws say little."""
    errors = [outcome(a.invoke, value).error for value in values]
    holds(
        not values or None in errors,
        f"it raised on each of {len(values)} inputs, on {values[0]!r:.80} {errors[0]!r}. Are these its inputs?",
    )


def handed_on(value: Any) -> Any:
    """A step that gives what it gets."""
    return value


def put_in_a_list(value: Any) -> list[Any]:
    """A step that gives a list of what it gets."""
    return [value]


def _why_no_chunk_map(a: AnyRunnable) -> str | None:
    firsts = [step.operator for step in a.__graph__.steps if INPUT_SLOT in slots_of(step.source)]
    if firsts and all(each.transform or each.atransform or each.map_chunk for each in firsts):
        return None
    return "it takes its input whole"


_around = RunnableLambda(handed_on), RunnableLambda(put_in_a_list)

TABLE = (
    NodeLaw(answers_some_input, "all", compares=False),
    NodeLaw(laws.called_twice_it_gives_the_same, compares=False),
    NodeLaw(laws.input_is_not_changed, compares=False),
    # Chunks
    NodeLaw(laws.fold_of_stream_is_invoke, in_chains=True),
    NodeLaw(laws.fold_of_astream_is_ainvoke, in_chains=True, share=2, twin="fold_of_stream_is_invoke"),
    NodeLaw(laws.transform_is_invoke_of_the_fold, "chunks", in_chains=True),
    NodeLaw(
        laws.atransform_is_ainvoke_of_the_fold,
        "chunks",
        in_chains=True,
        share=2,
        twin="transform_is_invoke_of_the_fold",
    ),
    NodeLaw(laws.none_among_the_chunks_adds_nothing, "chunks", why_not=_why_no_chunk_map),
    NodeLaw(laws.chunks_of_a_stream_form_a_monoid, compares=False),
    # Verbs
    NodeLaw(laws.sync_equals_async, in_chains=True, share=2),
    NodeLaw(laws.sync_stream_equals_async_stream, in_chains=True, share=2),
    NodeLaw(laws.batch_is_map_of_invoke, "values", in_chains=True, share=3),
    NodeLaw(laws.abatch_is_map_of_ainvoke, "values", in_chains=True, share=5, twin="batch_is_map_of_invoke"),
    NodeLaw(laws.one_failure_spoils_no_other, "values", lambda a, values: (RunnablePassthrough() | a, values), share=3),
    # Composition
    NodeLaw(laws.associativity_of_composition, arguments=lambda a, value: (_around[0], a, _around[1], value)),
    NodeLaw(laws.passthrough_is_identity, arguments=lambda a, value: (a, RunnablePassthrough(), value)),
    NodeLaw(laws.pick_after_join, arguments=lambda a, value: (a, RunnablePick("k"), value)),
    NodeLaw(laws.distribution, arguments=lambda a, value: (a, *_around, RunnableParallel, value)),
    # Scheduling
    NodeLaw(stopping_laws.at_most_the_cap_runs_at_once, "samples", lambda a, value: (a, [value, value]), False),
    NodeLaw(stopping_laws.nothing_is_left_after_a_run, "samples", compares=False),
    NodeLaw(stopping_laws.nothing_is_left_after_closing_early, "samples", compares=False),
    NodeLaw(stopping_laws.nothing_is_left_after_cancelling, "samples", compares=False),
    # Tracing
    NodeLaw(tracing_laws.every_run_starts_once_and_ends_once, compares=False, share=5),
    NodeLaw(tracing_laws.chunks_come_between_start_and_end, compares=False, share=5),
    NodeLaw(tracing_laws.runs_are_well_nested, compares=False, share=5),
    NodeLaw(tracing_laws.chunks_of_the_root_fold_to_its_output, compares=False, share=5),
    NodeLaw(tracing_laws.patches_fold_to_the_states, share=5),
    NodeLaw(tracing_laws.listening_changes_nothing, share=5),
    # Copies
    NodeLaw(copying_laws.a_pickled_copy_gives_the_same, why_not=copying_laws.why_not_pickled),
    NodeLaw(copying_laws.a_graph_read_from_json_gives_the_same, why_not=copying_laws.why_not_json),
)

LAWS: Mapping[str, NodeLaw] = {law.name: law for law in TABLE}


def check_names(names: Sequence[Any], said: str) -> None:
    """See that each is the name of a law.

    Raises:
        LawsError: when one isn't.
    """
    for name in names:
        if name not in LAWS:
            raise LawsError(f"{said}: there is no law {name!r}; the laws are {', '.join(LAWS)}")
