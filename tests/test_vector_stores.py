"""A vector store of one's own: a few methods written, the rest follows; and the retriever over any store."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from letter_embeddings import TEXTS, Letters
from pydantic import ValidationError
from verbs import one_after_another

from anabranch.nodes import (
    FAISS,
    ConfigurableField,
    Document,
    InMemoryVectorStore,
    MissingExtraError,
    RunnablePassthrough,
    VectorStore,
    VectorStoreRetriever,
)
from anabranch.nodes.laws import assert_laws
from anabranch.nodes.retrieval.vector_searches import Scored

TEXTS_HERE = ["a", "b", "ab", "aab", "c"]


class Base(VectorStore):
    """What stores of one's own have in common here: a list of documents."""

    def __init__(self, embedding: Letters) -> None:
        self.letters = embedding
        self.documents: list[Document] = []

    @property
    def embeddings(self) -> Letters:
        return self.letters

    def nearest(self, vector: list[float], k: int) -> list[Scored]:
        def distance(document: Document) -> float:
            other = self.letters.embed_query(document.page_content)
            return sum(abs(x - y) for x, y in zip(vector, other, strict=True))

        return [(each, distance(each)) for each in sorted(self.documents, key=distance)][:k]


class TakesTexts(Base):
    def add_texts(self, texts: Any, metadatas: Any = None, *, ids: Any = None, **kwargs: Any) -> list[str]:
        texts = list(texts)
        ids = ids or list(map(str, range(len(texts))))
        for text, facts, id in zip(texts, metadatas or [{}] * len(texts), ids, strict=True):
            self.documents.append(Document(text, metadata=facts, id=id))
        return list(ids)


class TakesDocuments(Base):
    def add_documents(self, documents: Any, **kwargs: Any) -> list[str]:
        self.documents += documents
        return [str(each.id) for each in documents]


class ScoredVectors(TakesTexts):
    def similarity_search_with_score_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Scored]:
        return self.nearest(embedding, k)

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return lambda distance: 1 / (1 + distance)


class Vectors(TakesDocuments):
    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        return [document for document, _ in self.nearest(embedding, k)]


class ScoredTexts(TakesDocuments):
    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> list[Scored]:
        return self.nearest(self.letters.embed_query(query), k)


class Texts(TakesTexts):
    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return [document for document, _ in self.nearest(self.letters.embed_query(query), k)]


class AsyncVectors(TakesTexts):
    """Its asynchronous form is written, and the blocking one isn't."""

    async def asimilarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, **kwargs: Any
    ) -> list[Scored]:
        return self.nearest(embedding, k)


OWN = [ScoredVectors, Vectors, ScoredTexts, Texts]
FORMS: dict[str, Any] = {
    "similarity_search": "ab",
    "similarity_search_with_score": "ab",
    "similarity_search_by_vector": [1.0, 1.0, 0.0],
    "similarity_search_with_score_by_vector": [1.0, 1.0, 0.0],
    "max_marginal_relevance_search": "ab",
    "max_marginal_relevance_search_by_vector": [1.0, 1.0, 0.0],
    "similarity_search_with_relevance_scores": "ab",
}
FOLLOW = {
    ScoredVectors: set(FORMS),
    Vectors: set(FORMS) - {each for each in FORMS if "score" in each},
    ScoredTexts: {"similarity_search", "similarity_search_with_score"},
    Texts: {"similarity_search"},
}


@one_after_another("own", OWN)
@one_after_another("form", FORMS)
def test_what_follows_from_one_written_search(own: type[Base], form: str) -> None:
    store = own.from_texts(TEXTS_HERE, Letters())
    search, asearch = getattr(store, form), getattr(store, f"a{form}")
    if form not in FOLLOW[own]:
        with pytest.raises(NotImplementedError, match=f"^{own.__name__} has to write "):
            search(FORMS[form])
        with pytest.raises(NotImplementedError, match=f"^{own.__name__} has to write "):
            asyncio.run(asearch(FORMS[form]))
        return
    found = search(FORMS[form], k=3)
    assert asyncio.run(asearch(FORMS[form], k=3)) == found
    documents = [each[0] if isinstance(each, tuple) else each for each in found]
    assert documents[0].page_content == "ab"
    assert len(documents) == 3
    if "relevance_scores" in form:
        assert [score for _, score in found] == [1.0, 0.5, 0.5]
        assert len(search("ab", score_threshold=0.6)) == 1


