"""What a listener sees of the scopes of a chain: input, output and chunks are those of what stands in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from verbs import VERBS, in_every_verb

from anabranch.engine.runs import MISSING, RunInfo
from anabranch.engine.trace_laws import Recorder, check_facts
from anabranch.nodes import (
    AddableDict,
    BaseRetriever,
    Document,
    FakeListChatModel,
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
)

Some = Runnable[Any, Any]


class Starts(Recorder):
    """Keeps what was known of each run's input when it started, too."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, Any] = {}

    def started(self, run: RunInfo) -> None:
        super().started(run)
        self.known[run.name] = run.input

    def runs(self) -> dict[str, tuple[Any, Any]]:
        """Input and output of each run at its end, by its name."""
        return {run.name: (run.input, run.output) for what, run, _ in self.facts if what == "ended"}

    def chunks(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for what, run, data in self.facts:
            if what == "chunk":
                found.setdefault(run.name, []).append(data[0])
        return found


def letters(_: Any) -> Iterator[str]:
    yield "a"
    yield "b"


def upper(chunks: Iterator[str]) -> Iterator[str]:
    for chunk in chunks:
        yield chunk.upper()


async def doubled(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
    async for chunk in chunks:
        yield chunk * 2


def named(name: str, made: Any) -> Some:
    return made.with_config(run_name=name) if isinstance(made, Runnable) else RunnableLambda(made, name=name)


def same(x: Any) -> Any:
    return x


def keys(_: Any) -> Iterator[AddableDict]:
    yield AddableDict(k="1")
    yield AddableDict(m="2")


INNER = named("inner", RunnableLambda(letters) | upper)
CHAINS: dict[str, Some] = {
    "branches in a sequence": named(
        "root", named("first", same) | named("both", RunnableParallel(p=INNER, q=RunnablePassthrough())) | str
    ),
    "branches in branches": named(
        "root",
        RunnableParallel(a=named("within", RunnableParallel(b=letters, c=named("one", same))), d=named("two", same)),
    ),
    "an assign": named("root", RunnableLambda(keys) | named("assign", RunnablePassthrough.assign(x=INNER)) | same),
    "a part of it": named(
        "root", named("both", RunnableParallel(p=INNER, q=named("slow", same))) | RunnablePick("q") | named("last", str)
    ),
    "generators": named("root", RunnableLambda(letters) | named("maps", RunnableGenerator(upper) | doubled) | upper),
}
BOTH: Any = {"p": "AB", "q": "in"}
KEYS: Any = {"k": "1", "m": "2"}
ASSIGNED: Any = {"k": "1", "m": "2", "x": "AB"}
WITHIN: Any = {"b": "ab", "c": "in"}
RUNS: dict[str, dict[str, tuple[Any, Any]]] = {
    "branches in a sequence": {
        "root": ("in", str(BOTH)),
        "first": ("in", "in"),
        "both": ("in", BOTH),
        "inner": ("in", "AB"),
        "letters": ("in", "ab"),
        "upper": ("ab", "AB"),
        "RunnablePassthrough": ("in", "in"),
        "str": (BOTH, str(BOTH)),
    },
    "branches in branches": {
        "root": ("in", {"a": WITHIN, "d": "in"}),
        "within": ("in", WITHIN),
        "letters": ("in", "ab"),
        "one": ("in", "in"),
        "two": ("in", "in"),
    },
    "an assign": {
        "root": ("in", ASSIGNED),
        "keys": ("in", KEYS),
        "assign": (KEYS, ASSIGNED),
        "RunnableParallel<x>": (KEYS, {"x": "AB"}),
        "inner": (KEYS, "AB"),
        "letters": (KEYS, "ab"),
        "upper": ("ab", "AB"),
        "same": (ASSIGNED, ASSIGNED),
    },
    "a part of it": {
        "root": ("in", "in"),
        "both": ("in", BOTH),
        "inner": ("in", "AB"),
        "letters": ("in", "ab"),
        "upper": ("ab", "AB"),
        "slow": ("in", "in"),
        "RunnablePick<q>": ({"q": "in"}, "in"),
        "last": ("in", "in"),
    },
}
CHUNKS: dict[str, dict[str, list[Any]]] = {  # of the scopes
    "branches in a sequence": {
        "root": [str(BOTH)],
        "both": [{"p": "A"}, {"p": "B"}, {"q": "in"}],
        "inner": ["A", "B"],
    },
    "branches in branches": {
        "root": [{"a": {"b": "a"}}, {"a": {"b": "b"}}, {"a": {"c": "in"}}, {"d": "in"}],
        "within": [{"b": "a"}, {"b": "b"}, {"c": "in"}],
    },
    "an assign": {
        "root": [ASSIGNED],
        "assign": [{"k": "1"}, {"m": "2"}, {"x": "A"}, {"x": "B"}],
        "RunnableParallel<x>": [{"x": "A"}, {"x": "B"}],
        "inner": ["A", "B"],
    },
    "a part of it": {
        "root": ["in"],
        "both": [{"p": "A"}, {"p": "B"}, {"q": "in"}],
        "inner": ["A", "B"],
    },
}
OF_CHUNKS = [verb for verb in VERBS if "stream" in verb or "transform" in verb]
OF_VALUES = [verb for verb in VERBS if verb not in OF_CHUNKS]
in_each_chain = pytest.mark.parametrize("chain", RUNS)


def told(chain: str, verb: str) -> Starts:
    recorder = Starts()
    VERBS[verb](CHAINS[chain], "in", {"callbacks": [recorder]})
    check_facts(recorder.facts)
    return recorder


@in_every_verb
@in_each_chain
def test_each_run_has_its_input_and_output_in_the_end(chain: str, verb: str) -> None:
    found = told(chain, verb).runs()
    if chain == "branches in branches" and verb in OF_CHUNKS:
        assert found.pop("letters") == (None, "ab")  # which reads nothing of it
        assert found == {name: each for name, each in RUNS[chain].items() if name != "letters"}
    else:
        assert found == RUNS[chain]


@pytest.mark.parametrize("verb", OF_VALUES)
@in_each_chain
def test_where_values_pass_the_input_is_known_from_the_start_and_nothing_makes_chunks(chain: str, verb: str) -> None:
    recorder = told(chain, verb)
    assert recorder.known == {name: taken for name, (taken, _) in RUNS[chain].items()}
    assert recorder.chunks() == {}


@pytest.mark.parametrize("verb", OF_CHUNKS)
@in_each_chain
def test_where_chunks_pass_the_root_s_input_is_known_at_most_and_each_scope_makes_its_own(
    chain: str, verb: str
) -> None:
    recorder = told(chain, verb)
    known = {name: taken for name, taken in recorder.known.items() if taken is not MISSING}
    assert known == ({"root": "in"} if "stream" in verb else {})
    found = recorder.chunks()
    assert {name: sorted(found[name], key=repr) for name in CHUNKS[chain]} == CHUNKS[chain]


@pytest.mark.parametrize("verb", OF_CHUNKS)
def test_the_chunks_of_a_sequence_are_those_of_its_last_step(verb: str) -> None:
    recorder = told("generators", verb)
    assert recorder.chunks() == {
        "letters": ["a", "b"],
        "upper": ["A", "AA", "B", "BB"],
        "doubled": ["AA", "BB"],
        "maps": ["AA", "BB"],
        "root": ["AA", "BB"],
    }
    assert recorder.runs()["maps"] == ("ab", "AABB")
    assert recorder.runs()["root"] == ("in", "AABB")


@in_every_verb
def test_a_step_that_fails_leaves_each_scope_around_it_with_its_error_and_input(verb: str) -> None:
    def fails(x: Any) -> Any:
        raise ValueError(x)

    recorder = Starts()
    chain = named("root", named("both", RunnableParallel(p=named("inner", RunnableLambda(same) | fails), q=same)) | str)
    with pytest.raises(ValueError, match="in") as caught:
        VERBS[verb](chain, "in", {"callbacks": [recorder]})
    check_facts(recorder.facts)
    failed = {run.name: (run.input, run.error) for what, run, _ in recorder.facts if what == "failed"}
    failed.pop("same", None)  # the other branch may have been stopped
    assert failed == dict.fromkeys(("fails", "inner", "both", "root"), ("in", caught.value))


@in_every_verb
def test_a_scope_behind_a_step_has_its_input_when_it_fails_too(verb: str) -> None:
    def fails(x: Any) -> Any:
        raise ValueError(x)

    recorder = Starts()
    chain = RunnableLambda(same) | named("inner", RunnableLambda(same) | fails)
    with pytest.raises(ValueError, match="in"):
        VERBS[verb](chain, "in", {"callbacks": [recorder]})
    failed = {run.name: run.input for what, run, _ in recorder.facts if what == "failed"}
    assert failed["inner"] == failed["fails"] == "in"


class Shelf(BaseRetriever):
    def _get_relevant_documents(self, query: str, **kwargs: Any) -> list[Document]:
        return [Document(query)]


@pytest.mark.parametrize("verb", OF_CHUNKS)
def test_a_scope_starts_with_the_first_chunk_also_where_its_first_step_waits_for_all(verb: str) -> None:
    recorder = Recorder()
    chain = RunnableLambda(letters) | named("inner", Shelf() | RunnableLambda(len, name="count"))
    assert VERBS[verb](chain, "in", {"callbacks": [recorder]}) == [1]
    check_facts(recorder.facts)
    told = [(what, run.name) for what, run, _ in recorder.facts]
    assert told.index(("started", "inner")) < told.index(("ended", "letters")) < told.index(("started", "Shelf"))
    assert next(run.input for what, run, _ in recorder.facts if run.name == "Shelf") == "ab"


class Described(FakeListChatModel):
    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        return {"ls_provider": "ours", "ls_model": "fake"}


@in_every_verb
def test_a_step_s_own_metadata_is_that_of_its_run_alone(verb: str) -> None:
    recorder = Recorder()
    model = Described(responses=["hey"])
    chain = RunnableLambda(str) | model.with_config(metadata={"m": 1}) | RunnableLambda(same)
    VERBS[verb](chain, "in", {"callbacks": [recorder], "metadata": {"ls_provider": "mine"}})
    metadata = {run.name: run.metadata for what, run, _ in recorder.facts if what == "ended"}
    assert metadata == {
        "RunnableSequence": {"ls_provider": "mine"},
        "str": {"ls_provider": "mine"},
        "Described": {"ls_provider": "mine", "ls_model": "fake", "m": 1},
        "same": {"ls_provider": "mine"},
    }
