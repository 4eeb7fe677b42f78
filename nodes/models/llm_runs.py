"""The run of a model from text to text, as handlers see it."""

from __future__ import annotations

from typing import Any

from anabranch.nodes.callbacks.model_runs import ModelView
from anabranch.nodes.messages.generations import Generation, GenerationChunk, LLMResult


class LLMView(ModelView):
    """See `ModelView`."""

    __slots__ = ()

    def asked(self, value: Any) -> list[str]:
        """The text, in a list; none of what can't be read as such."""
        try:
            return [self.model._asked(value)]
        except Exception:  # the model itself is about to raise it
            return [""]

    def answered(self, value: Any) -> Any:
        """The text, with what else the model said of it."""
        if self.result is not None:
            return self.result
        return LLMResult(generations=[[Generation(text=value)]]) if isinstance(value, str) else value

    def piece(self, chunk: Any) -> tuple[str, Any]:
        """The text of a chunk, and the chunk as one of an answer."""
        return chunk, GenerationChunk.model_construct(text=chunk, generation_info=None, type="Generation")

    def said(self, asked: Any) -> list[str]:
        """The texts."""
        return list(asked)

    def token(self, text: str, chunk: Any) -> str:
        """See `ModelView`."""
        return text
