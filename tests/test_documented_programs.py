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


def programs_of(module: str) -> dict[str, Any]:
    names = vars(importlib.import_module(f"documented_programs.{module}"))
    return {name: each for name, each in names.items() if hasattr(each, "expected")}


MODULES = [module.name for module in pkgutil.iter_modules(documented_programs.__path__)]
PROGRAMS = {module: programs for module in MODULES if (programs := programs_of(module))}


@pytest.mark.parametrize("module", PROGRAMS)
def test_a_documented_program_gives_what_is_written_above_it(module: str) -> None:
    for name, program in PROGRAMS[module].items():
        try:
            assert as_lists(program(anabranch.nodes)) == program.expected
        except BaseException as error:
            error.add_note(f"in {name}")
            raise


def as_lists(value: Any) -> Any:
    """A value with lists for tuples."""
    if isinstance(value, list | tuple):
        return [as_lists(each) for each in value]
    if isinstance(value, dict):
        return {key: as_lists(each) for key, each in value.items()}
    return value
