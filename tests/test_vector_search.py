"""What vector stores find: the nearest, in order, no more than asked for, and only what passes the filter."""

from __future__ import annotations

import json
import tempfile
from functools import partial
from math import hypot, isclose
from pathlib import Path
from typing import Any

import faiss
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from letter_embeddings import TEXTS, Letters
from verbs import one_after_another

from anabranch.nodes import (
    FAISS,
    DistanceStrategy,
    Document,
    InMemoryDocstore,
    InMemoryVectorStore,
    maximal_marginal_relevance,
)

LISTS = st.lists(TEXTS, max_size=12)
EMBED = Letters().embed_query
STORES = [
    InMemoryVectorStore.from_texts,
    lambda *args, **kwargs: FAISS.from_texts(*args, **kwargs, distance_strategy="COSINE"),
]


def both(test: Any) -> Any:
    return pytest.mark.parametrize("make", STORES, ids=["InMemoryVectorStore", "FAISS"])(test)


def numbered(make: Any, texts: list[str]) -> Any:
    return make(
        texts, Letters(), [{"at": at} for at in range(len(texts))], ids=[f"id {at}" for at in range(len(texts))]
    )


def cosine(a: list[float], b: list[float]) -> float:
    length = hypot(*a) * hypot(*b)
    return sum(x * y for x, y in zip(a, b, strict=True)) / length if length else 0.0


def same(a: list[float], b: list[float]) -> bool:
    return len(a) == len(b) and all(isclose(x, y, abs_tol=1e-6) for x, y in zip(a, b, strict=True))


# Nearest


@both
@given(texts=LISTS, query=TEXTS, k=st.integers(0, 15))
@settings(max_examples=50)
def test_what_is_found_is_what_comparing_all_finds(make: Any, texts: list[str], query: str, k: int) -> None:
    found = numbered(make, texts).similarity_search_with_score(query, k=k)
    all_scores = sorted((cosine(EMBED(text), EMBED(query)) for text in texts), reverse=True)
    assert same([score for _, score in found], all_scores[:k])
    for document, score in found:
        assert texts[document.metadata["at"]] == document.page_content
        assert isclose(score, cosine(EMBED(document.page_content), EMBED(query)), abs_tol=1e-6)
    assert len({document.id for document, _ in found}) == len(found)


@given(texts=LISTS, query=TEXTS, k=st.integers(0, 15))
@settings(max_examples=30)
def test_equally_near_documents_keep_their_order(texts: list[str], query: str, k: int) -> None:
    found = numbered(InMemoryVectorStore.from_texts, texts).similarity_search_with_score(query, k=k)
    order = [(-score, document.metadata["at"]) for document, score in found]
    assert order == sorted(order)


@given(texts=LISTS, query=TEXTS, k=st.integers(0, 15), rest=st.integers(0, 2))
@settings(max_examples=50)
def test_faiss_finds_as_near_ones_as_memory_does_with_a_filter_too(
    texts: list[str], query: str, k: int, rest: int
) -> None:
    exact, quick = (numbered(make, texts) for make in STORES)
    for here, there in (
        ({}, {}),
        (
            {"filter": lambda document: document.metadata["at"] % 3 == rest},
            {"filter": lambda metadata: metadata["at"] % 3 == rest, "fetch_k": 1},
        ),
    ):
        ours = exact.similarity_search_with_score(query, k=k, **here)
        theirs = quick.similarity_search_with_score(query, k=k, **there)
        assert same([score for _, score in ours], [score for _, score in theirs])
        if here:
            assert all(document.metadata["at"] % 3 == rest for document, _ in [*ours, *theirs])
            assert len(ours) == min(k, len(range(rest, len(texts), 3)))


@given(texts=LISTS, query=TEXTS, k=st.integers(1, 15))
@settings(max_examples=30)
def test_euclidean_distances_are_those_of_faiss(texts: list[str], query: str, k: int) -> None:
    store = FAISS.from_texts(texts, Letters())
    found = [score for _, score in store.similarity_search_with_score(query, k=k)]
    squares = [sum((x - y) ** 2 for x, y in zip(EMBED(text), EMBED(query), strict=True)) for text in texts]
    assert same(found, sorted(squares)[:k])
    relevant = [score for _, score in store.similarity_search_with_relevance_scores(query, k=k)]
    assert same(relevant, [1 - square / 2**0.5 for square in sorted(squares)[:k]])


