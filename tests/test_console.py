"""Who looks at the console sees what runs: as a tree on a terminal, as lines anywhere else."""

from __future__ import annotations

import asyncio
import io
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console

from anabranch.nodes import (
    AIMessage,
    ChatPromptTemplate,
    ConsoleTracer,
    FakeListChatModel,
    Runnable,
    RunnableLambda,
    StrOutputParser,
    adispatch_custom_event,
    dispatch_custom_event,
)
from anabranch.nodes.messages.tool_calls import tool_call
from anabranch.nodes.tracing.live_trees import LiveTrees

TIME = re.compile(r"\b\d+(\.\d+)? (ms|s)\b")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def passed(value: Any) -> Any:
    return value


def shout(text: str) -> str:
    return text.upper()


def refuse(text: str) -> str:
    raise ValueError("[bold]never[/bold]\x1b[31m\nagain")


def letters(chunks: Iterator[str]) -> Iterator[str]:
    for chunk in chunks:
        yield from chunk


def lines(said: io.StringIO) -> list[str]:
    """What was said, each time written as T."""
    return TIME.sub("T", said.getvalue()).splitlines()


def traced(*, terminal: bool = True, width: int = 100) -> tuple[ConsoleTracer, io.StringIO]:
    said = io.StringIO()
    return ConsoleTracer(console=Console(file=said, force_terminal=terminal, width=width)), said


def last_frame(said: io.StringIO) -> list[str]:
    """What stands on the terminal at the end."""
    return TIME.sub("T", ESCAPES.sub("", said.getvalue().rpartition("\x1b[?25h")[2])).strip().splitlines()


# Lines


def test_lines_are_indented_and_tell_chunks() -> None:
    said = io.StringIO()
    chain = RunnableLambda(shout) | letters
    list(chain.stream("ab", {"callbacks": [ConsoleTracer(said)]}))
    assert lines(said) == [
        "> RunnableSequence",
        "  > shout",
        "  > letters",
        "  < shout T, 1 chunk",
        "  < letters T, 2 chunks",
        "< RunnableSequence T, 2 chunks",
    ]


ASKING = ChatPromptTemplate.from_template("Tell of {animal}") | FakeListChatModel(responses=["It swims."])


def test_with_values_lines_tell_what_goes_in_and_comes_out() -> None:
    said = io.StringIO()
    (ASKING | StrOutputParser() | len).invoke({"animal": "otters"}, {"callbacks": [ConsoleTracer(said, values=True)]})
    assert lines(said) == [
        "> RunnableSequence: {'animal': 'otters'}",
        "  > ChatPromptTemplate: {'animal': 'otters'}",
        "  < ChatPromptTemplate T: 'Human: Tell of otters'",
        "  > FakeListChatModel: 'Human: Tell of otters'",
        "  < FakeListChatModel T: 'It swims.'",
        "  > StrOutputParser: 'It swims.'",
        "  < StrOutputParser T: 'It swims.'",
        "  > len: 'It swims.'",
        "  < len T: 9",
        "< RunnableSequence T: 9",
    ]


def test_values_are_one_short_line_whatever_they_are() -> None:
    class Silent:
        def __repr__(self) -> str:
            raise ValueError("no")

    said = io.StringIO()
    config: Any = {"callbacks": [ConsoleTracer(said, values=True)]}
    for value in (
        "x\n" * 1_000,
        Silent(),
        AIMessage(content="", tool_calls=[tool_call(name="seek", args={}, id="1")]),
        None,
    ):
        RunnableLambda(passed).invoke(value, config)
    assert [len(line) <= 220 for line in lines(said)] == [True] * 8
    assert lines(said)[2:4] == ["> passed: <Silent>", "< passed T: <Silent>"]
    assert "seek" in lines(said)[4]
    assert lines(said)[6:] == ["> passed: None", "< passed T: None"]


def test_of_a_step_that_streams_in_what_it_has_made_is_told_at_its_end() -> None:
    said = io.StringIO()
    list((RunnableLambda(shout) | letters).stream("ab", {"callbacks": [ConsoleTracer(said, values=True)]}))
    told = lines(said)
    assert "  > letters" in told
    assert "  < letters T, 2 chunks: 'AB'" in told
    assert told[-1] == "< RunnableSequence T, 2 chunks: 'AB'"


