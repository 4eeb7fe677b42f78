"""Models from text to text: write `_call`, or one form of `_generate`, `_stream`, `_agenerate` or `_astream`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from anabranch.engine.config import RunnableConfig
from anabranch.engine.operators import Operator
from anabranch.nodes.messages.buffer_strings import get_buffer_string
from anabranch.nodes.messages.conversion import convert_to_messages
from anabranch.nodes.messages.generations import Generation, GenerationChunk, LLMResult
from anabranch.nodes.messages.prompt_values import PromptValue
from anabranch.nodes.models.answering import derived_from, given_to, unwritten
from anabranch.nodes.models.language_models import BaseLanguageModel, as_prompt
from anabranch.nodes.models.llm_answers import Many, TextAnswer
from anabranch.nodes.models.llm_runs import LLMView


class BaseLLM(BaseLanguageModel[str]):
    """A model that answers a text with a text, and may take many texts at once.

    Subclass it, declare the settings as fields, and write at least one of `_generate` and `_agenerate`, which take a
    list of texts, and `_stream` and `_astream`, which take one. A batch calls `_generate` with all texts that wait for
    it. For one text at a time, `LLM` is simpler.

    Example:
        >>> class Shout(BaseLLM):
        ...     def _generate(self, prompts, stop=None, **kwargs):
        ...         return LLMResult(generations=[[Generation(text=prompt.upper())] for prompt in prompts])
        >>> Shout().batch(["hold", "the line"])
        ['HOLD', 'THE LINE']
    """

    RUN_TYPE: ClassVar[str] = "llm"

    @property
    def OutputType(self) -> Any:
        """Text."""
        return str

    @unwritten
    def _generate(self, prompts: list[str], stop: list[str] | None = None, **kwargs: Any) -> LLMResult:
        """Answer some texts.

        Args:
            prompts: the texts.
            stop: texts at which an answer ends.
            **kwargs: what else was bound to the model.
        """
        raise NotImplementedError

    @unwritten
    async def _agenerate(self, prompts: list[str], stop: list[str] | None = None, **kwargs: Any) -> LLMResult:
        """Answer some texts. Arguments as for `_generate`."""
        raise NotImplementedError

    @unwritten
    def _stream(self, prompt: str, stop: list[str] | None = None, **kwargs: Any) -> Iterator[GenerationChunk]:
        """Answer a text piece by piece. Other arguments as for `_generate`."""
        raise NotImplementedError

    @unwritten
    def _astream(self, prompt: str, stop: list[str] | None = None, **kwargs: Any) -> AsyncIterator[GenerationChunk]:
        """Answer a text piece by piece. An async generator; arguments as for `_stream`."""
        raise NotImplementedError

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Any:
        """Not possible: it takes a model that can call tools, which is a chat model.

        Raises:
            NotImplementedError: always.
        """
        raise NotImplementedError(
            f"{type(self).__name__} answers with text and can't call tools. Tell it the format in the prompt and parse "
            "what it says, with JsonOutputParser or PydanticOutputParser"
        )

    # Many texts at once

    def generate(
        self,
        prompts: Sequence[str],
        stop: list[str] | None = None,
        callbacks: Any = None,
        *,
        tags: Any = None,
        metadata: Any = None,
        run_name: Any = None,
        run_id: Any = None,
        **kwargs: Any,
    ) -> LLMResult:
        """All candidate answers to each of some texts.

        Args:
            prompts: the texts.
            stop: texts at which an answer ends.
            callbacks, tags, metadata, run_name: as in config; or a list with one for each text.
            run_id: the id of the first run, or a list with one for each.
            **kwargs: for the model.

        Raises:
            StepInputError: a `TypeError`, when `prompts` is no list of texts.
        """
        about = {"callbacks": callbacks, "tags": tags, "metadata": metadata, "run_name": run_name, "run_id": run_id}
        return self._generate_all(prompts, stop, about, kwargs)

    async def agenerate(
        self,
        prompts: Sequence[str],
        stop: list[str] | None = None,
        callbacks: Any = None,
        *,
        tags: Any = None,
        metadata: Any = None,
        run_name: Any = None,
        run_id: Any = None,
        **kwargs: Any,
    ) -> LLMResult:
        """`generate` on the running event loop."""
        about = {"callbacks": callbacks, "tags": tags, "metadata": metadata, "run_name": run_name, "run_id": run_id}
        return await self._agenerate_all(prompts, stop, about, kwargs)

    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
        """What is said of the first answer; `_generate` says the same of all that it takes at once."""
        return next((told for told in llm_outputs if told), {})

    # Questions and answers

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        operator = super()._operator(kwargs)
        takes_many, atakes_many = (
            self._has_form(form) and getattr(getattr(type(self), form), "stands_for", None) is None
            for form in ("_generate", "_agenerate")
        )
        return replace(
            operator,
            batch=partial(self._answers, kwargs) if takes_many else None,
            abatch=partial(self._aanswers, kwargs) if atakes_many else None,
        )

    def _answers(self, kwargs: dict[str, Any], inputs: list[Any], configs: list[RunnableConfig]) -> list[str]:
        return [self._output(result) for result in self._results(kwargs, inputs, configs)]

    async def _aanswers(self, kwargs: dict[str, Any], inputs: list[Any], configs: list[RunnableConfig]) -> list[str]:
        return [self._output(result) for result in await self._aresults(kwargs, inputs, configs)]

    def _results(self, kwargs: dict[str, Any], inputs: list[Any], configs: list[RunnableConfig]) -> list[LLMResult]:
        many = Many(self, kwargs, inputs, configs)
        many.found([None if kept is None else kept.find(run) for kept, run in many.places])
        if many.left:
            made = self._generate(many.prompts, **self._given("_generate", kwargs, many.config))
            for kept, result in many.take(made):
                kept.put(result)
        return many.told()

    async def _aresults(
        self, kwargs: dict[str, Any], inputs: list[Any], configs: list[RunnableConfig]
    ) -> list[LLMResult]:
        many = Many(self, kwargs, inputs, configs)
        many.found([None if kept is None else await kept.afind(run) for kept, run in many.places])
        if many.left:
            made = await self._agenerate(many.prompts, **self._given("_agenerate", kwargs, many.config))
            for kept, result in many.take(made):
                await kept.aput(result)
        return many.told()

    def _asked(self, input: Any) -> str:
        prompt = as_prompt(input, self.get_name())
        if isinstance(prompt, str):
            return prompt
        return prompt.to_string() if isinstance(prompt, PromptValue) else get_buffer_string(convert_to_messages(prompt))

    def _posed(self, asked: str) -> list[str]:
        return [asked]

    def _prompt_key(self, asked: str) -> str:
        return asked

    def _candidates(self, result: LLMResult) -> Sequence[Generation]:
        if not result.generations or not result.generations[0]:
            raise ValueError(f"{self.get_name()} gave no answer: its LLMResult has no generation")
        return result.generations[0]  # type: ignore[return-value] # of messages only where it is a chat model's

    def _output(self, result: LLMResult) -> str:
        return self._candidates(result)[0].text

    def _chunk_of_result(self, result: LLMResult) -> str:
        return self._output(result)

    def _from_cache(self, found: Sequence[Generation]) -> LLMResult:
        return LLMResult(generations=[list(found)])

    def _labelling(self) -> TextAnswer:
        return TextAnswer(self)

    def _view(self, kwargs: dict[str, Any]) -> LLMView:
        return LLMView(self, kwargs)


class LLM(BaseLLM):
    """A model that answers one text at a time: write `_call`, and `_acall` where there is a way without a thread.

    `_stream` and `_astream` make its tokens stream; either is enough by itself. Each may take a `run_manager`.

    Example:
        >>> class Echo(LLM):
        ...     def _call(self, prompt, stop=None, **kwargs):
        ...         return prompt
        >>> Echo().invoke("as it is")
        'as it is'
    """

    @unwritten
    def _call(self, prompt: str, stop: list[str] | None = None, **kwargs: Any) -> str:
        """Answer a text.

        Args:
            prompt: the text.
            stop: texts at which the answer ends.
            **kwargs: what else was bound to the model.
        """
        raise NotImplementedError

    @unwritten
    async def _acall(self, prompt: str, stop: list[str] | None = None, **kwargs: Any) -> str:
        """Answer a text. Arguments as for `_call`."""
        raise NotImplementedError

    @derived_from("_call")
    def _generate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        given = given_to(type(self)._call, stop, run_manager, kwargs)
        texts = [self._call(prompt, **given) for prompt in prompts]
        return LLMResult(generations=[[Generation(text=text)] for text in texts])

    @derived_from("_acall")
    async def _agenerate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        given = given_to(type(self)._acall, stop, run_manager, kwargs)
        texts = [await self._acall(prompt, **given) for prompt in prompts]
        return LLMResult(generations=[[Generation(text=text)] for text in texts])
