"""Hypothesis strategies of runnables, and of what they are run with: `pip install "anabranch[testing]"`.

What is drawn is a value whose code can be printed (`code_of`), as Hypothesis does when it shows an example. It is made
of steps of `sample_steps`, so that what must come of it can be reckoned. It shrinks to few and simple steps. The faults
that `failures` draws are steps, too, and can be put anywhere by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from anabranch.engine.chunks import AddableDict
from anabranch.engine.config import RunnableConfig
from anabranch.nodes.branches import RunnableBranch
from anabranch.nodes.checking.dag_strategies import dag_of_dicts, dag_of_vertices
from anabranch.nodes.checking.fault_steps import Cancels, PutsNone, Raises, Silences, Sleeps
from anabranch.nodes.checking.law_examples import cuts_of, typed_inputs
from anabranch.nodes.checking.law_table import LawsError
from anabranch.nodes.checking.printing_programs import WRITERS, ProgramScript, code_of
from anabranch.nodes.checking.sample_steps import (
    AsyncCalls,
    AsyncPuts,
    AsyncSpells,
    AsyncSwaps,
    Calls,
    Chooses,
    Divides,
    Puts,
    Returns,
    Spells,
    Splits,
    Swaps,
)
from anabranch.nodes.extras import import_extra
from anabranch.nodes.functions import RunnableLambda
from anabranch.nodes.generators import RunnableGenerator
from anabranch.nodes.parallels import RunnableParallel
from anabranch.nodes.passthrough import RunnablePassthrough, RunnablePick
from anabranch.nodes.runnables import Runnable

if TYPE_CHECKING:
    from hypothesis import strategies as st
    from hypothesis.vendor import pretty
else:
    st = import_extra("hypothesis.strategies", "testing", "anabranch.nodes.strategies")
    pretty = import_extra("hypothesis.vendor.pretty", "testing", "anabranch.nodes.strategies")

__all__ = [
    "Cancels",
    "PutsNone",
    "Raises",
    "Silences",
    "Sleeps",
    "chunk_streams",
    "code_of",
    "configs",
    "dag_shapes",
    "dags",
    "failures",
    "inputs_of",
    "programs",
    "runnables",
]

AnyRunnable = Runnable[Any, Any]
Grow = Callable[[Any, Any], AnyRunnable]

inputs_of = typed_inputs

KEYS = ("a", "b", "c")
BETWEEN = (str, int, list[str])
"""The types that pass between the steps of a random program."""

FORMS = ("sync", "async")
FAULTS = ("raises", "silences", "nones", "sleeps", "cancels")

for _shown in (RunnableLambda, RunnableGenerator, RunnablePassthrough, *WRITERS):
    pretty.for_type_by_name(
        _shown.__module__, _shown.__name__, lambda made, printer, cycle: printer.text(ProgramScript().value(made))
    )


def runnables(
    input: Any = str,
    output: Any = str,
    *,
    depth: int = 2,
    forms: Sequence[str] = FORMS,
    faults: st.SearchStrategy[AnyRunnable] | None = None,
) -> st.SearchStrategy[AnyRunnable]:
    """Random runnables from a type to a type: functions, generators, dicts, branches, maps, retries, and so on.

    Args:
        input: the type of what they are run with.
        output: the type of what they give; any that `hypothesis.strategies.from_type` knows.
        depth: how many compositions are nested, at most.
        forms: of their functions: "sync", "async" or both.
        faults: steps that are put into some of them, such as `failures()`. None leaves them whole.

    Raises:
        LawsError: a `ValueError`, when there is no such form.

    Example:
        >>> from hypothesis import find
        >>> find(runnables(int, bool), lambda made: True)
        RunnableLambda(Chooses)
    """
    for form in forms:
        if form not in FORMS:
            raise LawsError(f"forms: there is no form {form!r}; the forms are {', '.join(FORMS)}")
    return _runnables(input, output, depth, tuple(forms), faults)


def programs(
    *, depth: int = 3, forms: Sequence[str] = FORMS, faults: st.SearchStrategy[AnyRunnable] | None = None
) -> st.SearchStrategy[AnyRunnable]:
    """Random programs from text to text. The arguments are those of `runnables`.

    Example:
        >>> from hypothesis import find
        >>> find(programs(), lambda program: "!" in program.invoke(""))  # doctest: +SKIP
        RunnableLambda(Puts)
    """
    return runnables(str, str, depth=depth, forms=forms, faults=faults)


def failures(*kinds: str, longest: float = 0.01) -> st.SearchStrategy[AnyRunnable]:
    """Faults, as steps that can be put into a chain where they are to happen. See `fault_steps`.

    Args:
        *kinds: of "raises", "silences" (an empty stream), "nones" (None among the chunks), "sleeps" and "cancels"; by
            default all but the last, which ends a call as if it had been cancelled.
        longest: of the sleeps, in seconds.

    Raises:
        LawsError: a `ValueError`, when there is no such kind.

    Example:
        >>> from hypothesis import find
        >>> find(failures("raises"), lambda step: True)
        Raises(mark='fault', after=0)
    """
    after = st.integers(0, 3)
    made: dict[str, st.SearchStrategy[AnyRunnable]] = {
        "raises": st.builds(Raises, st.just("fault"), after),
        "silences": st.builds(Silences),
        "nones": st.builds(PutsNone),
        "sleeps": st.builds(Sleeps, st.sampled_from((0.0, longest / 4, longest))),
        "cancels": st.builds(Cancels, st.just("fault"), after),
    }
    for kind in kinds:
        if kind not in made:
            raise LawsError(f"failures: there is no kind {kind!r}; the kinds are {', '.join(FAULTS)}")
    return st.one_of(*(made[kind] for kind in kinds or FAULTS[:-1]))


def dags(n: int = 5, via: str | None = None) -> st.SearchStrategy[AnyRunnable]:
    """Random layered DAGs: each vertex reads any earlier ones, or the input.

    Args:
        n: how many vertices, at most.
        via: "dicts" builds it of dicts and picks, "from_dag" of a networkx graph; by default either.

    Raises:
        LawsError: a `ValueError`, when `n` is less than 1, or there is no such way.

    Example:
        >>> from hypothesis import find
        >>> find(dags(4, "from_dag"), lambda dag: len(dag.vertices) > 2)
        RunnableDag(v0, v1, v2)
    """
    ways = {"dicts": dag_of_dicts, "from_dag": dag_of_vertices}
    if via is not None and via not in ways:
        raise LawsError(f"dags: via is {' or '.join(map(repr, ways))}, got {via!r}")
    chosen = [way for name, way in ways.items() if via in (None, name)]
    return st.builds(lambda way, shape: way(shape), st.sampled_from(chosen), dag_shapes(n))


def dag_shapes(n: int = 5) -> st.SearchStrategy[list[list[int]]]:
    """For each of at most n vertices the earlier ones that it reads. See `dag_strategies`.

    Raises:
        LawsError: a `ValueError`, when `n` is less than 1.

    Example:
        >>> from hypothesis import find
        >>> find(dag_shapes(3), lambda shape: any(len(reads) == 2 for reads in shape))
        [[], [], [0, 1]]
    """
    if n < 1:
        raise LawsError(f"dags: a DAG needs at least one vertex, got n={n!r}")

    def reads(count: int) -> st.SearchStrategy[list[list[int]]]:
        each = [st.sets(st.sampled_from(range(at))).map(sorted) if at else st.just([]) for at in range(count)]
        return st.tuples(*each).map(list)

    return st.integers(1, n).flatmap(reads)


def chunk_streams(values: st.SearchStrategy[Any] | None = None, *, nones: bool = False) -> st.SearchStrategy[list[Any]]:
    """Streams of chunks, as lists: all chunks of one add up.

    Args:
        values: what they fold to, cut in any way; by default chunks of texts, lists, numbers, dicts or snapshots.
        nones: with None among them.

    Example:
        >>> from hypothesis import find
        >>> find(chunk_streams(st.just("ab")), lambda chunks: "" not in chunks and len(chunks) > 1)
        ['a', 'b']
    """
    chunks = (
        values.flatmap(cuts_of) if values is not None else st.one_of(*(st.lists(kind, max_size=5) for kind in KINDS))
    )
    return chunks.flatmap(_with_nones) if nones else chunks


KINDS: tuple[st.SearchStrategy[Any], ...] = (
    st.text("abc", max_size=3),
    st.lists(st.integers(0, 3), max_size=2),
    st.integers(-5, 5),
    st.dictionaries(st.sampled_from(KEYS), st.text("xy", max_size=2), max_size=2).map(AddableDict),
    st.dictionaries(st.sampled_from(KEYS), st.text("xy", max_size=2), max_size=2),
)
"""Of each kind the chunks add up; those of the last replace each other."""


def configs() -> st.SearchStrategy[RunnableConfig]:
    """Configs of any call: tags, metadata, a name, a cap, the capacity of channels, what is configurable.

    Example:
        >>> from hypothesis import find
        >>> find(configs(), lambda config: config.get("max_concurrency", 0) > 1)["max_concurrency"]
        2
    """
    words = st.sampled_from(("a", "b", "c"))
    keys: dict[Any, st.SearchStrategy[Any]] = {
        "tags": st.lists(words, max_size=2),
        "metadata": st.dictionaries(words, words, max_size=2),
        "run_name": words,
        "max_concurrency": st.integers(1, 4),
        "channel_capacity": st.integers(1, 4),
        "configurable": st.dictionaries(words, words, max_size=2),
    }
    drawn: st.SearchStrategy[Any] = st.fixed_dictionaries({}, optional=keys)
    return drawn


def _with_nones(chunks: list[Any]) -> st.SearchStrategy[list[Any]]:
    def put(places: list[int]) -> list[Any]:
        padded = list(chunks)
        for place in sorted(places, reverse=True):
            padded.insert(place, None)
        return padded

    return st.lists(st.integers(0, len(chunks)), max_size=3).map(put)


# How programs grow


@st.composite
def _runnables(
    draw: st.DrawFn,
    input: Any,
    output: Any,
    depth: int,
    forms: tuple[str, ...],
    faults: st.SearchStrategy[AnyRunnable] | None,
) -> AnyRunnable:
    """A leaf, or a composition of less deep ones."""

    def inner(start: Any, end: Any) -> AnyRunnable:
        return draw(_runnables(start, end, depth - 1, forms, faults))

    def leaf(start: Any, end: Any) -> AnyRunnable:
        return draw(_runnables(start, end, 0, forms, None))

    kinds: list[Callable[[], AnyRunnable]] = [
        lambda: draw(_leaves(input, output, forms)),
        lambda: _in_a_row(draw, inner, input, output),
        lambda: _side_by_side(draw, inner, leaf, input, output),
        lambda: RunnableBranch((Divides(draw(st.integers(1, 3))), inner(input, output)), inner(input, output)),
        lambda: RunnableLambda(Splits(draw(st.integers(0, 2)))) | inner(str, between(draw)).map() | leaf(list, output),
        lambda: inner(input, output).with_retry(
            stop_after_attempt=draw(st.integers(1, 2)), wait_exponential_jitter=False
        ),
        lambda: inner(input, output).with_fallbacks([inner(input, output)]),
        lambda: inner(input, output).with_config(draw(_bound)),
        lambda: RunnableLambda(Returns(inner(input, output))),
        lambda: RunnableLambda(draw(st.sampled_from(_CALLS[draw(st.sampled_from(forms))]))(inner(input, output))),
    ]
    if faults is not None:
        kinds.append(lambda: draw(faults) | inner(input, output))
        kinds.append(lambda: inner(input, output) | draw(faults))
    chosen = draw(
        st.integers(0, len(kinds) - 1)
    )  # drawn of a leaf, too: so one that is nested may take its parent's place
    return kinds[chosen if depth > 0 else 0]()


def between(draw: st.DrawFn) -> Any:
    """A type that passes between two steps."""
    return draw(st.sampled_from(BETWEEN))


def _in_a_row(draw: st.DrawFn, inner: Grow, input: Any, output: Any) -> AnyRunnable:
    middle = between(draw)
    return inner(input, middle) | inner(middle, output)


def _side_by_side(draw: st.DrawFn, inner: Grow, leaf: Grow, input: Any, output: Any) -> AnyRunnable:
    """A dict, maybe with keys assigned to it, and what reads it."""
    keys = KEYS[: draw(st.integers(1, len(KEYS)))]
    key = draw(st.sampled_from(keys))
    reader = draw(st.sampled_from(("pick", "leaf", "some", "assign")))
    picked = reader == "pick"
    branches = {each: inner(input, output if picked and each == key else between(draw)) for each in keys}
    joined: AnyRunnable = RunnableParallel(branches)
    if picked:
        return joined | RunnablePick(key)
    if reader == "some":
        return (
            joined | RunnablePick(draw(st.lists(st.sampled_from(keys), min_size=1, unique=True))) | leaf(dict, output)
        )
    elif reader == "assign":
        joined = joined | RunnablePassthrough.assign(d=RunnablePick(key) | inner(Any, between(draw)))
    return joined | leaf(dict, output)


_MARKS = st.sampled_from("abc")
_SIZES = st.integers(1, 3)
_bound: st.SearchStrategy[Any] = st.sampled_from(({"tags": ["a"]}, {"run_name": "a"}, {"timeout": 600}))
_CALLS: dict[str, list[Any]] = {
    "sync": [Calls, lambda inner: Calls(inner, "batch"), lambda inner: Calls(inner, "stream")],
    "async": [AsyncCalls, lambda inner: AsyncCalls(inner, "abatch"), lambda inner: AsyncCalls(inner, "astream")],
}


def _leaves(input: Any, output: Any, forms: tuple[str, ...]) -> st.SearchStrategy[AnyRunnable]:
    """Single steps from a type to a type, the simplest first."""
    # The order is the same whatever the input, so that a leaf may stand in another's place when an example shrinks.
    leaves: list[st.SearchStrategy[Any]] = []
    if output is not str:
        leaves.append(st.lists(_values(output), min_size=1, max_size=3).map(tuple).map(Chooses).map(RunnableLambda))
    elif "sync" in forms:
        leaves += [st.builds(Puts, _MARKS).map(RunnableLambda), st.builds(Spells, _SIZES).map(RunnableLambda)]
    if output is str and "async" in forms:
        leaves += [st.builds(AsyncPuts, _MARKS).map(RunnableLambda), st.builds(AsyncSpells, _SIZES).map(RunnableLambda)]
    if input is output:
        swaps: dict[str, Any] = {"sync": Swaps, "async": AsyncSwaps}
        leaves.append(st.builds(RunnablePassthrough))
        leaves += [st.builds(RunnableGenerator, st.builds(swaps[form])) for form in swaps if form in forms]
    return st.one_of(*leaves)


_SMALL: dict[Any, st.SearchStrategy[Any]] = {
    str: st.text("abc", max_size=2),
    int: st.integers(0, 9),
    list[str]: st.lists(st.sampled_from(("a", "b", "")), max_size=2),
}


def _values(tp: Any) -> st.SearchStrategy[Any]:
    """Values of a type."""
    return _SMALL[tp] if tp in _SMALL else st.from_type(tp)