def test_one_that_is_written_async_serves_the_async_forms() -> None:
    async def main() -> list[Any]:
        store = await AsyncVectors.afrom_texts(TEXTS_HERE, Letters())
        retriever = store.as_retriever(search_kwargs={"k": 1})
        return [await store.asimilarity_search("ab", k=1), await retriever.ainvoke("ab")]

    assert [[each.page_content for each in found] for found in asyncio.run(main())] == [["ab"], ["ab"]]


@given(
    texts=st.lists(TEXTS, max_size=5),
    own=st.sampled_from([TakesTexts, TakesDocuments, InMemoryVectorStore, FAISS]),
    has_ids=st.booleans(),
)
@settings(max_examples=60)
def test_texts_and_documents_are_added_alike_sync_and_async(texts: list[str], own: Any, has_ids: bool) -> None:
    metadatas = [{"at": at} for at in range(len(texts))]
    ids: Any = [f"id {at}" for at in range(len(texts))] if has_ids else None
    named = {"ids": ids} if has_ids else {}
    documents = [Document(text, metadata=facts) for text, facts in zip(texts, metadatas, strict=True)]
    itself = [each.model_copy(update={"id": id}) for each, id in zip(documents, ids or [None] * 9, strict=False)]

    async def main() -> list[Any]:
        stores = [
            await own.afrom_texts(texts, Letters(), metadatas, **named),
            await own.afrom_documents(documents, Letters(), **named),
            empty := own(Letters()),
            other := own(Letters()),
        ]
        await empty.aadd_texts(texts, metadatas, **named)
        await other.aadd_documents(itself)
        return stores

    stores = [
        own.from_texts(iter(texts), Letters(), iter(metadatas), **named),
        own.from_documents(iter(documents), Letters(), **named),
        own.from_documents(itself, Letters()),
        empty := own(Letters()),
        *asyncio.run(main()),
    ]
    empty.add_documents(itself)
    for store in stores:
        held = contents(store)
        assert [each.page_content for each in held] == texts
        assert [each.metadata for each in held] == metadatas
        assert not has_ids or [each.id for each in held] == ids


def contents(store: Any) -> list[Document]:
    if isinstance(store, Base):
        return store.documents
    if isinstance(store, FAISS):
        return store.get_by_ids([store.index_to_docstore_id[at] for at in sorted(store.index_to_docstore_id)])
    return list(store.get_by_ids(list(store.store)))


def test_what_a_store_cannot_do_it_says() -> None:
    store = Texts(Letters())
    calls: list[Coroutine[Any, Any, Any]] = [store.adelete(["1"]), store.aget_by_ids(["1"])]
    for call in calls:
        with pytest.raises(NotImplementedError, match=r"Texts has to write (delete|get_by_ids) to"):
            asyncio.run(call)
    with pytest.raises(NotImplementedError, match="Base has to write add_documents or add_texts"):
        Base(Letters()).add_texts(["a"])
    with pytest.raises(NotImplementedError, match="Base has to write add_documents or add_texts"):
        Base(Letters()).add_documents([Document("a")])


@pytest.mark.parametrize("make", [InMemoryVectorStore.from_texts, FAISS.from_texts])
def test_a_search_under_asyncio_blocks_nothing(make: Any) -> None:
    letters = Letters()

    async def main() -> None:
        store = make(TEXTS_HERE, letters)
        letters.threads.clear()
        await store.aadd_texts(["bb"], ids=["new"])
        assert (await store.asimilarity_search("ab", k=1))[0].page_content == "ab"
        assert (await store.amax_marginal_relevance_search("ab", k=1))[0].page_content == "ab"
        assert (await store.asearch("ab", "similarity_score_threshold", score_threshold=0.9))[0].page_content == "ab"
        assert (await store.aget_by_ids(["new"]))[0].page_content == "bb"
        await store.adelete(["new"])
        assert await store.aget_by_ids(["new"]) == []

    asyncio.run(main())
    assert threading.get_ident() not in letters.threads


def test_threads_may_share_a_store() -> None:
    stores: list[Any] = [InMemoryVectorStore(Letters()), FAISS(Letters())]
    for store in stores:
        found: list[int] = []

        def work(number: int, store: Any = store, found: list[int] = found) -> None:
            for at in range(20):
                store.add_texts(["a" * number], ids=[f"{number} {at}"])
                found.append(len(store.similarity_search("a", k=3)))
            store.delete([f"{number} 0"])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(store.similarity_search("a", k=1000)) == 4 * 19
        assert len(found) == 80


