"""Handlers that print: what runs, and answers as they are made."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from anabranch.nodes import (
    FakeListChatModel,
    FileCallbackHandler,
    Runnable,
    RunnableLambda,
    StdOutCallbackHandler,
    StreamingStdOutCallbackHandler,
    tool,
)


@tool
def double(number: int) -> int:
    """Doubles."""
    return 2 * number


def test_chains_are_printed_when_they_start_and_end(capsys: pytest.CaptureFixture[str]) -> None:
    chain = RunnableLambda(len) | RunnableLambda(str, name="text")
    chain.with_config(run_name="whole").invoke("abc", {"callbacks": [StdOutCallbackHandler()]})
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    start, end = "\033[1m> Entering new {} chain...\033[0m".format, "\033[1m> Finished chain.\033[0m"
    assert lines == [start("whole"), start("len"), end, start("text"), end, end]


def test_what_a_tool_gives_and_texts_are_printed_in_their_color(capsys: pytest.CaptureFixture[str]) -> None:
    double.invoke({"number": 2}, {"callbacks": [StdOutCallbackHandler()]})
    double.invoke({"number": 3}, {"callbacks": [StdOutCallbackHandler("red")]})
    StdOutCallbackHandler().on_text("plain", end="\n")
    assert capsys.readouterr().out == "\033[32;1m\033[1;3m4\033[0m\033[31;1m\033[1;3m6\033[0mplain\n"


def test_an_unknown_color_is_refused() -> None:
    color: Any = "mauve"
    with pytest.raises(ValueError, match="blue, yellow, pink, green, red, not 'mauve'"):
        StdOutCallbackHandler(color)


def test_an_answer_is_printed_as_it_is_streamed_and_not_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    model = FakeListChatModel(responses=["yes, so"], callbacks=[StreamingStdOutCallbackHandler()])
    model.invoke("q")
    assert capsys.readouterr().out == ""
    assert "".join(str(chunk.content) for chunk in model.stream("q")) == capsys.readouterr().out == "yes, so"

    async def main() -> list[Any]:
        return [chunk async for chunk in model.astream("q")]

    asyncio.run(main())
    assert capsys.readouterr().out == "yes, so"


def test_a_file_has_what_runs_without_colors(tmp_path: Path) -> None:
    file = tmp_path / "runs.txt"
    chain: Runnable[Any, str] = RunnableLambda(abs) | str
    with FileCallbackHandler(file) as handler:
        chain.invoke(-1, {"callbacks": [handler]})
        asyncio.run(chain.ainvoke(-1, {"callbacks": [handler]}))
        handler.on_text("said", color="red", end="!")
    once = (
        "\n\n> Entering new RunnableSequence chain...\n\n\n> Entering new abs chain...\n\n> Finished chain.\n"
        "\n\n> Entering new str chain...\n\n> Finished chain.\n\n> Finished chain.\n"
    )
    assert file.read_text() == once * 2 + "\033[31;1m\033[1;3msaid\033[0m!"
    assert handler.file.closed
    with FileCallbackHandler(str(file), mode="w"):
        pass
    assert file.read_text() == ""
