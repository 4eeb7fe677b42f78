"""Documents, vector stores, embeddings, retrievers, and chains over them."""

from __future__ import annotations

import asyncio
from operator import itemgetter

from documented_programs.expected import gives
from documented_programs.plain_data import caught, plain

TEXTS = ["bears eat honey", "harrison worked at kensho", "owls sleep by day"]


def _store(L, texts=TEXTS, **arguments):
    return L.InMemoryVectorStore.from_texts(texts, L.DeterministicFakeEmbedding(size=6), **arguments)


@gives(
    [
        [{"page_content": "owls sleep by day", "metadata": {}}],
        [
            [{"page_content": "bears eat honey", "metadata": {}}],
            [{"page_content": "owls sleep by day", "metadata": {}}],
        ],
        [{"page_content": "harrison worked at kensho", "metadata": {}}],
        "ToyRetriever",
    ]
)
def retriever_of_ones_own(L):
    class ToyRetriever(L.BaseRetriever):
        """The first k documents that contain the query."""

        documents: list[L.Document]
        k: int

        def _get_relevant_documents(self, query, *, run_manager):
            matching = [doc for doc in self.documents if query.lower() in doc.page_content.lower()]
            return matching[: self.k]

    retriever = ToyRetriever(documents=[L.Document(page_content=text) for text in TEXTS], k=1)
    return plain(
        [
            retriever.invoke("ee"),
            retriever.batch(["bears", "owls"]),
            asyncio.run(retriever.ainvoke("kensho")),
            retriever.get_name(),
        ]
    )


@gives(
    [
        ["on_retriever_start", "Toy", {"input": "bar"}],
        ["on_retriever_end", "Toy", {"output": [{"page_content": "bar", "metadata": {}}]}],
    ]
)
def retriever_of_ones_own_in_events(L):
    class Toy(L.BaseRetriever):
        async def _aget_relevant_documents(self, query, *, run_manager):
            return [L.Document(page_content=query)]

        def _get_relevant_documents(self, query, *, run_manager):
            return []

    async def events():
        return [
            [event["event"], event["name"], plain(event["data"])]
            async for event in Toy().astream_events("bar", version="v2")
        ]

    return asyncio.run(events())


@gives([{"page_content": "owls sleep by day", "metadata": {"score": 1.0}}])
def retriever_by_the_chain_decorator(L):
    store = _store(L)

    @L.chain
    def retrieve(query):
        docs, scores = zip(*store.similarity_search_with_score(query, k=1), strict=True)
        for doc, score in zip(docs, scores, strict=True):
            doc.metadata["score"] = round(score, 3)
        return docs

    return plain(retrieve.invoke("owls sleep by day"))


@gives("Human: Context: bears eat honey\nQuestion: bears eat honey")
def retrieval_chain(L):
    def format_docs(docs):
        return "\n\n".join(doc.page_content for doc in docs)

    retriever = _store(L).as_retriever(search_kwargs={"k": 1})
    prompt = L.ChatPromptTemplate.from_template("Context: {context}\nQuestion: {question}")
    chain = (
        {"context": retriever | format_docs, "question": L.RunnablePassthrough()}
        | prompt
        | (lambda value: value.to_string())
    )
    return chain.invoke("bears eat honey")


@gives(
    {
        "context": [{"page_content": "owls sleep by day", "metadata": {"source": 2}}],
        "question": "owls sleep by day",
        "answer": "42",
    }
)
def retrieval_with_sources(L):
    retriever = _store(L, metadatas=[{"source": number} for number in range(3)]).as_retriever(search_kwargs={"k": 1})
    answer = (
        L.RunnablePassthrough.assign(context=lambda x: x["context"][0].page_content)
        | L.ChatPromptTemplate.from_template("{context} {question}")
        | L.FakeListChatModel(responses=["42"])
        | L.StrOutputParser()
    )
    chain = L.RunnableParallel({"context": retriever, "question": L.RunnablePassthrough()}).assign(answer=answer)
    return plain(chain.invoke("owls sleep by day"))


