"""Each law of tracing refuses the facts of a run that break it alone, and accepts those of a run that went well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from verbs import one_after_another

from anabranch.engine.chunks import Algebra
from anabranch.engine.runs import MISSING, RunInfo
from anabranch.engine.trace_laws import (
    Fact,
    Recorder,
    all_between_start_and_end,
    check_facts,
    failure_reaches_the_root,
    one_start_and_one_end,
    one_tree,
    outline,
    root_chunks_fold_to_its_output,
    well_nested,
)
from anabranch.nodes import RunnableLambda


def run(name: str, parent: RunInfo | None = None, tags: Sequence[str] = (), **known: Any) -> RunInfo:
    made = RunInfo(name, "chain", parent, list(tags), {}, ())
    vars(made).update(known)
    return made


ROOT = run("root")
STEP = run("step", ROOT)
INNER = run("inner", STEP)
OTHER = run("other", ROOT)
STRANGER = run("stranger")


def facts(*words: str) -> list[Fact]:
    """Facts, each as `started root`."""
    runs = {each.name: each for each in (ROOT, STEP, INNER, OTHER, STRANGER)}
    return [(what, runs[name], ("x",) if what in ("chunk", "told") else ()) for what, name in map(str.split, words)]


WELL = facts(
    *("started root", "started step", "started other", "started inner", "chunk inner", "told step", "ended inner"),
    *("failed step", "chunk root", "ended other", "ended root"),
)


def test_facts_of_a_run_that_went_well_are_accepted() -> None:
    check_facts(WELL)
    check_facts([])
    check_facts(facts("started root", "failed root"))


BROKEN = [
    (one_start_and_one_end, facts("ended root"), "started 0 times"),
    (one_start_and_one_end, facts("started root", "started root", "ended root"), "started 2 times"),
    (one_start_and_one_end, facts("started root", "chunk root"), "has 0 terminal facts"),
    (one_start_and_one_end, facts("started root", "ended root", "failed root"), "has 2 terminal facts"),
    (one_start_and_one_end, facts("started root", "failed root", "failed root"), "has 2 terminal facts"),
    (one_start_and_one_end, facts("chunk root"), "started 0 times"),
    (
        all_between_start_and_end,
        facts("chunk root", "started root", "ended root"),
        "chunk outside",
    ),
    (
        all_between_start_and_end,
        facts("started root", "ended root", "chunk root"),
        "chunk outside",
    ),
    (all_between_start_and_end, facts("started root", "failed root", "told root"), "told outside"),
    (all_between_start_and_end, facts("started root", "told step"), "told outside"),
    (all_between_start_and_end, facts("ended root", "started root"), "ended outside"),
    (well_nested, facts("started step", "started root"), "started outside of its parent"),
    (well_nested, facts("started root", "ended root", "started step"), "started outside of its parent"),
    (well_nested, facts("started root", "started step", "ended root"), "ended before its children"),
    (well_nested, facts("started root", "started step", "failed root"), "ended before its children"),
    (well_nested, facts("started root", "started step", "started inner", "ended step"), "ended before its children"),
    (one_tree, facts("started root", "started stranger"), "facts of several trees"),
    (one_tree, facts("started inner", "started stranger"), "facts of several trees"),
]


@one_after_another(("law", "broken", "said"), BROKEN)
def test_facts_that_break_a_law_are_refused_by_it(law: Any, broken: list[Fact], said: str) -> None:
    law(WELL)
    with pytest.raises(AssertionError, match=said):
        law(broken)
    with pytest.raises(AssertionError):
        check_facts(broken)


def test_all_laws_are_checked_at_once() -> None:
    with pytest.raises(AssertionError, match="ended before its children"):
        check_facts(facts("started root", "started step", "ended root", "ended step"))
    with pytest.raises(AssertionError, match="outside of its start"):
        check_facts(facts("started root", "ended root", "chunk root"))
    with pytest.raises(AssertionError, match="facts of several trees"):
        check_facts(facts("started root", "ended root", "started stranger", "ended stranger"))
    with pytest.raises(AssertionError, match="has 2 terminal facts"):
        check_facts(facts("started root", "ended root", "ended root"))


def chunked(chunks: Sequence[Any], **known: Any) -> list[Fact]:
    root = run("root", **known)
    step = run("step", root, output="z")
    return [
        ("started", root, ()),
        ("chunk", step, ("z",)),
        *(("chunk", root, (chunk,)) for chunk in chunks),
        ("told", root, ("text",)),
    ]


def test_the_chunks_of_the_root_fold_to_its_output_where_both_are_known() -> None:
    for facts in (
        chunked("ab", output="ab"),
        chunked([], output="ab"),
        chunked("a", output=MISSING),
        chunked("a", output="ab", error=ValueError()),
        chunked([None], output=None),
    ):
        root_chunks_fold_to_its_output(facts)
    for facts in (chunked("ab", output="ba"), chunked("a", output=None), chunked([None], output="a")):
        with pytest.raises(AssertionError, match=r"the chunks of RunInfo.chain 'root', .*. fold to .*, not"):
            root_chunks_fold_to_its_output(facts)
    root_chunks_fold_to_its_output(chunked("ab", output="b"), Algebra.SNAPSHOTS)


def failing(error: Exception | None, **runs: Exception | None) -> list[Fact]:
    """The terminal facts of a step, and of the root around it, each with its error."""
    root = run("root", error=error)
    made = {"root": root, "step": run("step", root, error=runs.get("step"))}
    ends = [("failed" if runs[name] else "ended", made[name], ()) for name in runs]
    return [("started", root, ()), *ends]


def test_a_failure_reaches_the_root_through_all_that_is_around_it() -> None:
    error, other = ValueError("a"), ValueError("a")
    failure_reaches_the_root(failing(error, step=error, root=error), error)
    failure_reaches_the_root(failing(None, step=error, root=None), None)  # what was caught
    failure_reaches_the_root(failing(error, step=other, root=error), error)  # what was replaced
    failure_reaches_the_root(failing(error, step=None, root=error), error)
    for facts, raised, said in (
        (failing(None, root=None), error, r"the call raised ValueError\('a'\), and RunInfo.* has None"),
        (failing(error, root=error), None, r"the call raised None, and .* has ValueError"),
        (failing(error, root=error), other, "the call raised"),
        ([("ended", run("root", error=error), ())], error, "was told to have ended, with ValueError"),
    ):
        with pytest.raises(AssertionError, match=said):
            failure_reaches_the_root(facts, raised)


def test_a_run_between_the_root_and_one_that_failed_has_failed_with_the_same() -> None:
    error = ValueError()
    root = run("root", error=error)
    between = run("between", root)
    step = run("step", between, error=error)
    facts: list[Fact] = [("started", root, ()), ("failed", step, ()), ("ended", between, ()), ("failed", root, ())]
    with pytest.raises(AssertionError, match=r"'step', failed. failed with ValueError.., but not RunInfo.*'between'"):
        failure_reaches_the_root(facts, error)
    failure_reaches_the_root([fact for fact in facts if fact[1] is not step], error)
    between.error = error
    failure_reaches_the_root([fact for fact in facts if fact[1] is not between], error)


def test_an_outline_has_what_happened_where_and_not_when() -> None:
    step = run("step", ROOT, ["a", "b"])
    kept: list[Fact] = [("chunk", step, ("x",)), ("started", ROOT, ()), ("chunk", step, ("y",))]
    assert outline(kept) == Counter(
        {("chunk", ("root", "step"), ("a", "b"), "chain"): 2, ("started", ("root",), (), "chain"): 1}
    )
    for other in (
        ("ended", step, ()),
        ("chunk", run("step", ROOT, ["a"]), ()),
        ("chunk", run("step", run("roof"), ["a", "b"]), ()),
        ("chunk", run("step", ROOT, ["a", "b"], run_type="tool"), ()),
    ):
        assert outline([other]) != outline(kept[:1])


def test_a_recorder_keeps_every_kind_of_fact_with_what_came_along() -> None:
    recorder = Recorder()
    assert recorder.inline
    step = RunnableLambda(str.upper).with_config(run_name="upper")
    assert list(step.stream("a", {"callbacks": [recorder]})) == ["A"]
    assert [(what, each.name, data) for what, each, data in recorder.facts] == [
        ("started", "upper", ()),
        ("chunk", "upper", ("A",)),
        ("ended", "upper", ()),
    ]
    recorder.failed(STEP)
    recorder.told(STEP, "text", 1, 2)
    assert recorder.facts[-2:] == [("failed", STEP, ()), ("told", STEP, ("text", 1, 2))]