@pytest.mark.parametrize("strategy", ["MAX_INNER_PRODUCT", "DOT_PRODUCT"])
def test_the_greater_product_is_the_better_and_the_more_relevant(strategy: str) -> None:
    store = FAISS.from_texts(["a", "aab", "c"], Letters(), distance_strategy=strategy)
    assert [score for _, score in store.similarity_search_with_score("ab", k=2)] == [3.0, 1.0]
    assert [score for _, score in store.similarity_search_with_relevance_scores("ab", k=2)] == [3.0, 1.0]
    assert len(store.similarity_search_with_score("ab", score_threshold=2.0)) == 1


def test_the_threshold_of_a_distance_is_an_upper_one() -> None:
    store = FAISS.from_texts(["a", "b", "ab"], Letters(), distance_strategy=DistanceStrategy.EUCLIDEAN_DISTANCE)
    assert [text.page_content for text, _ in store.similarity_search_with_score("ab", score_threshold=0.5)] == ["ab"]
    assert len(store.similarity_search_with_relevance_scores("ab", score_threshold=0.5)) == 1


@both
def test_zeros_are_like_nothing(make: Any) -> None:
    store = numbered(make, ["a", "xyz"])
    assert [score for _, score in store.similarity_search_with_score("xyz")] == [0.0, 0.0]
    assert {each.page_content for each in store.max_marginal_relevance_search("xyz")} == {"a", "xyz"}


# Unlike each other


@both
@given(texts=LISTS, query=TEXTS, k=st.integers(0, 15), fetch_k=st.integers(0, 15))
@settings(max_examples=40)
def test_with_lambda_1_variety_counts_nothing(make: Any, texts: list[str], query: str, k: int, fetch_k: int) -> None:
    store = numbered(make, texts)
    found = store.max_marginal_relevance_search(query, k=k, fetch_k=fetch_k, lambda_mult=1)
    nearest = store.similarity_search_with_score(query, k=min(k, fetch_k))
    assert same([cosine(EMBED(each.page_content), EMBED(query)) for each in found], [score for _, score in nearest])


VECTORS = st.lists(st.lists(st.integers(-3, 3).map(float), min_size=3, max_size=3), max_size=8)


@given(
    query=st.lists(st.integers(-3, 3).map(float), min_size=3, max_size=3),
    vectors=VECTORS,
    weight=st.floats(0, 1),
    k=st.integers(0, 10),
)
@settings(max_examples=60)
def test_each_next_one_is_worth_most(query: list[float], vectors: list[list[float]], weight: float, k: int) -> None:
    taken = maximal_marginal_relevance(query, vectors, weight, k)
    assert len(taken) == len(set(taken)) == min(k, len(vectors))
    for count, at in enumerate(taken):
        before = taken[:count]

        def worth(one: int, before: list[int] = before) -> float:
            likeness = max((cosine(vectors[one], vectors[other]) for other in before), default=0.0)
            nearness = cosine(vectors[one], query)
            return weight * nearness - (1 - weight) * likeness if before else nearness

        assert worth(at) >= max(worth(one) for one in range(len(vectors)) if one not in before) - 1e-9


@both
def test_variety_leaves_out_what_says_the_same(make: Any) -> None:
    store = numbered(make, ["aab", "aab", "ab", "c"])
    assert [each.page_content for each in store.max_marginal_relevance_search("ab", k=3, lambda_mult=0.1)] == [
        "ab",
        "c",
        "aab",
    ]
    assert [each.page_content for each in store.similarity_search("ab", k=3)] == ["ab", "aab", "aab"]


def test_a_filter_holds_for_variety_too() -> None:
    memory, quick = (numbered(make, ["a", "b", "ab"]) for make in STORES)
    found = memory.max_marginal_relevance_search("a", filter=lambda document: document.metadata["at"] > 0)
    assert {each.id for each in found} == {"id 1", "id 2"}
    assert {each.id for each in quick.max_marginal_relevance_search("a", filter={"at": [1, 2]})} == {"id 1", "id 2"}


