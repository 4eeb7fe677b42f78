"""Draws the pictures of the documentation from the examples: `make docs`."""

from __future__ import annotations

import runpy
from functools import reduce
from pathlib import Path
from typing import Any

from anabranch.nodes import RunnableLambda, from_dag
from anabranch.viz import draw

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"


def example(name: str) -> dict[str, Any]:
    """What an example defines."""
    return runpy.run_path(str(ROOT / "examples" / f"{name}.py"))


def long_chain() -> Any:
    """Three hundred steps."""
    part: Any = {"a": RunnableLambda(len) | str, "b": RunnableLambda(str).with_retry()} | RunnableLambda(len)
    return reduce(lambda chain, _: chain | part, range(74), RunnableLambda(str) | part)


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    chain = example("drawing")["chain"]
    draw(chain, path=PICTURES / "chain.svg")
    draw(chain, path=PICTURES / "plan.svg", plan=True)
    draw(chain, path=PICTURES / "types.svg", types=True)
    draw(chain, path=PICTURES / "closed.svg", depth=0)
    draw(long_chain(), path=PICTURES / "long.svg", direction="LR")
    draw(example("retrieval")["chain"], path=PICTURES / "retrieval.svg")
    draw(from_dag(example("any_dag")["dinner"](), name="dinner"), path=PICTURES / "dag.svg")
    draw(RunnableLambda(example("tool_calls")["answer"]), path=PICTURES / "tool_calls.svg")


if __name__ == "__main__":
    main()
