"""The laws that every runnable keeps, checked of any of them: `check_laws` and `assert_laws`.

Each law is a plain function whose docstring says it in English. They can be called by themselves, too.

A node for which a law can't hold says so, with the reason: by a class attribute `exempt_laws`, a dict of names and
reasons, or by the argument of that name. What is composed of such a node is exempt with it.

Hypothesis is needed only where inputs are drawn: `pip install "anabranch[testing]"`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anabranch.engine.errors import PortalError
from anabranch.engine.law_outcomes import Equal, LawBroken, compared_by
from anabranch.engine.laws import (
    abatch_is_map_of_ainvoke,
    associativity_of_composition,
    atransform_is_ainvoke_of_the_fold,
    batch_is_map_of_invoke,
    called_twice_it_gives_the_same,
    chunks_of_a_stream_form_a_monoid,
    distribution,
    fold_of_astream_is_ainvoke,
    fold_of_stream_is_invoke,
    input_is_not_changed,
    none_among_the_chunks_adds_nothing,
    one_failure_spoils_no_other,
    passthrough_is_identity,
    pick_after_join,
    sync_equals_async,
    sync_stream_equals_async_stream,
    transform_is_invoke_of_the_fold,
)
from anabranch.nodes.checking.copying_laws import a_graph_read_from_json_gives_the_same, a_pickled_copy_gives_the_same
from anabranch.nodes.checking.equal_outputs import equal_outputs
from anabranch.nodes.checking.law_examples import Examples, Failure, examples_of, typed_inputs
from anabranch.nodes.checking.law_reports import LawReport, Status, Verdict, broken, shown
from anabranch.nodes.checking.law_table import LAWS, REPEATABLE, LawsError, NodeLaw, answers_some_input, check_names
from anabranch.nodes.checking.stopping_laws import (
    at_most_the_cap_runs_at_once,
    nothing_is_left_after_a_run,
    nothing_is_left_after_cancelling,
    nothing_is_left_after_closing_early,
)
from anabranch.nodes.checking.tracing_laws import (
    chunks_come_between_start_and_end,
    chunks_of_the_root_fold_to_its_output,
    every_run_starts_once_and_ends_once,
    listening_changes_nothing,
    patches_fold_to_the_states,
    runs_are_well_nested,
)
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.passthrough import RunnablePassthrough
from anabranch.nodes.runnables import Runnable

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


def check_laws(
    runnable: Any,
    inputs: Sequence[Any] | SearchStrategy[Any] | None = None,
    *,
    laws: Iterable[str] | None = None,
    exempt_laws: Mapping[str, str] | None = None,
    equal: Equal = equal_outputs,
    max_examples: int = 50,
    seed: int | None = 0,
    quiet: bool = False,
) -> LawReport:
    """Check a runnable by all laws that apply to it, print what they say, and return that.

    Args:
        runnable: a runnable, or a function or dict that makes one.
        inputs: a list of inputs, or a Hypothesis strategy of them. What a strategy draws is shrunk: the
            counterexample is the smallest that it can make. None draws them by the type of the input.
        laws: the names of those to check; by default all of them.
        exempt_laws: which laws don't hold, with the reason, besides those that the node itself says so of.
        equal: whether two outputs are the same. By default as `==` has it, but for the ids of models' answers.
        max_examples: how many inputs a strategy is asked for, for each law; fewer for those that take long.
        seed: repeats the same examples; None takes others each time.
        quiet: don't print.

    Returns:
        The verdict on each law. `report.ok` says that none is broken.

    Raises:
        LawsError: a `ValueError`, when there is no law of a name, or there are no inputs.
        MissingExtraError: when inputs are to be drawn and Hypothesis isn't installed.
        PortalError: when it is called on a running event loop; `asyncio.to_thread` takes it off.

    Example:
        >>> report = check_laws(str.upper, ["", "ab"], laws=["sync_equals_async", "pick_after_join"])
        RunnableLambda(upper): 2 held
        <BLANKLINE>
          held            sync_equals_async
          held            pick_after_join
        >>> report.ok
        True
    """
    _check_no_loop()
    node = coerce_to_runnable(runnable)
    chosen = list(LAWS) if laws is None else [laws] if isinstance(laws, str) else list(laws)
    check_names(chosen, "laws")
    exempt = _exemptions(node, exempt_laws or {})
    examples = examples_of(typed_inputs(node) if inputs is None else inputs, max_examples, seed)
    with compared_by(equal):
        verdicts = _verdicts(node, [LAWS[name] for name in chosen], examples, exempt)
    report = LawReport(shown(node), tuple(_paired(verdicts)))
    if not quiet:
        print(report)
    return report


def assert_laws(
    runnable: Any,
    inputs: Sequence[Any] | SearchStrategy[Any] | None = None,
    *,
    laws: Iterable[str] | None = None,
    exempt_laws: Mapping[str, str] | None = None,
    equal: Equal = equal_outputs,
    max_examples: int = 50,
    seed: int | None = 0,
) -> None:
    """See that a runnable keeps the laws, in a test of any test runner. The arguments are those of `check_laws`.

    Raises:
        AssertionError: with a counterexample that can be pasted, for each law that is broken.

    Example:
        >>> assert_laws(str.upper, ["", "ab"])
    """
    report = check_laws(
        runnable,
        inputs,
        laws=laws,
        exempt_laws=exempt_laws,
        equal=equal,
        max_examples=max_examples,
        seed=seed,
        quiet=True,
    )
    if not report.ok:
        raise AssertionError(report.failures)


def _check_no_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise PortalError(
        "check_laws runs event loops of its own, so it can't be called on a running one; "
        "write: await asyncio.to_thread(check_laws, ...)"
    )


def _exemptions(node: Runnable[Any, Any], said: Mapping[str, str]) -> dict[str, str]:
    """Which laws don't hold, and why: as the caller says, the node, and what it is made of."""
    exempt: dict[str, str] = {}
    parts: list[Any] = [node]
    seen: set[int] = set()
    while parts:
        part = parts.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        own = _checked(getattr(type(part), "exempt_laws", {}), f"{type(part).__name__}.exempt_laws")
        by = "" if part is node else f" (so says {part.get_name()})"
        for name, reason in own.items():
            exempt.setdefault(name, reason + by)
        parts.extend(part._parts())
    return {**exempt, **_checked(said, "exempt_laws")}


