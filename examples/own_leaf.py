"""Leaves of your own: one that takes many inputs at once, and one that maps chunks.

    python examples/own_leaf.py

Subclass `Runnable` and write what the leaf can do best; every other verb follows. `Embed` writes `batch`, as a model
would that is fed many texts at once. `Redact` writes `transform`, so that a stream stays a stream.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from anabranch.nodes import Runnable, RunnableLambda, fold

Vector = list[float]


class Embed(Runnable[str, Vector]):
    """Texts as vectors: each word counts in a place that its hash chooses."""

    def __init__(self, size: int = 64) -> None:
        self.size = size
        self.calls: list[int] = []

    def batch(self, inputs: Sequence[str], config: Any = None, **kwargs: Any) -> list[Vector]:
        self.calls.append(len(inputs))
        return [self._embed(text) for text in inputs]

    def _embed(self, text: str) -> Vector:
        vector = [0.0] * self.size
        for word in re.findall(r"\w+", text.lower()):
            vector[int(hashlib.sha256(word.encode()).hexdigest(), 16) % self.size] += 1.0
        length = math.hypot(*vector) or 1.0
        return [number / length for number in vector]


class Redact(Runnable[str, str]):
    """Hides digits, chunk by chunk."""

    def transform(self, input: Iterator[str], config: Any = None, **kwargs: Any) -> Iterator[str]:
        for chunk in input:
            yield re.sub(r"\d", "#", chunk)


def tokens(text: str) -> Iterator[str]:
    for word in text.split():
        yield word + " "


def main() -> None:
    embed = Embed()
    texts = ["Bears like honey", "Otters like fish", "do bears like honey?"]
    bears, otters, question = (RunnableLambda(str.strip) | embed).batch(texts)
    nearness = [sum(a * b for a, b in zip(question, other, strict=True)) for other in (bears, otters)]
    print(f"texts embedded at once: {embed.calls}")
    print(f"the question is nearer to the bears: {nearness[0] > nearness[1]}")

    chain = RunnableLambda(tokens) | Redact()
    print(list(chain.stream("call 555 1234 now")))
    print(f"invoke gives the same: {chain.invoke('call 555 1234 now') == fold(chain.stream('call 555 1234 now'))}")


if __name__ == "__main__":
    main()
