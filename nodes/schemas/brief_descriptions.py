"""What JSON schemas say of a class whose docstring tells programmers more: its first paragraph."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

from pydantic import ConfigDict


def _first_paragraph(schema: dict[str, Any], described: type) -> None:
    # Some versions of pydantic put the whole docstring there before this, others after it where nothing stands yet.
    if described.__doc__:
        schema["description"] = cleandoc(described.__doc__).partition("\n\n")[0]


BRIEF = ConfigDict(json_schema_extra=_first_paragraph)
"""For a model's `model_config`, or by `with_config` for a TypedDict."""

BRIEF_AND_OPEN = ConfigDict(json_schema_extra=_first_paragraph, extra="allow")
"""The same for messages and what is in them, which keep keys that a provider has added."""
