"""Tokens through a dict of branches: one answer, shown word by word and spoken sentence by sentence.

    python examples/streaming.py

The model's tokens flow to both branches as they are made. Each chunk of the dict carries one key, in the order in
which chunks arrive. Added up they are what `invoke` would return.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from anabranch.nodes import FakeListChatModel, RunnableGenerator, RunnablePassthrough, StrOutputParser, fold

ANSWER = "Otters hold hands. They do so when they sleep. Nobody drifts away."


def sentences(tokens: Iterator[str]) -> Iterator[list[str]]:
    """Whole sentences, each as soon as it is complete. It must not matter how the text is cut into tokens."""
    text = ""
    for token in tokens:
        *complete, text = re.split(r"(?<=\.)\s*", text + token)
        for sentence in complete:
            yield [sentence.strip()]
    if text:
        yield [text.strip()]


model = FakeListChatModel(responses=[ANSWER], sleep=0.001)  # streams character by character
chain = model | StrOutputParser() | {"shown": RunnablePassthrough(), "spoken": RunnableGenerator(sentences)}


def main() -> None:
    chunks = []
    for chunk in chain.stream("how do otters sleep?"):
        chunks.append(chunk)
        for sentence in chunk.get("spoken", []):
            shown = fold(chunks)["shown"]
            print(f"speak {sentence!r} when {len(shown)} of {len(ANSWER)} characters are shown")
    whole = fold(chunks)
    print(f"shown as a whole: {whole['shown']!r}")
    print(f"the same as invoke gives: {whole == chain.invoke('how do otters sleep?')}")

    with chain.stream("how do otters sleep?") as stream:  # leaving the `with` stops the model
        first = next(stream)
    print(f"stopped after {first}")


if __name__ == "__main__":
    main()
