"""Puts the code of a changed file into the functions of a process that has imported the file as it was."""

from __future__ import annotations

import functools
import gc
from collections import defaultdict
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from types import CodeType, FunctionType
from typing import Any

Key = tuple[str, int]
"""Which code of a file: its qualified name, and its number among those of this name."""


class Functions:
    """The functions that are there when this is made, by file, and what keeps results."""

    def __init__(self) -> None:
        self.of: dict[str, list[FunctionType]] = defaultdict(list)
        self._caches: list[Any] = []
        gc.unfreeze()  # what the tests freeze after their collection isn't listed
        for each in gc.get_objects():
            if isinstance(each, FunctionType):
                self.of[each.__code__.co_filename].append(each)
            elif isinstance(each, functools._lru_cache_wrapper):
                self._caches.append(each)
        gc.freeze()

    def codes(self, file: str) -> Iterator[CodeType]:
        """All code of a file that may run yet."""
        for function in self.of[file]:
            yield from nested(function.__code__)

    def swap(self, file: str, old: str, new: str) -> bool:
        """Give the functions of a file their new code; False where one can't take it."""
        for cache in self._caches:
            if str(getattr(cache, "__module__", "")).startswith("anabranch."):
                cache.cache_clear()
        before, after = keyed(file, old), keyed(file, new)
        places = {_place(code): key for key, code in before.items()}
        for function in self.of[file]:
            key = places.get(_place(function.__code__))
            if key is None:  # made by another's hand, under the file's name
                continue
            if key not in after:
                return False
            try:
                function.__code__ = after[key]
            except ValueError:  # it has other free variables
                return False
        return True


def keyed(file: str, text: str) -> dict[Key, CodeType]:
    """All code of a file's text."""
    found: dict[Key, CodeType] = {}
    for code in nested(compile(text, file, "exec", dont_inherit=True)):
        number = 0
        while (code.co_qualname, number) in found:
            number += 1
        found[code.co_qualname, number] = code
    return found


def nested(code: CodeType) -> Iterator[CodeType]:
    """A code and all that stands in it."""
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from nested(each)


def _place(code: CodeType) -> tuple[str, int, Any]:
    return code.co_qualname, code.co_firstlineno, tuple(code.co_positions())


def import_as(module: str, text: str) -> None:
    """From now on, whoever imports the module gets this text."""
    get_code = SourceFileLoader.get_code

    def changed(self: SourceFileLoader, name: str) -> CodeType | None:
        return compile(text, self.path, "exec", dont_inherit=True) if name == module else get_code(self, name)

    SourceFileLoader.get_code = changed  # type: ignore[assignment, method-assign]
