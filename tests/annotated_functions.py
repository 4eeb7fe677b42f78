"""Functions and types whose annotations the tests of composition look at."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from typing import Any, TypedDict

from pydantic import BaseModel

from anabranch.nodes import (
    PromptTemplate,
    RunnableParallel,
)


def length(text: str) -> int:
    return len(text)


def half(number: int) -> float:
    return number / 2


def shout(text: str) -> str:
    return text.upper()


def of_dict(values: dict[str, Any]) -> int:
    return len(values)


async def alength(text: str) -> int:
    return len(text)


def awaiting(text: str) -> Awaitable[int]:
    return alength(text)


def lengths(texts: Iterator[str]) -> Iterator[int]:
    return map(len, texts)


def generated(texts: Iterator[str]) -> Iterator[int]:
    yield from map(len, texts)


def maybe(text: str) -> str | None:
    return text or None


def unknown(x):  # type: ignore[no-untyped-def]
    return x


class Named(TypedDict):
    name: str


def name_of(named: Named) -> str:
    return named["name"]


class Person(BaseModel):
    name: str


class Child(Person):
    age: int


def greet(person: Person) -> str:
    return f"hello, {person.name}"


def raise_child(text: str) -> Child:
    return Child(name=text, age=0)


def a_person(text: str) -> Person:
    return Person(name=text)


BOTH = RunnableParallel(n=length, text=shout)
PROMPT = PromptTemplate.from_template("{text} {question}")
