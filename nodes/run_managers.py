"""What a function that takes a `run_manager` gets."""

from __future__ import annotations

from typing import Any

from anabranch.engine.config import RunnableConfig


class RunManager:
    """A function's view of its run: what to hand down to what it calls."""

    def __init__(self, config: RunnableConfig) -> None:
        self.config = config
        self.tags: list[str] = config.get("tags") or []
        self.metadata: dict[str, Any] = config.get("metadata") or {}

    def get_child(self, tag: str | None = None) -> Any:
        """The callbacks for something called inside."""
        return self.config.get("callbacks")
