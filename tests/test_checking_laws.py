"""`check_laws` tells of each law whether it holds, and shows where it doesn't by code that can be pasted."""

from __future__ import annotations

import asyncio
import itertools
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from verbs import one_after_another

from anabranch.nodes import (
    PortalError,
    Runnable,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnableSerializable,
)
from anabranch.nodes.checking import stopping_laws
from anabranch.nodes.checking.fault_steps import Cancels
from anabranch.nodes.laws import LAWS, LawReport, LawsError, Status, assert_laws, check_laws

texts = st.text("a1", max_size=4)
numbers = itertools.count()
late = threading.Event()


def refuse(value: Any) -> Any:
    raise ValueError(value)


def count(_: Any) -> int:
    return next(numbers)


def tenths(_: Any) -> Iterator[float]:
    yield from (0.1, 0.2, 0.3)


class Redact(Runnable[str, str]):
    """Hides numbers, if they come in one piece."""

    def transform(self, input: Iterator[str], config: Any = None, **kwargs: Any) -> Iterator[str]:
        for chunk in input:
            yield re.sub(r"\d+", "#", chunk)


class AsyncRedact(Runnable[str, str]):
    async def atransform(self, input: AsyncIterator[str], config: Any = None, **kwargs: Any) -> AsyncIterator[str]:
        async for chunk in input:
            yield re.sub(r"\d+", "#", chunk)


class Liar(Runnable[Any, Any]):
    """Streams something else than it gives."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> str:
        return "truth"

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> str:
        return "another truth"

    def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        yield "lie"

    async def astream(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        yield "another lie"


class Backwards(Runnable[Any, Any]):
    """Takes many at once, and answers in the wrong order."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return input

    def batch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        return inputs[::-1]

    async def abatch(self, inputs: Any, config: Any = None, **kwargs: Any) -> Any:
        return inputs[::-1]


class Forgetful(RunnableLambda[Any, Any]):
    """Isn't there any more once something comes after it."""

    def __or__(self, other: Any) -> Any:
        return RunnablePassthrough() | other


class Averse(RunnableLambda[Any, Any]):
    """Isn't there any more once a dict comes after it."""

    def __or__(self, other: Any) -> Any:
        return RunnablePassthrough() | other if isinstance(other, dict) else super().__or__(other)


class Curious(Runnable[Any, Any]):
    """Looks where it stands, and who listens."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return (config or {}).get("tags"), bool((config or {}).get("callbacks"))


class Leak(Runnable[Any, Any]):
    """Leaves a thread behind."""

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        threading.Thread(target=late.wait, name="left behind").start()
        return input

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return self.invoke(input)


class Unfaithful(Runnable[Any, Any]):
    """Is another one when it comes back from a pickle."""

    def __init__(self, plus: int) -> None:
        self.plus = plus

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        return len(input) + self.plus

    def __getstate__(self) -> dict[str, Any]:
        return {"plus": 0}


class Plus:
    """A function that makes itself again with another number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self, text: str) -> int:
        return len(text) + self.number

    def __reduce__(self) -> Any:
        return Plus, (0,)


class Prefixed(Runnable[str, str]):
    def invoke(self, input: str, config: Any = None, **kwargs: Any) -> str:
        return f"> {input}"


BROKEN: dict[str, Runnable[Any, Any]] = {
    "answers_some_input": RunnableLambda(refuse),
    "called_twice_it_gives_the_same": RunnableLambda(count),
    "input_is_not_changed": RunnableLambda(list.clear),
    "fold_of_stream_is_invoke": Liar(),
    "fold_of_astream_is_ainvoke": Liar(),
    "transform_is_invoke_of_the_fold": Redact(),
    "atransform_is_ainvoke_of_the_fold": AsyncRedact(),
    "none_among_the_chunks_adds_nothing": Redact(),
    "chunks_of_a_stream_form_a_monoid": RunnableLambda(tenths),
    "sync_equals_async": Liar(),
    "sync_stream_equals_async_stream": Liar(),
    "batch_is_map_of_invoke": Backwards(),
    "abatch_is_map_of_ainvoke": Backwards(),
    "one_failure_spoils_no_other": Backwards(),
    "associativity_of_composition": Forgetful(str.upper),
    "passthrough_is_identity": Curious(),
    "pick_after_join": Curious(),
    "distribution": Averse(str.upper),
    "nothing_is_left_after_a_run": Leak(),
    "nothing_is_left_after_closing_early": Leak(),
    "nothing_is_left_after_cancelling": Leak(),
    "listening_changes_nothing": Curious(),
    "a_pickled_copy_gives_the_same": Unfaithful(1),
    "a_graph_read_from_json_gives_the_same": RunnableLambda(Plus(1)),
}
OURS = {
    "at_most_the_cap_runs_at_once",
    "every_run_starts_once_and_ends_once",
    "chunks_come_between_start_and_end",
    "runs_are_well_nested",
    "chunks_of_the_root_fold_to_its_output",
    "patches_fold_to_the_states",
}
"""Kept by the engine whatever a node does; `test_laws` and `test_trace_laws` break what they are made of."""