def test_on_a_terminal_the_values_stand_in_the_tree() -> None:
    said = io.StringIO()
    console = Console(file=said, force_terminal=True, width=100)
    ASKING.invoke({"animal": "otters"}, {"callbacks": [ConsoleTracer(console=console, values=True)]})
    assert [line.split("  ", 1)[-1].strip() for line in last_frame(said)] == [
        "T  -> 'It swims.'",
        "T  -> 'Human: Tell of otters'",
        "T  -> 'It swims.'",
    ]


def test_the_same_lines_come_from_an_event_loop() -> None:
    def said_by(run: Any) -> list[str]:
        said = io.StringIO()
        run({"callbacks": [ConsoleTracer(said)]})
        return lines(said)

    chain = RunnableLambda(shout) | shout
    expected = said_by(lambda config: chain.invoke("ab", config))
    assert len(expected) == 6
    assert said_by(lambda config: asyncio.run(chain.ainvoke("ab", config))) == expected


def test_an_error_is_one_line_in_which_nothing_is_obeyed() -> None:
    said = io.StringIO()
    with pytest.raises(ValueError, match="never"):
        RunnableLambda(refuse).invoke("x", {"callbacks": [ConsoleTracer(said)]})
    assert lines(said) == ["> refuse", r"! refuse T, ValueError: [bold]never[/bold]\x1b[31m\nagain"]


def test_long_names_and_errors_are_shortened() -> None:
    said = io.StringIO()

    def fail(text: str) -> str:
        raise ValueError("x" * 5_000)

    with pytest.raises(ValueError, match="xxx"):
        RunnableLambda(fail, name="n" * 500).invoke("x", {"callbacks": [ConsoleTracer(said)]})
    assert max(map(len, lines(said))) < 300


def test_retries_and_custom_events_are_lines() -> None:
    said, left = io.StringIO(), [ValueError("no"), ValueError("not yet")]

    def flaky(text: str) -> str:
        dispatch_custom_event("asked", {"text": text})
        if left:
            raise left.pop()
        return text

    guarded = RunnableLambda(flaky).with_retry(wait_exponential_jitter=False)
    assert guarded.invoke("x", {"callbacks": [ConsoleTracer(said)]}) == "x"
    told = [line.strip() for line in lines(said)]
    assert "* flaky asked: {'text': 'x'}" in told
    assert sum("attempt 1 failed: ValueError: not yet" in line for line in told) == 1
    assert sum("attempt 2 failed: ValueError: no" in line for line in told) == 1


def test_a_custom_event_of_a_coroutine_is_a_line() -> None:
    said = io.StringIO()

    async def tell(text: str) -> str:
        await adispatch_custom_event("asked", text)
        return text

    asyncio.run(RunnableLambda(tell).ainvoke("x", {"callbacks": [ConsoleTracer(said)]}))
    assert "  * tell asked: 'x'" in [f"  {line}" for line in lines(said)]


def test_a_file_that_knows_few_letters_gets_the_rest_escaped() -> None:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    RunnableLambda(shout, name="café").invoke("x", {"callbacks": [ConsoleTracer(file)]})
    assert raw.getvalue().startswith(b"> caf\\xe9\n")


def test_calls_at_once_leave_whole_lines() -> None:
    said = io.StringIO()
    tracer = ConsoleTracer(said)
    chain = RunnableLambda(shout) | {"a": shout, "b": shout}
    threads = [threading.Thread(target=chain.batch, args=(["x"] * 5, {"callbacks": [tracer]})) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(said)) == 4 * 5 * 10
    assert all(re.fullmatch(r" *(> \S+|< \S+ T)", line) for line in lines(said))