# Adding and deleting


@both
@given(texts=LISTS, data=st.data())
@settings(max_examples=30)
def test_what_was_deleted_is_gone_and_the_rest_is_there(make: Any, texts: list[str], data: st.DataObject) -> None:
    store, ids = numbered(make, texts), [f"id {at}" for at in range(len(texts))]
    gone = data.draw(st.lists(st.sampled_from(ids), unique=True)) if ids else []
    store.delete(gone)
    left = [id for id in ids if id not in gone]
    assert [each.id for each in store.get_by_ids(ids)] == left
    assert {each.id for each in store.similarity_search("abc", k=20)} == set(left)
    added = store.add_texts([texts[ids.index(id)] for id in gone], ids=gone)
    assert added == gone
    assert {each.id for each in store.similarity_search("abc", k=20)} == set(ids)
    for document in store.similarity_search("abc", k=20):
        assert document.page_content == texts[ids.index(str(document.id))]


def test_memory_takes_the_new_for_the_old_and_faiss_refuses() -> None:
    memory, quick = (numbered(make, ["a"]) for make in STORES)
    assert memory.add_texts(["b"], ids=["id 0"]) == ["id 0"]
    assert [each.page_content for each in memory.similarity_search("a")] == ["b"]
    with pytest.raises(ValueError, match=r"there already.*'id 0'"):
        quick.add_texts(["b"], ids=["id 0"])
    with pytest.raises(ValueError, match=r"twice.*'x'"):
        quick.add_texts(["b", "c"], ids=["x", "x"])
    assert [each.page_content for each in quick.similarity_search("a")] == ["a"]


def test_memory_passes_over_unknown_ids_and_faiss_names_them() -> None:
    memory, quick = (numbered(make, ["a"]) for make in STORES)
    memory.delete(["nothing"])
    memory.delete()
    assert memory.get_by_ids(["nothing", "id 0"])[0].page_content == "a"
    with pytest.raises(ValueError, match="'nothing'"):
        quick.delete(["nothing", "id 0"])
    with pytest.raises(ValueError, match="needs the ids"):
        quick.delete()
    assert len(quick.similarity_search("a")) == 1


@both
def test_what_is_given_out_and_what_was_put_in_can_be_changed_without_harm(make: Any) -> None:
    facts = {"list": [1]}
    store = make(["a"], Letters(), [facts])
    facts["list"].append(2)
    store.similarity_search("a")[0].metadata["list"].append(3)
    store.get_by_ids([store.similarity_search("a")[0].id])[0].metadata.clear()
    assert store.similarity_search("a")[0].metadata == {"list": [1]}


def test_known_vectors_can_be_added() -> None:
    store = FAISS.from_embeddings([("one", [1.0, 0.0, 0.0])], Letters(), [{"n": 1}], ["1"])
    store.add_embeddings([("two", [0.0, 1.0, 0.0])], ids=["2"])
    assert [each.page_content for each in store.similarity_search("b", k=1)] == ["two"]
    assert store.get_by_ids(["1"]) == [Document("one", metadata={"n": 1}, id="1")]


def test_a_store_takes_in_another() -> None:
    one = FAISS.from_texts(["a"], Letters(), ids=["1"])
    other = FAISS.from_texts(["b", "c"], Letters(), ids=["2", "3"])
    one.merge_from(other)
    assert [each.id for each in one.similarity_search("c", k=1)] == ["3"]
    assert (one.index.ntotal, other.index.ntotal) == (3, 2)
    with pytest.raises(ValueError, match="'2', '3'"):
        one.merge_from(other)
    with pytest.raises(ValueError, match="compares them differently"):
        one.merge_from(FAISS.from_texts(["b"], Letters(), distance_strategy="COSINE"))
    empty = FAISS(Letters())
    empty.merge_from(one)
    assert len(empty.similarity_search("a")) == 3


def test_an_index_of_ones_own_kind_is_used() -> None:
    store = FAISS(Letters(), faiss.IndexHNSWFlat(3, 8), InMemoryDocstore(), {})
    store.add_texts(["a", "b", "c"])
    assert [each.page_content for each in store.similarity_search("b", k=1)] == ["b"]
    assert store.max_marginal_relevance_search("b", k=1)[0].page_content == "b"


