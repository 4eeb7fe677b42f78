"""Streams of chunks."""

from __future__ import annotations

import asyncio

from documented_programs.expected import gives
from documented_programs.plain_data import caught, gathered, plain


@gives([["AIMessageChunk", "one"], ["AIMessageChunk", " "], ["AIMessageChunk", "two"]])
def model_streams(L):
    model = L.GenericFakeChatModel(messages=iter([L.AIMessage("one two")]))
    return plain(list(model.stream("q")))


@gives([["AIMessageChunk", "one"], ["AIMessageChunk", " "], ["AIMessageChunk", "two"]])
def model_streams_async(L):
    model = L.GenericFakeChatModel(messages=iter([L.AIMessage("one two")]))
    return asyncio.run(gathered(model.astream("q")))


@gives([["a", "b", "c"], ["a", "b", "c"]])
def chain_streams(L):
    chain = L.ChatPromptTemplate.from_template("{q}") | L.FakeListChatModel(responses=["abc"]) | L.StrOutputParser()
    return list(chain.stream({"q": 1})), asyncio.run(gathered(chain.astream({"q": 1})))


@gives([["a", "b", "c"], ["abc"]])
def llm_streams(L):
    return list(L.FakeStreamingListLLM(responses=["abc"]).stream("q")), list(
        L.FakeListLLM(responses=["abc"]).stream("q")
    )


@gives([["{'a': '1'}", "{'a': '2'}", "{'b': 'q'}"], {"a": "12", "b": "q"}])
def parallel_streams(L):
    both = L.RunnableParallel(
        a=L.FakeListChatModel(responses=["12"]) | L.StrOutputParser(), b=L.RunnableLambda(lambda x: x)
    )
    chunks = list(both.stream("q"))
    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    return sorted(str(chunk) for chunk in chunks), total


@gives([[["a fact"]], ["a", "b"]])
def steps_that_do_not_stream(L):
    retriever = L.InMemoryVectorStore.from_texts(["a fact"], L.DeterministicFakeEmbedding(size=3)).as_retriever()
    chain = (
        {"context": retriever.with_config(run_name="Docs"), "question": L.RunnablePassthrough()}
        | L.ChatPromptTemplate.from_template("{context} {question}")
        | L.FakeListChatModel(responses=["ab"])
        | L.StrOutputParser()
    )
    return [[plain(doc)["page_content"] for doc in chunk] for chunk in retriever.stream("q")], list(chain.stream("q"))


@gives([["A", "B", "C"], ["ABC"]])
def generator_keeps_the_stream(L):
    def shout(chunks):
        for chunk in chunks:
            yield chunk.upper()

    chain = L.FakeListChatModel(responses=["abc"]) | L.StrOutputParser()
    return list((chain | shout).stream("q")), list((chain | str.upper).stream("q"))


@gives([{"question": "q"}, {"context": "facts"}, {"answer": "a"}, {"answer": "b"}])
def assign_streams_the_answer(L):
    """The question and the context come first, then the answer in pieces."""
    answer = (
        L.ChatPromptTemplate.from_template("{context}") | L.FakeListChatModel(responses=["ab"]) | L.StrOutputParser()
    )
    chain = L.RunnablePassthrough.assign(context=lambda x: "facts").assign(answer=answer)
    return [dict(chunk) for chunk in chain.stream({"question": "q"})]


@gives(["a", "b"])
def stream_of_chunks_by_key(L):
    answer = L.FakeListChatModel(responses=["ab"]) | L.StrOutputParser()
    chain = L.RunnableParallel(question=L.RunnablePassthrough(), answer=answer).pick("answer")
    return list(chain.stream("q"))


@gives([["AIMessageChunk", "AIMessageChunk"], [None, "last"], 1])
def message_chunks_of_a_chain(L):
    chain = L.ChatPromptTemplate.from_template("{q}") | L.FakeListChatModel(responses=["ab"])
    chunks = list(chain.stream({"q": 1}))
    return (
        [type(chunk).__name__ for chunk in chunks],
        [chunk.chunk_position for chunk in chunks],
        len({chunk.id for chunk in chunks}),
    )


@gives(["ValueError", ["a"]])
def error_in_the_middle_of_a_stream(L):
    def failing(chunks):
        for chunk in chunks:
            yield chunk
            raise ValueError("broken")

    chain = L.FakeListChatModel(responses=["abc"]) | L.StrOutputParser() | failing
    got = []

    def run():
        got.extend(chain.stream("q"))

    return caught(run, ValueError), got


@gives([6, "ab", {"a": "xy", "b": 1}, None])
def chunks_added(L):
    return L.add([1, 2, 3]), L.add(iter("ab")), L.add([L.AddableDict(a="x"), L.AddableDict(a="y", b=1)]), L.add([])