def test_lines_need_no_rich() -> None:
    code = """
import sys
sys.modules["rich"] = sys.modules["rich.console"] = None
from anabranch.nodes import ConsoleTracer, MissingExtraError, RunnableLambda
RunnableLambda(len).invoke("four", {"callbacks": [ConsoleTracer()]})
class Terminal:
    encoding = "utf-8"
    isatty = staticmethod(lambda: True)
    write = staticmethod(sys.stderr.write)
    flush = staticmethod(sys.stderr.flush)
RunnableLambda(len).invoke("four", {"callbacks": [ConsoleTracer(Terminal())]})
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert TIME.sub("T", ran.stderr) == "> len\n< len T\n" * 2


def test_a_live_tree_without_rich_is_an_error_that_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rich", None)
    with pytest.raises(ImportError, match=r"anabranch\[console\]"):
        ConsoleTracer(io.StringIO(), live=True)


# Trees


def test_a_terminal_shows_the_finished_tree() -> None:
    tracer, said = traced()
    chain = RunnableLambda(shout) | {"a": shout, "b": letters}
    list(chain.stream("ab", {"callbacks": [tracer]}))
    frame = last_frame(said)
    assert frame[0] == "✓ RunnableSequence  T, 3 chunks"
    assert frame[1:3] == ["├── ✓ shout  T, 1 chunk", "└── ✓ RunnableParallel<a,b>  T, 3 chunks"]
    assert sorted(line[4:].lstrip("├└─ ") for line in frame[3:]) == ["✓ letters  T, 2 chunks", "✓ shout  T, 1 chunk"]


def test_what_runs_stands_on_the_terminal_meanwhile() -> None:
    tracer, said = traced()
    seen = []

    def look(text: str) -> str:
        tracer._live._live.refresh()
        seen.append(TIME.sub("T", ESCAPES.sub("", said.getvalue())))
        return text

    (RunnableLambda(shout) | look).invoke("x", {"callbacks": [tracer]})
    assert re.search(r"• RunnableSequence  T\s+├── ✓ shout  T\s+└── • look  T", seen[0])


def test_errors_stay_in_the_tree_and_no_markup_is_obeyed() -> None:
    tracer, said = traced()
    chain: Runnable[Any, Any] = RunnableLambda(refuse).with_fallbacks([RunnableLambda(shout)])
    assert (RunnableLambda(shout, name="[red]s[/red]") | chain).invoke("x", {"callbacks": [tracer]}) == "X"
    text = "\n".join(last_frame(said))
    assert r"✗ refuse  T  ValueError: [bold]never[/bold]\x1b[31m\nagain" in text
    assert "✓ [red]s[/red]  T" in text
    assert "\x1b[1mnever" not in said.getvalue()


def test_every_call_of_a_batch_has_its_tree() -> None:
    tracer, said = traced()
    RunnableLambda(shout).batch(["a"] * 30, {"callbacks": [tracer]})
    assert ESCAPES.sub("", said.getvalue()).count("✓ shout") >= 30
    assert tracer._live._live is None
    assert tracer._live._roots == []


def test_a_tree_is_drawn_from_an_event_loop() -> None:
    tracer, said = traced()
    asyncio.run((RunnableLambda(shout) | shout).ainvoke("x", {"callbacks": [tracer]}))
    assert [line.lstrip("├└─ ") for line in last_frame(said)] == ["✓ RunnableSequence  T", "✓ shout  T", "✓ shout  T"]


def test_closing_draws_what_still_runs() -> None:
    tracer, said = traced()
    stream = (RunnableLambda(shout) | letters).stream("abc", {"callbacks": [tracer]})
    next(stream)
    tracer.close()
    assert last_frame(said)[0] == "• RunnableSequence  T, 1 chunk"
    stream.close()


def test_of_many_branches_the_last_are_drawn() -> None:
    tracer, said = traced()
    RunnableLambda(shout).map().invoke(["a"] * 200, {"callbacks": [tracer]})
    frame = last_frame(said)
    assert len(frame) == 52
    assert "150 more" in frame[1]


def test_where_something_else_is_live_only_finished_trees_are_drawn() -> None:
    said = io.StringIO()
    console = Console(file=said, force_terminal=True)
    trees = LiveTrees(console)
    trees._rich["live"] = _Busy(trees._rich["errors"].LiveError)
    tracer = ConsoleTracer(console=console)
    tracer._live = trees
    RunnableLambda(shout).invoke("x", {"callbacks": [tracer]})
    assert TIME.sub("T", ESCAPES.sub("", said.getvalue())).strip() == "✓ shout  T"


class _Busy:
    """rich.live on a terminal that is taken."""

    def __init__(self, error: type[Exception]) -> None:
        self._error = error

    def Live(self, **kwargs: Any) -> _Busy:
        return self

    def start(self, refresh: bool) -> None:
        raise self._error
