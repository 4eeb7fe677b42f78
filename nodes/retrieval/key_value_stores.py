"""Stores of values by keys, many at a time: the base of one's own, and those in memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Generic, TypeVar

from anabranch.nodes.in_thread import in_thread

K = TypeVar("K")
V = TypeVar("V")


class BaseStore(ABC, Generic[K, V]):
    """Keeps values by keys. Subclass it for a place of one's own, and write the four blocking forms.

    Write the asynchronous forms too where there is a way without a thread.

    Example:
        >>> class Shelf(BaseStore[str, str]):
        ...     def __init__(self):
        ...         self.held = {}
        ...
        ...     def mget(self, keys):
        ...         return [self.held.get(key) for key in keys]
        ...
        ...     def mset(self, key_value_pairs):
        ...         self.held.update(key_value_pairs)
        ...
        ...     def mdelete(self, keys):
        ...         for key in keys:
        ...             self.held.pop(key, None)
        ...
        ...     def yield_keys(self, prefix=None):
        ...         yield from (key for key in self.held if key.startswith(prefix or ""))
        >>> shelf = Shelf()
        >>> shelf.mset([("a", "apple"), ("b", "bear")])
        >>> shelf.mget(["b", "c"])
        ['bear', None]
    """

    @abstractmethod
    def mget(self, keys: Sequence[K]) -> list[V | None]:
        """The values of keys, in their order; None for a key that has none."""

    async def amget(self, keys: Sequence[K]) -> list[V | None]:
        """As `mget`, without blocking."""
        return await in_thread(self.mget, keys)

    @abstractmethod
    def mset(self, key_value_pairs: Sequence[tuple[K, V]]) -> None:
        """Keep values by keys. A value replaces the one that its key had."""

    async def amset(self, key_value_pairs: Sequence[tuple[K, V]]) -> None:
        """As `mset`, without blocking."""
        await in_thread(self.mset, key_value_pairs)

    @abstractmethod
    def mdelete(self, keys: Sequence[K]) -> None:
        """Forget keys and their values. Keys that have none are passed over."""

    async def amdelete(self, keys: Sequence[K]) -> None:
        """As `mdelete`, without blocking."""
        await in_thread(self.mdelete, keys)

    @abstractmethod
    def yield_keys(self, *, prefix: str | None = None) -> Iterator[K]:
        """The keys, or those that begin with `prefix`."""

    async def ayield_keys(self, *, prefix: str | None = None) -> AsyncIterator[K]:
        """As `yield_keys`, without blocking. They are all read before the first is given."""
        for key in await in_thread(lambda: list(self.yield_keys(prefix=prefix))):
            yield key


class InMemoryBaseStore(BaseStore[str, V]):
    """Keeps values by texts, in memory.

    Attributes:
        store: the values by their keys.

    Example:
        >>> numbers: InMemoryBaseStore[int] = InMemoryBaseStore()
        >>> numbers.mset([("one", 1), ("two", 2)])
        >>> numbers.mget(["two", "three"]), numbers.store
        ([2, None], {'one': 1, 'two': 2})
    """

    def __init__(self) -> None:
        self.store: dict[str, V] = {}

    def mget(self, keys: Sequence[str]) -> list[V | None]:
        """The values of keys, in their order; None for a key that has none."""
        return [self.store.get(key) for key in keys]

    async def amget(self, keys: Sequence[str]) -> list[V | None]:
        """As `mget`; it never blocks."""
        return self.mget(keys)

    def mset(self, key_value_pairs: Sequence[tuple[str, V]]) -> None:
        """Keep values by keys. A value replaces the one that its key had."""
        self.store.update(key_value_pairs)

    async def amset(self, key_value_pairs: Sequence[tuple[str, V]]) -> None:
        """As `mset`; it never blocks."""
        self.mset(key_value_pairs)

    def mdelete(self, keys: Sequence[str]) -> None:
        """Forget keys and their values. Keys that have none are passed over."""
        for key in keys:
            self.store.pop(key, None)

    async def amdelete(self, keys: Sequence[str]) -> None:
        """As `mdelete`; it never blocks."""
        self.mdelete(keys)

    def yield_keys(self, *, prefix: str | None = None) -> Iterator[str]:
        """The keys, or those that begin with `prefix`, in the order in which they came."""
        yield from [key for key in self.store if key.startswith(prefix or "")]

    async def ayield_keys(self, *, prefix: str | None = None) -> AsyncIterator[str]:
        """As `yield_keys`; it never blocks."""
        for key in self.yield_keys(prefix=prefix):
            yield key


class InMemoryStore(InMemoryBaseStore[Any]):
    """Keeps any values by texts, in memory.

    Example:
        >>> store = InMemoryStore()
        >>> store.mset([("doc:1", Document("bears like honey")), ("key", 2)])
        >>> store.mget(["key", "none"]), list(store.yield_keys(prefix="doc:"))
        ([2, None], ['doc:1'])
        >>> store.mdelete(["key"])
    """


class InMemoryByteStore(InMemoryBaseStore[bytes]):
    """Keeps bytes by texts, in memory.

    Example:
        >>> store = InMemoryByteStore()
        >>> store.mset([("a", b"apple")])
        >>> store.mget(["a"])
        [b'apple']
    """


ByteStore = BaseStore[str, bytes]
