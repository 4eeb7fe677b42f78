"""What JSON schemas say of a class whose docstring tells programmers more: its first paragraph."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict


def _first_paragraph(schema: dict[str, Any]) -> None:
    if "description" in schema:
        schema["description"] = schema["description"].partition("\n\n")[0]


BRIEF = ConfigDict(json_schema_extra=_first_paragraph)
"""For a model's `model_config`, or by `with_config` for a TypedDict."""

BRIEF_AND_OPEN = ConfigDict(json_schema_extra=_first_paragraph, extra="allow")
"""The same for messages and what is in them, which keep keys that a provider has added."""
