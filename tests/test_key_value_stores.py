"""Stores of values by keys keep what they are given, and a store of one's own needs its blocking forms alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from verbs import alist

from anabranch.nodes import BaseStore, InMemoryByteStore, InMemoryStore


class Shelf(BaseStore[str, Any]):
    """A store of one's own, without asynchronous forms."""

    def __init__(self) -> None:
        self.held: dict[str, Any] = {}

    def mget(self, keys: Sequence[str]) -> list[Any]:
        return [self.held.get(key) for key in keys]

    def mset(self, key_value_pairs: Sequence[tuple[str, Any]]) -> None:
        self.held.update(key_value_pairs)

    def mdelete(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.held.pop(key, None)

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        yield from (key for key in self.held if key.startswith(prefix or ""))


@pytest.mark.parametrize("make", [Shelf, InMemoryStore, InMemoryByteStore])
def test_what_is_kept_is_found_until_it_is_deleted(make: Any) -> None:
    store = make()
    store.mset([("a", b"1"), ("ab", b"2"), ("b", b"3"), ("a", b"4")])
    assert store.mget(["ab", "none", "a"]) == [b"2", None, b"4"]
    assert list(store.yield_keys()) == ["a", "ab", "b"]
    assert list(store.yield_keys(prefix="a")) == ["a", "ab"]
    store.mdelete(["a", "none"])
    assert store.mget(["a"]) == [None]
    assert store.mget([]) == []


@pytest.mark.parametrize("make", [Shelf, InMemoryStore])
def test_the_asynchronous_forms_do_the_same(make: Any) -> None:
    async def used() -> Any:
        store = make()
        await store.amset([("a", 1), ("ab", 2), ("b", None)])
        await store.amdelete(["b", "none"])
        return await store.amget(["a", "none"]), await alist(store.ayield_keys(prefix="ab"))

    assert asyncio.run(used()) == ([1, None], ["ab"])


def test_keys_may_be_deleted_while_they_are_read() -> None:
    store = InMemoryStore()
    store.mset([("a", 1), ("b", 2)])
    for key in store.yield_keys():
        store.mdelete([key])
    assert store.store == {}