@pytest.fixture
def no_thread_waits() -> Iterator[None]:
    """Lets those go that a node has left behind."""
    late.clear()
    yield
    late.set()


def test_every_law_can_be_broken_by_a_node() -> None:
    assert BROKEN.keys() | OURS == LAWS.keys()


@pytest.mark.usefixtures("no_thread_waits")
@pytest.mark.parametrize("law", BROKEN)
def test_a_broken_law_is_shown_by_code_that_fails_when_it_is_pasted(law: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping_laws, "GRACE", 0.02)  # what these nodes leave behind never comes to rest
    inputs = [["a", "b"]] if law == "input_is_not_changed" else ["a1", "b22"]
    report = check_laws(BROKEN[law], inputs, laws=[law], quiet=True)
    assert [verdict.law for verdict in report.refuted] == [law], report
    pasted = compile(report[law].counterexample, "<pasted>", "exec")
    with pytest.raises((AssertionError, ValueError, TypeError)):  # noqa: PT012
        for _ in range(50):  # inputs of a batch meet in a vectorised form as threads happen to come
            exec(pasted, {"__name__": "pasted"})


@one_after_another("law", LAWS)
def test_a_law_says_in_english_what_holds(law: str) -> None:
    text = LAWS[law].text
    assert text[0].isupper() or text[0] in "`("
    assert text.endswith(".")
    assert len(text) < 200


def test_a_function_keeps_all_laws(capsys: pytest.CaptureFixture[str]) -> None:
    report = check_laws(str.upper, texts)
    assert report.ok
    assert {verdict.status for verdict in report.verdicts} == {Status.HELD, Status.NOT_APPLICABLE}
    assert capsys.readouterr().out == f"{report}\n"
    assert_laws(str.upper, ["", "a"])
    assert_laws({"a": str.upper, "b": len}, texts, max_examples=10)


def test_what_is_drawn_is_shrunk_to_the_smallest() -> None:
    found = check_laws(Redact(), texts, laws=["transform_is_invoke_of_the_fold"], quiet=True).refuted[0]
    assert "chunks = ['1', '1']" in found.counterexample
    again = check_laws(Redact(), texts, laws=["transform_is_invoke_of_the_fold"], quiet=True).refuted[0]
    assert again == found


def test_an_error_of_a_law_that_is_broken_says_it_all() -> None:
    with pytest.raises(AssertionError) as raised:
        assert_laws(Redact(), texts, laws=["transform_is_invoke_of_the_fold", "atransform_is_ainvoke_of_the_fold"])
    assert str(raised.value) == (
        "Redact() breaks 2 laws.\n\n"
        "transform_is_invoke_of_the_fold is refuted.\n"
        "The law: `transform` of an input in chunks, folded, is `invoke` of the whole input, however it is cut.\n"
        "Here fold(a.transform(iter(chunks))) gives '##', but a.invoke(fold(chunks)) gives '#', "
        "where chunks = ['1', '1'].\n\n"
        "from anabranch.nodes import fold\n"
        "from test_checking_laws import Redact\n\n"
        "a = Redact()\n"
        "chunks = ['1', '1']\n\n"
        "one = fold(a.transform(iter(chunks)))  # '##'\n"
        "other = a.invoke(fold(chunks))  # '#'\n"
        "assert one == other\n\n"
        "atransform_is_ainvoke_of_the_fold is refuted, in the same way as transform_is_invoke_of_the_fold."
    )


class TestDeclaringOut:
    class Chance(Runnable[Any, Any]):
        exempt_laws: ClassVar = {"called_twice_it_gives_the_same": "it draws random numbers"}

        def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
            return next(numbers)

    class Setting(RunnableSerializable[str, int]):
        exempt_laws = {"sync_equals_async": "its asynchronous form counts from 1"}  # noqa: RUF012

        def invoke(self, input: str, config: Any = None, **kwargs: Any) -> int:
            return 0

        async def ainvoke(self, input: str, config: Any = None, **kwargs: Any) -> int:
            return 1

    def test_a_node_says_which_law_does_not_hold_and_why(self) -> None:
        report = check_laws(self.Chance(), ["a"], quiet=True)
        assert report.ok
        out = report["called_twice_it_gives_the_same"]
        assert (out.status, out.reason) == (Status.DECLARED_OUT, "it draws random numbers")
        assert "declared out    called_twice_it_gives_the_same: it draws random numbers" in str(report)

    def test_what_relies_on_it_does_not_apply_then(self) -> None:
        report = check_laws(self.Chance(), ["a"], quiet=True)
        assert report["distribution"].status is Status.NOT_APPLICABLE
        assert report["distribution"].reason == "called_twice_it_gives_the_same is declared out"
        assert report["nothing_is_left_after_cancelling"].status is Status.HELD
        refuted = check_laws(count, ["a"], quiet=True)
        assert [verdict.law for verdict in refuted.refuted] == ["called_twice_it_gives_the_same"]
        chosen = check_laws(count, ["a"], laws=["distribution"], quiet=True)
        assert [verdict.law for verdict in chosen.refuted] == ["called_twice_it_gives_the_same"]
        assert refuted["distribution"].reason == "called_twice_it_gives_the_same is refuted"

    def test_a_model_of_settings_says_so_without_an_annotation(self) -> None:
        report = check_laws(self.Setting(), ["a"], laws=["sync_equals_async"], quiet=True)
        assert report["sync_equals_async"].status is Status.DECLARED_OUT

    def test_what_is_composed_of_it_is_exempt_with_it(self) -> None:
        report = check_laws(RunnableParallel(a=str.upper, b=self.Chance()), ["a"], quiet=True)
        assert report.ok
        assert report["called_twice_it_gives_the_same"].reason == "it draws random numbers (so says Chance)"

    def test_a_caller_may_say_so_too(self) -> None:
        assert_laws(count, ["a"], exempt_laws={"called_twice_it_gives_the_same": "it counts"})

    def test_a_name_that_no_law_has_is_an_error_that_lists_them(self) -> None:
        with pytest.raises(LawsError, match=r"exempt_laws: there is no law 'distribtion'; the laws .*distribution"):
            check_laws(count, ["a"], exempt_laws={"distribtion": "it counts"})
        with pytest.raises(LawsError, match="laws: there is no law 'x'"):
            check_laws(count, ["a"], laws=["x"])

    @pytest.mark.parametrize("reason", ["", " ", None])
    def test_it_needs_a_reason(self, reason: Any) -> None:
        with pytest.raises(LawsError, match="'distribution' needs a reason"):
            check_laws(count, ["a"], exempt_laws={"distribution": reason})
        with pytest.raises(LawsError, match="expected a dict"):
            check_laws(count, ["a"], exempt_laws=["distribution"])  # type: ignore[arg-type]