# Bad input


@both
def test_bad_input_is_told_of(make: Any) -> None:
    store = numbered(make, ["a", "b"])
    for k in (-1, 1.5, "2"):
        with pytest.raises(ValueError, match="how many to find at most"):
            store.similarity_search("a", k=k)
    with pytest.raises(TypeError, match="expected a question as text, got int 3"):
        store.similarity_search(3)
    with pytest.raises(ValueError, match="vectors of length 3, got some of 2"):
        store.similarity_search_by_vector([1.0, 2.0])
    with pytest.raises(ValueError, match="isn't finite"):
        store.similarity_search_by_vector([1.0, 2.0, float("nan")])
    with pytest.raises(ValueError, match="from 0 to 1"):
        store.max_marginal_relevance_search("a", lambda_mult=1.5)
    with pytest.raises(TypeError, match="filter is a function"):
        store.similarity_search("a", filter=3)
    for take in (store.add_texts, store.delete, store.get_by_ids):
        with pytest.raises(TypeError, match="put it into a list"):
            take("a")
    with pytest.raises(TypeError, match="got int 7 at index 1"):
        store.add_texts(["a", 7])
    with pytest.raises(TypeError, match="expected documents, got str"):
        store.add_documents(["a"])
    with pytest.raises(ValueError, match="2 texts came with 1 metadatas"):
        store.add_texts(["a", "b"], [{}])
    with pytest.raises(ValueError, match="2 texts came with 3 ids"):
        store.add_documents([Document("a"), Document("b")], ids=["1", "2", "3"])
    assert len(store.similarity_search("a")) == 2


@both
def test_an_empty_store_finds_nothing(make: Any) -> None:
    store = make([], Letters())
    assert store.similarity_search("a") == store.max_marginal_relevance_search("a") == store.get_by_ids(["x"]) == []
    assert store.similarity_search_with_relevance_scores("a", score_threshold=0.5) == store.add_texts([]) == []


@both
def test_vectors_must_be_of_one_length_and_as_many_as_texts(make: Any) -> None:
    class Uneven(Letters):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [[1.0] * len(text) for text in texts if text != "left out"]

    store = make(["aa"], Uneven())
    with pytest.raises(ValueError, match="length 2, got some of 3"):
        store.add_texts(["aaa"])
    with pytest.raises(ValueError, match=r"vectors of 2 texts|2 texts came with 1 vectors"):
        store.add_texts(["bb", "left out"])
    assert [each.page_content for each in store.similarity_search_by_vector([1.0, 1.0])] == ["aa"]


@one_after_another(
    ("filter", "found"),
    [
        ({"at": {"$gt": 2}}, {3, 4}), ({"at": {"$gte": 2, "$lt": 4}}, {2, 3}), ({"at": {"$neq": 1}}, {0, 2, 3, 4}),
        ({"at": {"$lte": 0}}, {0}), ({"at": {"$in": [1, 9]}}, {1}), ({"at": {"$nin": [1, 2, 3]}}, {0, 4}),
        ({"at": {"$eq": 1}}, {1}), ({"at": [1, 2]}, {1, 2}), ({"at": 1, "other": 2}, set()), ({}, {0, 1, 2, 3, 4}),
        ({"other": None}, {0, 1, 2, 3, 4}), ({"other": {"$gt": 1}}, set()), ({"$not": {"at": 1}}, {0, 2, 3, 4}),
        ({"$and": [{"at": {"$gt": 0}}, {"$or": [{"at": 1}, {"at": 4}]}]}, {1, 4}),
    ],
)  # fmt: skip
def test_a_dict_says_what_metadata_must_be(filter: dict[str, Any], found: set[int]) -> None:
    store = numbered(FAISS.from_texts, list("abcab"))
    assert {each.metadata["at"] for each in store.similarity_search("a", k=5, filter=filter)} == found


@pytest.mark.parametrize("filter", [{"at": {"$near": 1}}, {"$xor": []}])
def test_an_unknown_operator_is_told_of(filter: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unknown operator '\$(near|xor)'"):
        numbered(FAISS.from_texts, ["a"]).similarity_search("a", filter=filter)


# Files

METADATA = st.dictionaries(
    st.text(max_size=3),
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists),
    max_size=3,
)


