"""A chain to try the command line with: what an animal does, looked up in two places at once and told word by word.

    anabranch run examples/report.py:chain --text otters --stream
    anabranch watch examples/report.py:chain --text otters
    python examples/report.py

The library has nothing on bears, so hearsay takes its place; nobody has noted anything on unicorns, so they fail.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from anabranch.nodes import (
    ChatPromptTemplate,
    ExtractiveChatModel,
    RunnableGenerator,
    RunnableLambda,
    RunnablePassthrough,
    StrOutputParser,
)

LIBRARY = {"otters": "Otters sleep on their backs. Otters hold hands, so that no otter drifts away."}
NOTES = {"otters": "Otters keep a stone under an arm.", "bears": "Bears can smell honey from far away."}


def library(animal: str) -> str:
    time.sleep(0.2)
    if animal not in LIBRARY:
        raise LookupError(f"the library has nothing on {animal}")
    return LIBRARY[animal]


def hearsay(animal: str) -> str:
    return f"People say that {animal} sleep a lot."


def notes(animal: str) -> str:
    time.sleep(0.1)
    if animal not in NOTES:
        raise LookupError(f"nobody has noted anything on {animal}")
    return NOTES[animal]


def word_by_word(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        for word in re.findall(r"\s*\S+|\s+", text):
            time.sleep(0.02)
            yield word


prompt = ChatPromptTemplate.from_template("Context:\n{library} {notes}\n\nQuestion: what do {animal} do?")
chain = (
    {
        "library": RunnableLambda(library).with_fallbacks([RunnableLambda(hearsay)]),
        "notes": notes,
        "animal": RunnablePassthrough(),
    }
    | prompt
    | ExtractiveChatModel()
    | StrOutputParser()
    | RunnableGenerator(word_by_word)
)


def main() -> None:
    for animal in ("otters", "bears"):
        print(chain.invoke(animal))


if __name__ == "__main__":
    main()