class TestInputs:
    def test_there_must_be_some(self) -> None:
        with pytest.raises(LawsError, match="there is no input"):
            check_laws(str.upper, [])
        with pytest.raises(LawsError, match="the strategy gives no inputs"):
            check_laws(str.upper, st.nothing())

    @pytest.mark.parametrize("inputs", ["text", {"a": 1}, 5, b"x"])
    def test_they_are_a_list_or_a_strategy(self, inputs: Any) -> None:
        with pytest.raises(LawsError, match="expected a list of values or a Hypothesis strategy, got"):
            check_laws(str.upper, inputs)

    def test_without_any_they_are_drawn_by_type(self) -> None:
        assert check_laws(Prefixed(), quiet=True, max_examples=5).ok
        with pytest.raises(LawsError, match=r"isn't known what RunnableLambda takes; give inputs="):
            check_laws(lambda x: x)

    def test_some_may_fail_but_not_all(self) -> None:
        assert check_laws(lambda text: 1 / len(text), ["", "a"], laws=["answers_some_input"], quiet=True).ok
        report = check_laws(refuse, texts, laws=["answers_some_input"], quiet=True)
        assert "ValueError" in report.refuted[0].reason
        assert "Are these its inputs?" in report.refuted[0].reason

    def test_outputs_are_compared_as_is_asked(self) -> None:
        assert_laws(count, ["a"], equal=lambda left, right: type(left) is type(right))

    def test_nan_is_itself(self) -> None:
        assert_laws(float, ["nan", "1"])


def test_a_cancellation_inside_a_node_is_no_cancellation_of_the_check() -> None:
    report = check_laws(Cancels(), ["a"], laws=["fold_of_stream_is_invoke"], quiet=True)
    assert report.refuted[0].reason == "it raised CancelledError('fault')"


def test_only_drawing_needs_hypothesis() -> None:
    code = """
import sys
sys.modules["hypothesis"] = None
from anabranch.nodes import MissingExtraError
from anabranch.nodes.laws import assert_laws
assert_laws(str.upper, ["a"])
for attempt in ("assert_laws(str.upper)", "import anabranch.nodes.strategies"):
    try:
        exec(attempt)
    except MissingExtraError as error:
        print(error)
"""
    said = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True)
    needs = 'needs the package hypothesis, which is not installed: pip install "anabranch[testing]"'
    assert said.stdout == f"drawing inputs {needs}\nanabranch.nodes.strategies {needs}\n"


def test_it_is_called_off_the_loop() -> None:
    async def main() -> LawReport:
        with pytest.raises(PortalError, match=r"asyncio\.to_thread"):
            check_laws(str.upper, ["a"])
        return await asyncio.to_thread(check_laws, str.upper, ["a"], laws=["sync_equals_async"], quiet=True)

    assert asyncio.run(main()).ok


def test_a_program_is_checked_as_a_node_is() -> None:
    def swapped(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            if chunk is not None:
                yield chunk.swapcase()

    program = RunnableGenerator(swapped) | {"a": RunnablePassthrough(), "n": len} | RunnablePassthrough.assign(b=str)
    assert_laws(program, texts, max_examples=10)


def test_the_page_names_all_laws() -> None:
    page = (Path(__file__).parent.parent / "docs" / "laws.md").read_text(encoding="utf-8")
    table = page[page.index("## The laws") : page.index("## Random programs")]
    assert set(re.findall(r"`(\w+)`", table)) >= LAWS.keys()
