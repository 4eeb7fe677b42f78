"""A timeline shows what ran when, in any format, whatever the texts, and stays usable when there is much of it."""

# ruff: noqa: RUF001 # the sign of what failed stands in the texts

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import combinations
from pathlib import Path
from textwrap import dedent
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anabranch.engine.errors import ConfigError
from anabranch.nodes import EventFile, RunnableLambda, RunnableParallel, simulate
from anabranch.nodes.extras import MissingExtraError
from anabranch.viz import RunRecord, RunRecorder, StepRun, timeline
from anabranch.viz.lanes import MOST_BARS, Bar, packed
from anabranch.viz.run_records import RunSourceError
from anabranch.viz.timeline_svg import axis_times

SVG = "{http://www.w3.org/2000/svg}"
NASTY = [
    "<script>alert(1)</script>",
    "</title></svg><script>alert(1)</script>",
    "]]> &amp; \" ' `",
    "\x00\x1b[31m\ud800\ufffe",
    "line\nbreak",
    "\u202eright to left",
    "👩‍👩‍👧",
    "long " * 2000,
]


class Page(HTMLParser):
    """Counts elements, keeps text and what attributes could fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.references: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "action")]
        assert not any(name.startswith("on") for name, _ in attrs)


def failing(x: int) -> int:
    if x == 3:
        raise ValueError("three")
    return x


def recorded(chain: Any, value: Any, **options: Any) -> RunRecord:
    recorder = RunRecorder()
    simulate(chain, value, {"callbacks": [recorder]}, **options)
    return recorder.record()


CHAIN = RunnableLambda(failing).with_retry(stop_after_attempt=2, wait_exponential_jitter=False) | RunnableParallel(
    text=RunnableLambda(str) | len, same=RunnableLambda(abs, name="same")
)
TIMES = {"failing": 1.0, "str": 1.0, "len": 2.0, "same": 2.0}


def flat(*runs: StepRun) -> RunRecord:
    return RunRecord(list(runs))


def nasty_record() -> RunRecord:
    root = StepRun("0", "root", start=0.0, chunks=0)
    for number, text in enumerate(NASTY):
        run = StepRun(str(number + 1), text, text, (text,), start=float(number), chunks=2)
        run.chunk_times, run.input, run.key = [number + 0.1, number + 0.2], text, text
        run.over(number + 1.0, f"ValueError: {text}" if number % 2 else "", output=text)
        root.children.append(run)
    root.over(len(NASTY) + 1.0)
    return RunRecord([root])


class TestText:
    def test_a_run(self) -> None:
        assert timeline(recorded(CHAIN, 1, durations=TIMES), "text") + "\n" == dedent("""\
            RunnableSequence              4 s  │████████████████████████████████████████████████████████████│
              failing                     1 s *│███████████████                                             │
                failing                   1 s *│███████████████                                             │
              RunnableParallel<text,same> 3 s  │               █████████████████████████████████████████████│
                RunnableSequence          3 s  │               █████████████████████████████████████████████│
                  str                     1 s *│               ███████████████                              │
                  len                     2 s *│                              ██████████████████████████████│
                same                      2 s  │               ██████████████████████████████               │
            * on the critical path
            """)

    def test_a_failed_one(self) -> None:
        assert timeline(recorded(CHAIN, 3, durations=TIMES), "text") + "\n" == dedent("""\
            × RunnableSequence 2 s  │███████████████████████████████████████████████████████████×│
              × failing x2     2 s *│███████████████████████████████████████████████████████████×│
                × failing      1 s *│█████████████████████████████×                              │ ValueError: three
                × failing      1 s *│                              █████████████████████████████×│ ValueError: three
            * on the critical path
            """)

    def test_what_still_runs_and_what_was_cancelled(self) -> None:
        first = StepRun("1", "first", start=0.0, chunk_times=[1.0, 2.0], chunks=2)
        second = StepRun("2", "second", start=1.0)
        second.over(3.0, "CancelledError")
        root = StepRun("0", "root", start=0.0, children=[first, second])
        assert timeline(flat(root), "text") + "\n" == dedent("""\
            root                 3 s...  │▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒│
              first              3 s...  │▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒│ 2 chunks
              second (cancelled)    2 s  │                    ░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░│ CancelledError
            """)

    def test_of_many_runs_the_first_are_shown(self) -> None:
        record = flat(*(StepRun(str(at), "step", start=float(at), end=at + 1.0, state="done") for at in range(1000)))
        lines = timeline(record, "text").splitlines()
        assert len(lines) < 210
        assert "and 800 more runs" in lines


class TestPictures:
    def test_every_run_has_a_bar_with_all_that_is_known_of_it(self) -> None:
        record = recorded(CHAIN, 3, durations=TIMES)
        svg = ElementTree.fromstring(timeline(record, "svg"))
        bars = [each for each in svg.iter(f"{SVG}g") if "bar" in each.get("class", "").split()]
        assert len(bars) == len(list(record.walk()))
        told = [bar.findtext(f"{SVG}title") or "" for bar in bars]
        assert sum("ValueError: three" in each for each in told) == len(
            [run for run in record.walk() if run.state == "failed"]
        )
        assert any("2 attempts" in each for each in told)

    @pytest.mark.parametrize("theme", ["auto", "light", "dark"])
    def test_any_text_is_text(self, theme: Any) -> None:
        record = nasty_record()
        svg = ElementTree.fromstring(timeline(record, "svg", theme=theme))
        assert {each.tag.removeprefix(SVG) for each in svg.iter()} <= {
            *("svg", "title", "style", "defs", "pattern", "rect", "g", "line", "text", "path"),
        }
        assert any("<script>alert(1)</script>" in "".join(each.itertext()) for each in svg.iter(f"{SVG}title"))
        page = Page()
        page.feed(timeline(record, "html", title="</script><script>alert(2)</script>", theme=theme))
        assert page.tags.count("script") == 1
        assert page.references == []

    def test_nothing_is_fetched(self) -> None:
        page = timeline(nasty_record(), "html")
        assert "default-src 'none'" in page
        assert set(re.findall(r"https?://[^\s\"'<]+", page)) == {"http://www.w3.org/2000/svg"}
        assert "url(" not in page.replace("url(#anabranch-hatch)", "")
        assert "@import" not in page

    def test_png_is_drawn(self) -> None:
        pytest.importorskip("resvg_py")
        for record in (recorded(CHAIN, 3, durations=TIMES), nasty_record(), RunRecord([])):
            assert timeline(record, "png").startswith(b"\x89PNG")

    def test_without_the_library_the_error_names_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "resvg_py", None)
        with pytest.raises(MissingExtraError, match=r"anabranch\[viz\]"):
            timeline(RunRecord([]), "png")

    def test_much_is_thinned_out(self) -> None:
        root = StepRun("root", "root", start=0.0)
        for at in range(1000):
            run = StepRun(str(at), f"step {at}", start=at / 10, chunks=20)
            run.chunk_times = [at / 10 + chunk / 200 for chunk in range(20)]
            run.over(at / 10 + 0.1)
            root.children.append(run)
        one = StepRun("one", "one", start=0.0, chunk_times=[at / 200 for at in range(20_000)])
        one.over(100.0)
        root.children.append(one)
        root.over(100.0)
        svg, page = timeline(flat(root), "svg"), timeline(flat(root), "html")
        assert len(svg) < 700_000
        assert len(page) < 1_500_000
        assert max(each.get("d", "").count("M") for each in ElementTree.fromstring(svg).iter(f"{SVG}path")) < 800

    def test_beyond_a_limit_the_inner_runs_are_left_out_and_that_is_told(self) -> None:
        root = StepRun("root", "root", start=0.0, end=1.0, state="done")
        root.children = [StepRun(str(at), "x", start=0.0, end=1.0, state="done") for at in range(MOST_BARS + 500)]
        lanes = packed(flat(root))
        assert len(lanes.bars) == MOST_BARS
        assert lanes.left_out == 501


class TestSources:
    def test_a_recorded_file_and_a_path_to_write_to(self, tmp_path: Path) -> None:
        source, target = tmp_path / "run.jsonl", tmp_path / "run.html"
        with EventFile(source) as file:
            list((RunnableLambda(str) | len).stream("four", {"callbacks": [file]}))
        shown = timeline(source, path=target)
        assert shown == target.read_text(encoding="utf-8")
        assert str(shown).startswith("<!doctype html>")
        assert "step: RunnableSequence/len" in str(timeline(source, chain=RunnableLambda(str) | len))

    @pytest.mark.parametrize("ending", ["run.gif", "run"])
    def test_an_unknown_ending_is_refused(self, ending: str) -> None:
        with pytest.raises(ConfigError, match=r"\.svg, \.html"):
            timeline(RunRecord([]), path=ending)

    def test_an_unknown_format_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="svg, html, png, text"):
            timeline(RunRecord([]), "gif")  # type: ignore[call-overload]

    def test_what_is_no_run_is_refused(self) -> None:
        with pytest.raises(RunSourceError):
            timeline(RunnableLambda(len))


times = st.integers(0, 12).map(float)


@st.composite
def records(draw: st.DrawFn) -> RunRecord:
    """Trees of runs, each inside the time of the one around it."""
    count = 0

    def run(start: float, end: float, depth: int) -> StepRun:
        nonlocal count
        count += 1
        made = StepRun(str(count), "n" * draw(st.integers(1, 12)), start=start)
        made.over(end, draw(st.sampled_from(["", "ValueError: no", "Stopped"])))
        for _ in range(draw(st.integers(0, 3 if depth < 2 else 0))):
            first, last = sorted((draw(times), draw(times)))
            low, high = min(max(start, first), end), min(max(start, last), end)
            made.children.append(run(low, high, depth + 1))
        return made

    spans = draw(st.lists(st.tuples(times, times), min_size=1, max_size=3))
    return RunRecord([run(min(span), max(span), 0) for span in spans])


@given(records())
@settings(max_examples=50)
def test_no_bar_and_no_name_lies_on_another(record: RunRecord) -> None:
    lanes = packed(record, 1000)
    assert len(lanes.bars) == len(list(record.walk()))

    def own(bar: Bar) -> tuple[float, float]:
        return bar.rows[0]

    for left, right in combinations(lanes.bars, 2):
        if left.lane == right.lane:
            (start, end), (other_start, other_end) = own(left), own(right)
            assert end <= other_start + 1e-9 or other_end <= start + 1e-9
    for bar in lanes.bars:
        assert 0 <= bar.lane < lanes.count
        assert all(bar.lane < inner.lane < bar.lane + len(bar.rows) for inner in bar.inside)


@given(st.floats(1e-6, 1e6))
@settings(max_examples=50)
def test_an_axis_has_a_few_round_times(length: float) -> None:
    found = axis_times(length)
    assert 2 <= len(found) <= 12
    assert found[0] == 0
    assert found[-1] <= length * (1 + 1e-9)
