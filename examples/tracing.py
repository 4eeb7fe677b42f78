"""What did my chain do? Lines on the console while it runs, and a file of events to look at later.

    python examples/tracing.py

Both are put into `callbacks`. On a terminal, with the package rich, the lines would be a live tree. The file tells the
same events again, and what they come to: the state that `astream_log` would have given.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from anabranch.nodes import (
    ChatPromptTemplate,
    ConsoleTracer,
    EventFile,
    FakeListChatModel,
    RunnableLambda,
    RunnablePassthrough,
    StrOutputParser,
    replay,
    replay_log,
)


def search(question: str) -> str:
    """The library, which is closed."""
    raise TimeoutError("the library is closed")


def remember(question: str) -> str:
    """What one knows anyway."""
    return "Otters hold hands when they sleep."


found = RunnableLambda(search).with_fallbacks([RunnableLambda(remember)])
prompt = ChatPromptTemplate.from_template("{facts}\n\n{question}")
model = FakeListChatModel(responses=["To stay together."])
chain = RunnablePassthrough.assign(facts=found) | prompt | model | StrOutputParser()


def main(folder: Path) -> None:
    path = folder / "events.jsonl"
    with EventFile(path) as file:
        chain.invoke({"question": "Why?"}, {"callbacks": [ConsoleTracer(sys.stdout, live=False), file]})

    print("\nwhat failed, as the file has it:")
    for event in replay(path):
        if event["event"].endswith("_error"):
            print(f"  {event['name']}: {event['data']['error']['message']}")

    *_, log = replay_log(path, diff=False)
    print("\nthe steps, and when each was over:")
    for name, entry in log.state["logs"].items():
        print(f"  {name:32} {entry['end_time']}")
    print(f"the answer: {log.state['final_output']}")


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        main(Path(folder))
