"""What a model from text to text answers: to many texts at once, and piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from anabranch.engine.config import RunnableConfig
from anabranch.nodes.caching import Kept
from anabranch.nodes.callbacks.model_runs import note_result
from anabranch.nodes.callbacks.run_managers import run_in
from anabranch.nodes.messages.generations import Generation, GenerationChunk, LLMResult
from anabranch.nodes.messages.merging import merge_dicts

if TYPE_CHECKING:
    from anabranch.nodes.models.llms import BaseLLM


class Many:
    """Inputs that are answered together, but for those whose answer stands in a cache."""

    def __init__(
        self, model: BaseLLM, kwargs: dict[str, Any], inputs: list[Any], configs: list[RunnableConfig]
    ) -> None:
        self._model = model
        self._asked = [model._asked(each) for each in inputs]
        self._configs = configs
        self._runs = [run_in(config) for config in configs]
        kept = [model._kept_for(kwargs, each) for each in self._asked]
        self.places = list(zip(kept, self._runs, strict=True))
        self._results: list[LLMResult | None] = []
        self.left: list[int] = []

    def found(self, results: list[LLMResult | None]) -> None:
        """What stood in the cache."""
        self._results = results
        self.left = [at for at, result in enumerate(results) if result is None]

    @property
    def prompts(self) -> list[str]:
        """What is left to ask."""
        return [self._asked[at] for at in self.left]

    @property
    def config(self) -> RunnableConfig:
        """The config that stands for those that are left."""
        return self._configs[self.left[0]]

    def take(self, made: LLMResult) -> list[tuple[Kept, LLMResult]]:
        """What was answered to those; where it is to be kept."""
        results = made.flatten()
        if len(results) != len(self.left):
            raise ValueError(f"{self._model.get_name()} gave {len(results)} answers to {len(self.left)} texts")
        for at, result in zip(self.left, results, strict=True):
            self._results[at] = result
        kept = [(self.places[at][0], result) for at, result in zip(self.left, results, strict=True)]
        return [(place, result) for place, result in kept if place is not None]

    def told(self) -> list[LLMResult]:
        """All results, of which those who listen know."""
        results = [result for result in self._results if result is not None]
        for run, result in zip(self._runs, results, strict=True):
            if run is not None:
                note_result(self._model, result, run)
        return results


class TextAnswer:
    """The pieces of one answer, as they pass by; what is said of them is told when the answer is whole."""

    def __init__(self, model: BaseLLM) -> None:
        self._model = model
        self._info: dict[str, Any] | None = None
        self._texts: list[str] = []

    def label(self, generation: GenerationChunk) -> str:
        """The text of a piece."""
        if generation.generation_info:
            self._info = merge_dicts(self._info or {}, generation.generation_info)
        self._texts.append(generation.text)
        return generation.text

    def ending(self) -> Iterator[str]:
        """An empty text where there was none at all."""
        if not self._texts:
            yield ""
        if self._info is not None:
            note_result(self._model, self.result("".join(self._texts)))

    def result(self, total: str) -> LLMResult:
        """The whole, of the chunks added up."""
        return LLMResult(generations=[[Generation(text=total, generation_info=self._info)]])
