"""Caches: what was answered, by what was asked and by whom.

A place in a cache has two parts, both texts: the *prompt*, which says what was asked, and the *llm string*, which says
what answered, with all of its settings. What stands there is a list: the candidate answers of a model, or the one
output of any other step.
"""

from __future__ import annotations

import copy
import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from anabranch.engine.errors import ConfigError
from anabranch.nodes.in_thread import in_thread

Answers = Sequence[Any]
"""What stands at a place."""


class BaseCache(ABC):
    """A cache of one's own: write `lookup`, `update` and `clear`. See the module for what is kept where.

    Write the asynchronous forms too where there is a way without a thread; otherwise they run the blocking ones in one.

    Example:
        >>> class Everything(BaseCache):
        ...     def __init__(self):
        ...         self.kept = {}
        ...
        ...     def lookup(self, prompt, llm_string):
        ...         return self.kept.get((prompt, llm_string))
        ...
        ...     def update(self, prompt, llm_string, return_val):
        ...         self.kept[prompt, llm_string] = return_val
        ...
        ...     def clear(self, **kwargs):
        ...         self.kept.clear()
        >>> shout = RunnableLambda(str.upper).with_cache(Everything(), name="shout")
        >>> shout.invoke("a"), shout.invoke("a")
        ('A', 'A')
    """

    @abstractmethod
    def lookup(self, prompt: str, llm_string: str) -> Answers | None:
        """What stands at a place; None when nothing does."""

    @abstractmethod
    def update(self, prompt: str, llm_string: str, return_val: Answers) -> None:
        """Put something at a place."""

    @abstractmethod
    def clear(self, **kwargs: Any) -> None:
        """Forget everything."""

    async def alookup(self, prompt: str, llm_string: str) -> Answers | None:
        """`lookup` without blocking."""
        found: Answers | None = await in_thread(self.lookup, prompt, llm_string)
        return found

    async def aupdate(self, prompt: str, llm_string: str, return_val: Answers) -> None:
        """`update` without blocking."""
        await in_thread(self.update, prompt, llm_string, return_val)

    async def aclear(self, **kwargs: Any) -> None:
        """`clear` without blocking."""
        await in_thread(lambda: self.clear(**kwargs))


class InMemoryCache(BaseCache):
    """Keeps what was answered as long as the process lives, and gives a copy of it to each who asks.

    Args:
        maxsize: how many answers it holds at most; then the one goes that was not asked for the longest. By default
            any number.

    Raises:
        ConfigError: a `ValueError`, when `maxsize` is less than 1.

    Example:
        >>> model = FakeListChatModel(responses=["yes", "no"], cache=InMemoryCache())
        >>> [model.invoke(question).content for question in ("Well?", "Well?", "Really?")]
        ['yes', 'yes', 'no']
    """

    def __init__(self, *, maxsize: int | None = None) -> None:
        if maxsize is not None and maxsize < 1:
            raise ConfigError(f"InMemoryCache: maxsize must be at least 1, or None for any number; got {maxsize!r}")
        self._maxsize = maxsize
        self._kept: OrderedDict[tuple[str, str], Answers] = OrderedDict()
        self._lock = threading.Lock()

    def lookup(self, prompt: str, llm_string: str) -> Answers | None:
        """See `BaseCache`."""
        with self._lock:
            found = self._kept.get((prompt, llm_string))
            if found is not None:
                self._kept.move_to_end((prompt, llm_string))
        return None if found is None else _copied(found)

    def update(self, prompt: str, llm_string: str, return_val: Answers) -> None:
        """See `BaseCache`."""
        kept = _copied(return_val)
        with self._lock:
            self._kept[prompt, llm_string] = kept
            self._kept.move_to_end((prompt, llm_string))
            if self._maxsize is not None and len(self._kept) > self._maxsize:
                self._kept.popitem(last=False)

    def clear(self, **kwargs: Any) -> None:
        """See `BaseCache`."""
        with self._lock:
            self._kept.clear()

    async def alookup(self, prompt: str, llm_string: str) -> Answers | None:
        """See `BaseCache`. It needs no thread."""
        return self.lookup(prompt, llm_string)

    async def aupdate(self, prompt: str, llm_string: str, return_val: Answers) -> None:
        """See `BaseCache`."""
        self.update(prompt, llm_string, return_val)

    async def aclear(self, **kwargs: Any) -> None:
        """See `BaseCache`."""
        self.clear()

    def __len__(self) -> int:
        return len(self._kept)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return "InMemoryCache()" if self._maxsize is None else f"InMemoryCache(maxsize={self._maxsize})"

    def __deepcopy__(self, memo: dict[int, Any]) -> InMemoryCache:
        return self  # a copy of a model shares its cache

    def __reduce__(self) -> tuple[Any, ...]:
        return _new_cache, (self._maxsize,)


def _new_cache(maxsize: int | None) -> InMemoryCache:
    return InMemoryCache(maxsize=maxsize)


def _copied(answers: Answers) -> Answers:
    """So that nobody changes what others get. What can't be copied is shared."""
    try:
        return copy.deepcopy(list(answers))
    except Exception:
        return list(answers)


class _Global:
    """What models without a cache of their own use."""

    cache: BaseCache | None = None


GLOBAL = _Global()


def set_llm_cache(cache: BaseCache | None) -> None:
    """Give a cache to all models whose `cache` is True or None; None takes it away.

    Raises:
        ConfigError: a `ValueError`, when it is no cache.

    Example:
        >>> set_llm_cache(InMemoryCache())
        >>> model = FakeListChatModel(responses=["yes", "no"])
        >>> model.invoke("Well?").content, model.invoke("Well?").content
        ('yes', 'yes')
        >>> set_llm_cache(None)
    """
    if cache is not None and not hasattr(cache, "lookup"):
        raise ConfigError(f"set_llm_cache takes a cache, such as InMemoryCache(), or None; got {cache!r:.80}")
    GLOBAL.cache = cache


def get_llm_cache() -> BaseCache | None:
    """The cache of all models that have none of their own; None when there is none.

    Example:
        >>> set_llm_cache(InMemoryCache(maxsize=100))
        >>> get_llm_cache()
        InMemoryCache(maxsize=100)
        >>> set_llm_cache(None)
    """
    return GLOBAL.cache
