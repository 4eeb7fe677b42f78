"""A first chain: retrieve documents, put them into a prompt, ask a model, take its text.

    python examples/retrieval.py ["a question about Python's standard library"]

It needs no network and no key: the documents are the docstrings of the Python that runs it, and the model
quotes them. With OPENAI_API_KEY set, a model of OpenAI (or, with OPENAI_BASE_URL, of any compatible server)
answers from the same documents.
"""

from __future__ import annotations

import asyncio
import os
import sys

from anabranch.nodes import (
    BM25Retriever,
    ChatOpenAI,
    ChatPromptTemplate,
    Document,
    ExtractiveChatModel,
    RunnablePassthrough,
    StrOutputParser,
    stdlib_documents,
    terms_of,
)

template = """Answer the question based only on the following context:
{context}

Question: {question}
"""


def format_docs(docs: list[Document]) -> str:
    return "\n\n".join(f"Source: {doc.metadata['source']}\n{doc.page_content}" for doc in docs)


retriever = BM25Retriever.from_documents(stdlib_documents(), k=8, preprocess_func=terms_of)
prompt = ChatPromptTemplate.from_template(template)
model = ChatOpenAI(temperature=0) if os.environ.get("OPENAI_API_KEY") else ExtractiveChatModel()

chain = {"context": retriever | format_docs, "question": RunnablePassthrough()} | prompt | model | StrOutputParser()


async def answer_many(questions: list[str]) -> None:
    print("\n== abatch: two at once ==")
    for question, answer in zip(questions, await chain.abatch(questions), strict=True):
        print(f"\n{question}\n{answer}")

    print("\n== astream ==")
    async for chunk in chain.astream(questions[0]):
        print(chunk, end="", flush=True)
    print()


def main() -> None:
    question = " ".join(sys.argv[1:]) or "how do I read rows from a csv file?"
    print(f"== invoke ==\n\n{question}\n{chain.invoke(question)}")

    print("\n== stream ==\n")
    for chunk in chain.stream(question):
        print(chunk, end="", flush=True)
    print()

    asyncio.run(answer_many(["what does itertools.chain do?", "how can I run a subprocess and capture its output?"]))


if __name__ == "__main__":
    main()
