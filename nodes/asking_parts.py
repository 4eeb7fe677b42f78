"""What a runnable tells by asking its parts, however deep they are nested: that costs no Python frames.

A method under `asks_parts` is a generator. It yields a part, or a tuple of a part and arguments, and is sent what the
method of the same name answers there. It returns its own answer. A part whose method is a plain one is just called.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

Asker = TypeVar("Asker")
Answer = TypeVar("Answer")
P = ParamSpec("P")

Asking = Generator[Any, Any, Answer]


def asks_parts(method: Callable[Concatenate[Asker, P], Asking[Answer]]) -> Callable[Concatenate[Asker, P], Answer]:
    """Make a method, or the function of a property, of a generator that asks parts."""
    name = method.__name__

    @wraps(method)
    def answer(self: Asker, *args: P.args, **kwargs: P.kwargs) -> Answer:
        return _answered(name, method(self, *args, **kwargs))

    answer._asking = method  # type: ignore[attr-defined]
    return cast(Callable[Concatenate[Asker, P], Answer], answer)


def of_each(asked: Iterable[Any]) -> Asking[list[Any]]:
    """What each of some parts answers, for a `yield from`."""
    answers = []
    for each in asked:
        answers.append((yield each))  # noqa: PERF401 (no comprehension may yield)
    return answers


def first_known(parts: Iterable[Any]) -> Asking[Any]:
    """The first type that one of some parts tells, for a `yield from`; Any if none does."""
    for part in parts:
        tp = yield part
        if tp is not Any:
            return tp
    return Any


def _answered(name: str, asking: Asking[Answer]) -> Answer:
    stack: list[Asking[Any]] = [asking]
    answer: Any = None
    while stack:
        try:
            asked = stack[-1].send(answer)
        except StopIteration as done:
            stack.pop()
            answer = done.value
            continue
        part, *args = asked if isinstance(asked, tuple) else (asked,)
        written = getattr(type(part), name)
        deeper = getattr(getattr(written, "fget", written), "_asking", None)
        if deeper is not None:
            stack.append(deeper(part, *args))
            answer = None
        else:
            told = getattr(part, name)
            answer = told(*args) if callable(written) else told
    result: Answer = answer
    return result