@gives(
    [
        [{"page_content": "harrison worked at kensho", "metadata": {}}],
        [{"page_content": "bears eat honey", "metadata": {}}],
    ]
)
def retrieval_with_history(L):
    retriever = _store(L).as_retriever(search_kwargs={"k": 1})
    rephrase = (
        L.ChatPromptTemplate([("placeholder", "{chat_history}"), ("human", "{input}")])
        | L.FakeListChatModel(responses=["bears eat honey"])
        | L.StrOutputParser()
        | retriever
    )
    branch = L.RunnableBranch(
        (lambda x: not x.get("chat_history", False), (lambda x: x["input"]) | retriever), rephrase
    )
    first = branch.invoke({"input": "harrison worked at kensho"})
    return plain([first, branch.invoke({"input": "and they", "chat_history": [("human", "bears?")]})])


@gives(["owls sleep by day", "it"])
def retrieval_by_keys(L):
    retriever = _store(L).as_retriever(search_kwargs={"k": 1})
    chain = {
        "context": itemgetter("question") | retriever,
        "question": itemgetter("question"),
        "language": itemgetter("language"),
    } | L.ChatPromptTemplate.from_template("{context}|{question}|{language}")
    return chain.invoke({"question": "owls sleep by day", "language": "it"}).to_string().split("|")[1:]


@gives(
    [
        ["0", "1", "2"],
        [{"page_content": "bears eat honey", "metadata": {"n": 0}}],
        [{"page_content": "harrison worked at kensho", "metadata": {"n": 1}}],
        ["0"],
        2,
    ]
)
def store_in_memory(L):
    store = L.InMemoryVectorStore(embedding=L.DeterministicFakeEmbedding(size=6))
    documents = [
        L.Document(id=str(number), page_content=text, metadata={"n": number}) for number, text in enumerate(TEXTS)
    ]
    ids = store.add_documents(documents=documents)
    store.delete(ids=["2"])
    return plain(
        [
            ids,
            store.similarity_search("bears eat honey", k=1),
            store.similarity_search("x", k=5, filter=lambda doc: doc.metadata["n"] == 1),
            [doc.id for doc in store.get_by_ids(["0", "2"])],
            len(store.similarity_search("x", k=10)),
        ]
    )


@gives(["bears eat honey", 1.0])
def store_with_scores(L):
    (document, score), *_ = _store(L).similarity_search_with_score("bears eat honey", k=2)
    return document.page_content, round(score, 6)


@gives([[{"page_content": "owls sleep by day", "metadata": {}}], ["a"], 1])
def store_async(L):
    async def main():
        store = L.InMemoryVectorStore(L.DeterministicFakeEmbedding(size=6))
        await store.aadd_texts(TEXTS, ids=["a", "b", "c"])
        found = await store.asimilarity_search("owls sleep by day", k=1)
        await store.adelete(["c"])
        return found, await store.aget_by_ids(["c", "a"]), await store.asimilarity_search_by_vector([1.0] * 6, k=1)

    found, rest, near = asyncio.run(main())
    return plain([found, [doc.id for doc in rest], len(near)])


@gives([{"page_content": "owls sleep by day", "metadata": {}}])
def store_by_vector(L):
    embeddings = L.DeterministicFakeEmbedding(size=6)
    store = L.InMemoryVectorStore.from_texts(TEXTS, embeddings)
    return plain(store.similarity_search_by_vector(embeddings.embed_query("owls sleep by day"), k=1))