@pytest.mark.parametrize("make", [InMemoryVectorStore.from_texts, FAISS.from_texts])
def test_a_copy_is_a_store_of_its_own(make: Any) -> None:
    store = make(TEXTS_HERE, Letters(), ids=TEXTS_HERE)
    for made in (copy.deepcopy(store), pickle.loads(pickle.dumps(store))):
        assert made.similarity_search("ab") == store.similarity_search("ab")
        made.delete(["ab"])
        assert len(store.get_by_ids(["ab"])) == 1


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(MissingExtraError, match=r"FAISS needs the package faiss.*anabranch\[faiss\]"):
        FAISS(Letters())


# The retriever


def store() -> InMemoryVectorStore:
    return InMemoryVectorStore.from_texts(TEXTS_HERE, Letters(), ids=TEXTS_HERE)


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ({}, ["ab", "aab", "a", "b"]),
        ({"search_kwargs": {"k": 1}}, ["ab"]),
        ({"search_type": "mmr", "search_kwargs": {"k": 2, "lambda_mult": 0.1}}, ["ab", "c"]),
        ({"search_type": "similarity_score_threshold", "search_kwargs": {"score_threshold": 0.9}}, ["ab", "aab"]),
        ({"search_kwargs": {"filter": lambda document: "c" in document.page_content}}, ["c"]),
    ],
)
def test_a_retriever_searches_as_it_was_told(arguments: dict[str, Any], found: list[str]) -> None:
    retriever = store().as_retriever(**arguments)
    assert [each.id for each in retriever.invoke("ab")] == found
    assert [each.id for each in asyncio.run(retriever.ainvoke("ab"))] == found
    assert [each.id for each in retriever.invoke("ab", k=1)] == found[:1]
    assert [each.id for each in retriever.bind(k=1).invoke("ab")] == found[:1]
    assert [each.id for each in (RunnablePassthrough() | retriever).batch(["ab"])[0]] == found


def test_a_run_of_it_tells_of_the_store_and_nothing_below_it() -> None:
    class Traced(InMemoryVectorStore):
        def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
            RunnablePassthrough().invoke(query)
            return super().similarity_search(query, k, **kwargs)

    retriever = Traced.from_texts(["a"], Letters()).as_retriever(metadata={"own": 1})
    chain = {"context": retriever.with_config(run_name="Docs")}
    events = list((RunnablePassthrough() | chain).stream_events("a", {"tags": ["call"]}, version="v2"))
    docs = next(each for each in events if each["event"] == "on_retriever_start")
    assert (docs["name"], docs["tags"]) == ("Docs", ["map:key:context", "Traced", "Letters", "call"])
    assert docs["metadata"] == {
        "ls_retriever_name": "vectorstore",
        "ls_vector_store_provider": "Traced",
        "ls_embedding_provider": "Letters",
        "own": 1,
    }
    below = next(each for each in events if docs["run_id"] in each["parent_ids"])
    assert (below["tags"], below["metadata"]) == (["call"], {})


def test_its_tags_can_be_others() -> None:
    assert store().as_retriever().tags == ["InMemoryVectorStore", "Letters"]
    assert store().as_retriever(tags=["mine"]).tags == ["mine"]
    assert Texts(Letters()).as_retriever().tags == ["Texts", "Letters"]


def test_it_adds_documents_and_can_be_configured() -> None:
    retriever = store().as_retriever(search_kwargs={"k": 1})
    assert retriever.add_documents([Document("abc", id="new")]) == ["new"]
    assert asyncio.run(retriever.aadd_documents([Document("abcc", id="newer")])) == ["newer"]
    assert retriever.invoke("abc")[0].id == "new"
    free = retriever.configurable_fields(search_kwargs=ConfigurableField(id="how"))
    assert [each.id for each in free.invoke("abcc", {"configurable": {"how": {"k": 2}}})] == ["newer", "new"]
    assert copy.deepcopy(retriever).invoke("abcc")[0].id == "newer"


@pytest.mark.parametrize(
    "arguments",
    [
        {"search_type": "nearest"},
        {"search_type": "similarity_score_threshold"},
        {"search_type": "similarity_score_threshold", "search_kwargs": {"score_threshold": "high"}},
    ],
)
def test_a_retriever_that_cannot_work_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="search_type"):
        store().as_retriever(**arguments)
    with pytest.raises(ValidationError, match="vectorstore"):
        VectorStoreRetriever(vectorstore="a store")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'similarity', 'mmr', 'similarity_score_threshold'"):
        store().search("a", "nearest")


@pytest.mark.parametrize("kind", [InMemoryVectorStore, FAISS])
def test_retrievers_keep_the_laws_of_runnables(kind: Any) -> None:
    retriever = kind.from_texts(TEXTS_HERE, Letters(), ids=TEXTS_HERE).as_retriever(search_type="mmr")
    assert_laws(retriever, ["ab", "c", ""])
