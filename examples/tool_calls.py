"""A model that asks for tools, and a loop that runs them until it has an answer.

    python examples/tool_calls.py ["a question"]

Without a key a scripted model plays its part. With OPENAI_API_KEY set, a model of OpenAI (or, with OPENAI_BASE_URL, of
any compatible server) decides which tools it needs.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any

from anabranch.nodes import (
    AIMessage,
    BaseChatModel,
    BaseMessage,
    ChatGeneration,
    ChatOpenAI,
    ChatResult,
    HumanMessage,
    Runnable,
    RunnableLambda,
    ToolException,
    ToolMessage,
    convert_to_openai_tool,
    tool,
    tool_call,
)

POPULATION = {"Bern": 134591, "Rome": 2872800, "Oslo": 709037}


@tool
def population(city: Annotated[str, "in English"]) -> int:
    """How many people live in a city."""
    if city not in POPULATION:
        raise ToolException(f"nothing is known of {city}; there are {', '.join(POPULATION)}")
    return POPULATION[city]


@tool
def add(numbers: list[int]) -> int:
    """Add numbers up."""
    return sum(numbers)


population.handle_tool_error = True
tools = {each.name: each for each in (population, add)}


class Scripted(BaseChatModel):
    """Asks for the population of every city in the question, then for the sum, then says it."""

    def bind_tools(self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any) -> Runnable[Any, Any]:
        return self.bind(tools=[convert_to_openai_tool(each) for each in tools], **kwargs)

    def _generate(self, messages: list[BaseMessage], stop: Any = None, **kwargs: Any) -> ChatResult:
        known = [message for message in messages if isinstance(message, ToolMessage)]
        if not known:
            cities = re.findall(r"\b[A-Z][a-z]+", messages[0].text)[1:]  # but for the first word
            calls: list[tuple[str, Any]] = [("population", {"city": city}) for city in cities]
        elif known[-1].name == "population":
            numbers = [int(message.text) for message in known if message.text.isdigit()]
            calls = [("add", {"numbers": numbers})]
        else:
            return self._say(f"Together {known[-1].text} people.")
        asked = [tool_call(name=name, args=args, id=f"call-{at}") for at, (name, args) in enumerate(calls)]
        return self._say("", asked)

    def _say(self, text: str, calls: Any = ()) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text, tool_calls=list(calls)))])


model = ChatOpenAI(temperature=0) if os.environ.get("OPENAI_API_KEY") else Scripted()
asking = model.bind_tools([population, add])
run_tools = RunnableLambda(lambda call: tools[call["name"]]).map()  # a function that returns a tool has it run


def answer(question: str) -> str:
    """Ask the model, run what it asks for, and tell it, until it asks for nothing more."""
    messages: list[BaseMessage] = [HumanMessage(question)]
    for _ in range(10):
        message = asking.invoke(messages)
        messages.append(message)
        if not message.tool_calls:
            return str(message.text)
        answers = run_tools.invoke(message.tool_calls)  # all at once
        for call, told in zip(message.tool_calls, answers, strict=True):
            print(f"  {call['name']}({call['args']}) -> {told.text} [{told.status}]")
        messages += answers
    raise RuntimeError("the model asks on and on")


def main() -> None:
    question = " ".join(sys.argv[1:]) or "How many people live in Bern, Rome, Atlantis and Oslo?"
    print(question)
    print(answer(question))


if __name__ == "__main__":
    main()
