"""What a program gives, written above it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Program = Callable[[Any], object]


def gives(expected: object, *, there: str = "") -> Callable[[Program], Program]:
    """Says what a program gives, for its test.

    Args:
        expected: as plain data; a tuple and a list are the same.
        there: what is different with LangChain, on purpose.
    """

    def mark(program: Program) -> Program:
        program.__dict__["expected"] = expected
        return program

    return mark