@given(entries=st.lists(st.tuples(st.text(max_size=8), METADATA), max_size=5), query=TEXTS)
@settings(max_examples=20)
def test_what_was_written_is_read(entries: list[tuple[str, dict[str, Any]]], query: str) -> None:
    texts, metadatas = [text for text, _ in entries], [facts for _, facts in entries]
    with tempfile.TemporaryDirectory() as folder:
        memory = InMemoryVectorStore.from_texts(texts, Letters(), metadatas)
        memory.dump(f"{folder}/made/here/store.json")
        again = InMemoryVectorStore.load(f"{folder}/made/here/store.json", Letters())
        assert again.store == memory.store
        assert again.similarity_search_with_score(query) == memory.similarity_search_with_score(query)

        quick = FAISS.from_texts(texts, Letters(), metadatas, distance_strategy="COSINE")
        quick.save_local(f"{folder}/quick", "name")
        loaded = FAISS.load_local(f"{folder}/quick", Letters(), "name", allow_dangerous_deserialization=True)
        assert loaded.similarity_search_with_score(query) == quick.similarity_search_with_score(query)
        assert loaded.add_texts(["a"], ids=["new"]) == ["new"]
        assert sorted(each.name for each in Path(folder, "quick").iterdir()) == ["name.faiss", "name.json"]


def test_a_file_of_langchain_is_read(tmp_path: Path) -> None:
    told = {"1": {"id": "1", "vector": [1.0, 0.0, 0.0], "text": "a", "metadata": {"i": 0}}}
    (tmp_path / "dump.json").write_text(json.dumps(told, indent=2))
    store = InMemoryVectorStore.load(tmp_path / "dump.json", Letters())
    assert store.similarity_search_with_score("a") == [(Document("a", metadata={"i": 0}, id="1"), 1.0)]


def test_what_json_cannot_hold_leaves_the_old_file(tmp_path: Path) -> None:
    memory, quick = InMemoryVectorStore(Letters()), FAISS(Letters())
    for store, write in ((memory, partial(memory.dump, tmp_path / "x")), (quick, partial(quick.save_local, tmp_path))):
        store.add_texts(["a"], ids=["1"])
        write()
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        store.add_texts(["b"], [{"when": object()}], ids=["2"])
        with pytest.raises(TypeError, match="metadata of document '2' can't be written as JSON"):
            write()
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "content", ["", "[]", '{"a": 1}', '{"a": {"text": 3, "metadata": {}, "vector": []}}', "nothing"]
)
def test_a_file_that_is_none_of_ours_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "index.json"
    path.write_text(content)
    with pytest.raises(ValueError):  # noqa: PT011 (each has its own words)
        InMemoryVectorStore.load(path, Letters())
    (tmp_path / "index.faiss").write_bytes(b"")
    with pytest.raises(ValueError, match=r"doesn't hold what FAISS.save_local writes"):
        FAISS.load_local(tmp_path, Letters())


def test_files_that_do_not_belong_together_are_refused_and_pickles_are_not_read(tmp_path: Path) -> None:
    FAISS.from_texts(["a"], Letters()).save_local(tmp_path / "one")
    FAISS.from_texts(["a", "b"], Letters()).save_local(tmp_path / "two")
    (tmp_path / "one" / "index.faiss").replace(tmp_path / "two" / "index.faiss")
    with pytest.raises(ValueError, match=r"has 1 vectors, but .* has 2 documents"):
        FAISS.load_local(tmp_path / "two", Letters())
    (tmp_path / "two" / "index.faiss").write_bytes(b"no index of faiss")
    with pytest.raises(ValueError, match="doesn't hold an index of faiss"):
        FAISS.load_local(tmp_path / "two", Letters())
    (tmp_path / "two" / "index.json").rename(tmp_path / "two" / "index.pkl")
    with pytest.raises(ValueError, match="pickle, which could run code"):
        FAISS.load_local(tmp_path / "two", Letters(), allow_dangerous_deserialization=True)
    with pytest.raises(FileNotFoundError):
        FAISS.load_local(tmp_path / "three", Letters())