@gives([2, [{"page_content": "bears eat honey", "metadata": {}}], "ValueError"])
def store_as_retriever_in_its_ways(L):
    store = _store(L)
    similar = store.as_retriever(search_kwargs={"k": 2})
    diverse = store.as_retriever(search_type="mmr", search_kwargs={"k": 1, "fetch_k": 2})
    return (
        len(similar.invoke("bears eat honey")),
        plain(diverse.invoke("bears eat honey")),
        caught(lambda: store.as_retriever(search_type="wild"), ValueError),
    )


@gives([{"page_content": "bears eat honey", "metadata": {}}])
def store_saved_and_loaded(L):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "store.json")
        _store(L).dump(path)
        loaded = L.InMemoryVectorStore.load(path, L.DeterministicFakeEmbedding(size=6))
        return plain(loaded.similarity_search("bears eat honey", k=1))


@gives([1, 3])
def retriever_configured_at_run_time(L):
    retriever = _store(L).as_retriever(search_kwargs={"k": 1})
    configurable = retriever.configurable_fields(search_kwargs=L.ConfigurableField(id="search_kwargs"))
    chain = {"docs": configurable} | L.RunnableLambda(lambda x: len(x["docs"]))
    return chain.invoke("bears"), chain.invoke("bears", {"configurable": {"search_kwargs": {"k": 3}}})


@gives([[3.0, 1.0], [[1.0, 1.0]], [{"page_content": "aaaa", "metadata": {}}]])
def embeddings_of_ones_own(L):
    class Parrot(L.Embeddings):
        def embed_documents(self, texts):
            return [[float(len(text)), 1.0] for text in texts]

        def embed_query(self, text):
            return self.embed_documents([text])[0]

    store = L.InMemoryVectorStore.from_texts(["a", "aaaa"], Parrot())
    return (
        asyncio.run(Parrot().aembed_query("abc")),
        asyncio.run(Parrot().aembed_documents(["a"])),
        plain(store.similarity_search("bbbb", k=1)),
    )


@gives([4, True, 3])
def fake_embeddings(L):
    embeddings = L.DeterministicFakeEmbedding(size=4)
    return (
        len(embeddings.embed_query("a")),
        embeddings.embed_query("a") == embeddings.embed_documents(["a"])[0],
        len(L.FakeEmbeddings(size=3).embed_query("x")),
    )


@gives(
    [{"page_content": "text", "metadata": {"source": "a"}}, "7", True, "page_content='text' metadata={'source': 'a'}"]
)
def documents(L):
    one = L.Document(page_content="text", metadata={"source": "a"}, id="7")
    return plain(one), one.id, one == L.Document("text", metadata={"source": "a"}, id="7"), str(one)


@gives(["Page 1: text", "ValueError"])
def document_formatted_by_a_prompt(L):
    one = L.Document(page_content="text", metadata={"page": "1"})
    prompt = L.PromptTemplate.from_template("Page {page}: {page_content}")
    return L.format_document(one, prompt), caught(
        lambda: L.format_document(L.Document(page_content="x"), prompt), ValueError
    )


@gives(
    [
        [
            {"page_content": "bears eat honey", "metadata": {}},
            {"page_content": "harrison worked at kensho", "metadata": {}},
            {"page_content": "owls sleep by day", "metadata": {}},
        ],
        [{"page_content": "owls sleep by day", "metadata": {}}],
    ]
)
def store_of_ones_own(L):
    class ListStore(L.VectorStore):
        def __init__(self, embedding):
            self.embedding = embedding
            self.texts = []

        @classmethod
        def from_texts(cls, texts, embedding, metadatas=None, **kwargs):
            store = cls(embedding)
            store.add_texts(texts)
            return store

        def add_texts(self, texts, metadatas=None, **kwargs):
            self.texts.extend(texts)
            return [str(number) for number in range(len(self.texts))]

        def similarity_search(self, query, k=4, **kwargs):
            return [L.Document(page_content=text) for text in self.texts if query in text][:k]

    store = ListStore.from_texts(TEXTS, None)
    return plain([store.as_retriever().invoke("e"), store.search("owls", "similarity")])
