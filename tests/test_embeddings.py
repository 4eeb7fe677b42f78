"""Embeddings: one's own have async forms that don't block; the fakes and the hashing ones are what they promise."""

from __future__ import annotations

import asyncio
import threading
from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from letter_embeddings import TEXTS, Letters
from pydantic import ValidationError

from anabranch.nodes import DeterministicFakeEmbedding, Embeddings, FakeEmbeddings, HashingEmbeddings, terms_of


def test_async_forms_that_were_not_written_run_in_a_thread() -> None:
    letters = Letters()

    async def main() -> tuple[list[list[float]], list[float]]:
        return await letters.aembed_documents(["a", "ab"]), await letters.aembed_query("c")

    assert asyncio.run(main()) == ([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]], [0.0, 0.0, 1.0])
    assert threading.get_ident() not in letters.threads


def test_blocking_embeddings_let_the_loop_go_on() -> None:
    gate = threading.Event()

    class Slow(Letters):
        def embed_query(self, text: str) -> list[float]:
            assert gate.wait(30)
            return super().embed_query(text)

    async def main() -> list[float]:
        waiting = asyncio.create_task(Slow().aembed_query("a"))
        await asyncio.sleep(0)
        gate.set()  # which a blocked loop would never come to
        return await waiting

    assert asyncio.run(main()) == [1.0, 0.0, 0.0]


def test_a_cancelled_call_waits_for_its_thread() -> None:
    gate, left = threading.Event(), threading.Event()

    async def main() -> None:
        loop, entered = asyncio.get_running_loop(), asyncio.Event()

        class Slow(Letters):
            def embed_query(self, text: str) -> list[float]:
                loop.call_soon_threadsafe(entered.set)
                assert gate.wait(30)
                left.set()
                return []

        task = asyncio.create_task(Slow().aembed_query("a"))
        await entered.wait()
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert left.is_set()

    asyncio.run(main())


def test_a_class_must_write_both_blocking_forms() -> None:
    class Half(Embeddings):
        def embed_query(self, text: str) -> list[float]:
            return []

    with pytest.raises(TypeError, match="embed_documents"):
        Half()  # type: ignore[abstract]


@given(texts=st.lists(st.text(max_size=10), max_size=5), size=st.integers(0, 20))
@settings(max_examples=30)
def test_a_deterministic_fake_gives_each_text_its_own_vector(texts: list[str], size: int) -> None:
    fake = DeterministicFakeEmbedding(size=size)
    vectors = fake.embed_documents(texts)
    assert [fake.embed_query(text) for text in texts] == vectors
    assert all(len(vector) == size for vector in vectors)
    assert size == 0 or len({tuple(vector) for vector in vectors}) == len(set(texts))


def test_its_numbers_are_those_of_langchain() -> None:
    found = DeterministicFakeEmbedding(size=2).embed_query("hé")
    assert all(isclose(a, b) for a, b in zip(found, [2.195445817005556, 1.1419634331880202], strict=True))
    assert type(found[0]) is float


def test_a_fake_gives_new_numbers_each_time() -> None:
    fake = FakeEmbeddings(size=4)
    assert fake.embed_query("a") != fake.embed_query("a")
    with pytest.raises(ValidationError):
        FakeEmbeddings(size=-1)


@given(texts=st.lists(TEXTS, max_size=4))
@settings(max_examples=30)
def test_hashed_vectors_have_length_one_or_zero_and_do_not_depend_on_their_neighbours(texts: list[str]) -> None:
    hashing = HashingEmbeddings(size=64)
    vectors = hashing.embed_documents(texts)
    assert vectors == [hashing.embed_query(text) for text in texts]
    for vector in vectors:
        assert len(vector) == 64
        assert isclose(sum(number * number for number in vector), 1.0) or not any(vector)


@pytest.mark.parametrize(
    "hashing",
    [
        HashingEmbeddings(),
        HashingEmbeddings(analyzer=terms_of),
        HashingEmbeddings(analyzer="word", ngram_range=(1, 2), stop_words="english"),
        HashingEmbeddings(analyzer="char"),
    ],
)
def test_hashed_texts_that_share_words_are_near(hashing: HashingEmbeddings) -> None:
    question, near, far = hashing.embed_documents(["honey of bears", "the bears eat honey", "cats sleep all day"])

    def product(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True))

    assert product(question, near) > product(question, far) + 0.1


def test_upper_case_counts_if_that_is_wanted() -> None:
    same, other = HashingEmbeddings(size=32), HashingEmbeddings(size=32, lowercase=False)
    assert same.embed_query("Bears") == same.embed_query("bears")
    assert other.embed_query("Bears") != other.embed_query("bears")


def test_a_setting_that_is_changed_counts_from_then_on() -> None:
    hashing = HashingEmbeddings(size=32)
    assert len(hashing.embed_query("bears")) == 32
    assert len(hashing.model_copy(update={"size": 8}).embed_query("bears")) == 8
    hashing.size = 16
    assert len(hashing.embed_query("bears")) == 16
