"""What LangChain's documentation shows how to do works with `anabranch.nodes`, and gives the same.

Each program takes all names from `L`, so that it runs with another library too, and says above itself what it gives.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import documented_programs
import pytest

import anabranch.nodes


def programs() -> list[Any]:
    found = []
    for module in pkgutil.iter_modules(documented_programs.__path__):
        names = vars(importlib.import_module(f"documented_programs.{module.name}"))
        found += [
            pytest.param(each, id=f"{module.name}-{name}") for name, each in names.items() if hasattr(each, "expected")
        ]
    return found


@pytest.mark.parametrize("program", programs())
def test_a_documented_program_gives_what_is_written_above_it(program: Any) -> None:
    assert as_lists(program(anabranch.nodes)) == program.expected


def as_lists(value: Any) -> Any:
    """A value with lists for tuples."""
    if isinstance(value, list | tuple):
        return [as_lists(each) for each in value]
    if isinstance(value, dict):
        return {key: as_lists(each) for key, each in value.items()}
    return value
