"""What is debugged prints what goes into each run and comes out of it."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from anabranch.nodes import (
    ConsoleCallbackHandler,
    FakeListChatModel,
    FunctionCallbackHandler,
    PromptTemplate,
    Runnable,
    RunnableLambda,
    StrOutputParser,
    get_debug,
    set_debug,
)

CHAIN: Runnable[Any, str] = PromptTemplate.from_template("{a}") | FakeListChatModel(responses=["x"]) | StrOutputParser()

SAID = """\
[chain/start] [chain:RunnableSequence] Entering Chain run with input:
{
  "a": 1
}
[chain/start] [chain:RunnableSequence > prompt:PromptTemplate] Entering Prompt run with input:
{
  "a": 1
}
[chain/end] [chain:RunnableSequence > prompt:PromptTemplate] [0ms] Exiting Prompt run with output:
{
  "output": "1"
}
[llm/start] [chain:RunnableSequence > llm:FakeListChatModel] Entering LLM run with input:
{
  "prompts": [
    "Human: 1"
  ]
}
[llm/end] [chain:RunnableSequence > llm:FakeListChatModel] [0ms] Exiting LLM run with output:
{
  "generations": [
    [
      {
        "text": "x",
        "generation_info": null,
        "message": {
          "type": "ai",
          "content": "x",
          "id": "run-0"
        }
      }
    ]
  ],
  "llm_output": null
}
[chain/start] [chain:RunnableSequence > parser:StrOutputParser] Entering Parser run with input:
{
  "input": {
    "type": "ai",
    "content": "x",
    "id": "run-0"
  }
}
[chain/end] [chain:RunnableSequence > parser:StrOutputParser] [0ms] Exiting Parser run with output:
{
  "output": "x"
}
[chain/end] [chain:RunnableSequence] [0ms] Exiting Chain run with output:
{
  "output": "x"
}
"""


@pytest.fixture
def debugging() -> Iterator[None]:
    set_debug(True)
    yield
    set_debug(False)


def plain(said: str) -> str:
    """What was printed, without colors, times and ids."""
    said = re.sub(r"\x1b\[[0-9;]*m", "", said)
    return re.sub(r"\[[0-9.]+m?s\]", "[0ms]", re.sub(r"run-[-0-9a-f]{36}", "run-0", said))


def test_each_run_is_printed_with_its_input_and_output(capsys: Any) -> None:
    CHAIN.invoke({"a": 1}, {"callbacks": [ConsoleCallbackHandler()]})
    assert plain(capsys.readouterr().out) == SAID


def test_what_runs_on_an_event_loop_is_printed_the_same(capsys: Any) -> None:
    asyncio.run(CHAIN.ainvoke({"a": 1}, {"callbacks": [ConsoleCallbackHandler()]}))
    assert plain(capsys.readouterr().out) == SAID


def test_a_function_gets_the_same_texts() -> None:
    for run in (CHAIN.invoke, lambda *given: asyncio.run(CHAIN.ainvoke(*given))):
        texts: list[str] = []
        run({"a": 1}, {"callbacks": [FunctionCallbackHandler(texts.append)]})
        assert plain("".join(f"{text}\n" for text in texts)) == SAID


def test_debugging_prints_all_calls_of_any_thread_once(debugging: None, capsys: Any) -> None:
    set_debug(True)
    outer = RunnableLambda(lambda a: CHAIN.invoke({"a": a}), name="outer")
    thread = threading.Thread(target=outer.invoke, args=(1,))
    thread.start()
    thread.join()
    said = plain(capsys.readouterr().out)
    assert said.count("[chain:outer] Entering") == 1
    assert said.count("[chain:outer > chain:RunnableSequence > llm:FakeListChatModel] Entering") == 1


def test_debugging_ends(debugging: None, capsys: Any) -> None:
    set_debug(False)
    assert not get_debug()
    CHAIN.invoke({"a": 1})
    assert capsys.readouterr().out == ""


def test_failures_and_inputs_that_still_come_in_are_printed(debugging: None, capsys: Any) -> None:
    def fail(text: str) -> str:
        raise ValueError("bad luck")

    with pytest.raises(ValueError, match="bad luck"):
        list((RunnableLambda(str) | fail).stream(1))
    said = plain(capsys.readouterr().out)
    assert "[chain:RunnableSequence > chain:fail] Entering Chain run with input:\n(still coming in)" in said
    assert "[chain/error] [chain:RunnableSequence > chain:fail] [0ms] Chain run errored with error:\nValueError" in said
