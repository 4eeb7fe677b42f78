"""Draws the pictures of the documentation from the examples: `make docs`."""

from __future__ import annotations

import runpy
from functools import reduce
from pathlib import Path
from typing import Any

from anabranch.nodes import (
    ChatPromptTemplate,
    FakeListChatModel,
    RunnableBranch,
    RunnableLambda,
    StrOutputParser,
    from_dag,
    simulate,
)
from anabranch.viz import RunRecorder, draw, timeline

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"


def example(name: str) -> dict[str, Any]:
    """What an example defines."""
    return runpy.run_path(str(ROOT / "examples" / f"{name}.py"))


def long_chain() -> Any:
    """Three hundred steps."""
    part: Any = {"a": RunnableLambda(len) | str, "b": RunnableLambda(str).with_retry()} | RunnableLambda(len)
    return reduce(lambda chain, _: chain | part, range(74), RunnableLambda(str) | part)


def guarded() -> Any:
    """A branch of which one condition is a chain."""
    guard = ChatPromptTemplate.from_template("Is this rude? {question}") | FakeListChatModel(responses=["no"])
    rude = guard | StrOutputParser() | RunnableLambda(lambda said: said == "yes", name="says_yes")
    refuse, short, answer = (RunnableLambda(str, name=name) for name in ("refuse", "short", "answer"))
    is_short = RunnableLambda(lambda question: len(question) < 20, name="is_short")
    return RunnableBranch((rude, refuse), (is_short, short), answer)


def tried(chain: Any) -> RunRecorder:
    """A run in which the search fails once, and the model always."""
    recorder = RunRecorder(previews=False)  # messages have ids of their own
    simulate(
        chain,
        "What do otters do at night?",
        {"callbacks": [recorder]},
        durations={"search": 0.4, "best": 0.1, "FakeListChatModel": 1.2, "careful model": 0.9},
        failures={
            "search": lambda before: None if before else ConnectionError("the library is closed"),
            "FakeListChatModel": TimeoutError("no answer"),
        },
    )
    return recorder


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    chain = example("drawing")["chain"]
    draw(chain, path=PICTURES / "chain.svg")
    draw(chain, path=PICTURES / "plan.svg", plan=True)
    draw(chain, path=PICTURES / "types.svg", types=True)
    draw(chain, path=PICTURES / "closed.svg", depth=0)
    run = tried(chain)
    draw(run, path=PICTURES / "run.svg")
    timeline(run, path=PICTURES / "timeline.svg")
    draw(guarded(), path=PICTURES / "condition.svg")
    draw(long_chain(), path=PICTURES / "long.svg", direction="LR")
    draw(example("retrieval")["chain"], path=PICTURES / "retrieval.svg")
    draw(from_dag(example("any_dag")["dinner"](), name="dinner"), path=PICTURES / "dag.svg")
    draw(RunnableLambda(example("tool_calls")["answer"]), path=PICTURES / "tool_calls.svg")


if __name__ == "__main__":
    main()
