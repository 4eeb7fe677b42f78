"""See a chain before it runs: what it is made of, how it will run, and what flows along its edges.

python examples/drawing.py            prints the chain as an outline
python examples/drawing.py chain.svg  writes a picture: .svg, .png, .pdf, .dot, .mmd or .txt
"""

from __future__ import annotations

import sys

from anabranch.nodes import (
    ChatPromptTemplate,
    FakeListChatModel,
    RunnableBranch,
    RunnableLambda,
    RunnablePassthrough,
    StrOutputParser,
)
from anabranch.viz import draw


def clean(question: str) -> str:
    return question.strip()


def search(question: str) -> list[str]:
    return [f"something about {question}"]


def best(found: list[str]) -> str:
    return found[0]


def is_long(question: str) -> bool:
    return len(question) > 200


prompt = ChatPromptTemplate.from_template("Answer {question} from {context}.")
model = FakeListChatModel(responses=["Otters hold hands."])
careful = FakeListChatModel(responses=["Otters hold hands while they sleep."], name="careful model")

shorter = RunnableBranch((is_long, lambda question: question[:200]), RunnablePassthrough())
chain = (
    RunnableLambda(clean)
    | shorter
    | {"context": RunnableLambda(search).with_retry(stop_after_attempt=3) | best, "question": RunnablePassthrough()}
    | prompt
    | model.with_fallbacks([careful])
    | StrOutputParser()
)


def main() -> None:
    if sys.argv[1:]:
        draw(chain, path=sys.argv[1])
    else:
        print(draw(chain, "text"))


if __name__ == "__main__":
    main()
