"""How a model or tool looks to whoever listens, for tests of what they are told."""

from __future__ import annotations

from typing import Any


class Seen:
    """A model and a tool at once, whose parts can be told apart in what is told."""

    name, description = "shown", "does it"

    def asked(self, value: Any) -> Any:
        return ["asked", value]

    def answered(self, value: Any) -> Any:
        return {"answered": value}

    def said(self, asked: Any) -> list[str]:
        return [f"{each}" for each in asked]

    def piece(self, chunk: Any) -> tuple[str, Any]:
        return f"<{chunk}>", ("piece", chunk)

    def options(self) -> dict[str, Any]:
        return {"option": 1}

    def tool_call_id(self, value: Any) -> str:
        return f"call of {value}"