def _checked(said: Any, where: str) -> Mapping[str, str]:
    if not isinstance(said, Mapping):
        raise LawsError(f"{where}: expected a dict of a law's name and the reason, got {said!r:.80}")
    check_names(list(said), where)
    for name, reason in said.items():
        if not isinstance(reason, str) or not reason.strip():
            raise LawsError(f"{where}: {name!r} needs a reason, got {reason!r:.80}. Say why the law can't hold")
    return said


def _paired(verdicts: list[Verdict]) -> list[Verdict]:
    """The verdicts, with a note on those which say again of the asynchronous verbs what was said of the others."""
    broken_too = {verdict.law for verdict in verdicts if verdict.status is Status.REFUTED}
    twins = [LAWS[verdict.law].twin for verdict in verdicts]
    return [
        replace(verdict, twin=twin) if twin in broken_too and verdict.law in broken_too else verdict
        for verdict, twin in zip(verdicts, twins, strict=True)
    ]


def _verdicts(
    node: Runnable[Any, Any], laws: Sequence[NodeLaw], examples: Examples, exempt: Mapping[str, str]
) -> list[Verdict]:
    """One verdict a law. Those that compare runs are set aside where one run isn't like the other."""
    verdicts: list[Verdict] = []
    if not any(law.compares or law.name == REPEATABLE for law in laws):
        return [_verdict(node, law, examples, exempt) for law in laws]
    repeatable = _verdict(node, LAWS[REPEATABLE], examples, exempt)
    if repeatable.status is Status.REFUTED and LAWS[REPEATABLE] not in laws:
        verdicts.append(repeatable)  # else it would seem that nothing is wrong
    for law in laws:
        if law.name == REPEATABLE:
            verdicts.append(repeatable)
        elif law.compares and repeatable.status is not Status.HELD and law.name not in exempt:
            said = "is refuted" if repeatable.status is Status.REFUTED else "is declared out"
            verdicts.append(_aside(law, Status.NOT_APPLICABLE, f"{REPEATABLE} {said}"))
        else:
            verdicts.append(_verdict(node, law, examples, exempt))
    return verdicts


def _verdict(node: Runnable[Any, Any], law: NodeLaw, examples: Examples, exempt: Mapping[str, str]) -> Verdict:
    if law.name in exempt:
        return _aside(law, Status.DECLARED_OUT, exempt[law.name])
    if (reason := law.why_not(node)) is not None:
        return _aside(law, Status.NOT_APPLICABLE, reason)
    count = 0
    for program in (node, RunnablePassthrough() | node) if law.in_chains else (node,):
        try:
            count += examples.check(law.takes, _checker(law, program), law.share)
        except Failure as failure:
            said, code = broken(law, law.arguments(program, failure.example), failure.error)
            return Verdict(law.name, law.text, Status.REFUTED, count, said, code)
    return Verdict(law.name, law.text, Status.HELD, count)


def _checker(law: NodeLaw, program: Runnable[Any, Any]) -> Callable[[Any], None]:
    def check(example: Any) -> None:
        result = law.function(*law.arguments(program, example))
        if inspect.iscoroutine(result):
            asyncio.run(result)

    return check


def _aside(law: NodeLaw, status: Status, reason: str) -> Verdict:
    return Verdict(law.name, law.text, status, reason=reason)


__all__ = [
    "LAWS",
    "LawBroken",
    "LawReport",
    "LawsError",
    "NodeLaw",
    "Status",
    "Verdict",
    "a_graph_read_from_json_gives_the_same",
    "a_pickled_copy_gives_the_same",
    "abatch_is_map_of_ainvoke",
    "answers_some_input",
    "assert_laws",
    "associativity_of_composition",
    "at_most_the_cap_runs_at_once",
    "atransform_is_ainvoke_of_the_fold",
    "batch_is_map_of_invoke",
    "called_twice_it_gives_the_same",
    "check_laws",
    "chunks_come_between_start_and_end",
    "chunks_of_a_stream_form_a_monoid",
    "chunks_of_the_root_fold_to_its_output",
    "distribution",
    "every_run_starts_once_and_ends_once",
    "fold_of_astream_is_ainvoke",
    "fold_of_stream_is_invoke",
    "input_is_not_changed",
    "listening_changes_nothing",
    "none_among_the_chunks_adds_nothing",
    "nothing_is_left_after_a_run",
    "nothing_is_left_after_cancelling",
    "nothing_is_left_after_closing_early",
    "one_failure_spoils_no_other",
    "passthrough_is_identity",
    "patches_fold_to_the_states",
    "pick_after_join",
    "runs_are_well_nested",
    "sync_equals_async",
    "sync_stream_equals_async_stream",
    "transform_is_invoke_of_the_fold",
]
