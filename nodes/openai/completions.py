"""Models from text to text of OpenAI's completions API, and of every server that speaks it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import aclosing, closing
from typing import Any, ClassVar

from pydantic import Field, model_validator

from anabranch.nodes.messages.generations import Generation, GenerationChunk, LLMResult
from anabranch.nodes.messages.token_usage import add_counts
from anabranch.nodes.models.llms import BaseLLM
from anabranch.nodes.openai.settings import OpenAISettings
from anabranch.nodes.openai.streams import aanswer_of, aevents_of, answer_of, events_of

PARAMETERS = (
    "temperature",
    "max_tokens",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "n",
    "logit_bias",
    "seed",
    "logprobs",
    "extra_body",
)
"""The settings that a request says under the same name."""


class OpenAI(OpenAISettings, BaseLLM):
    """A model from text to text of OpenAI, or of any server that speaks its protocol: the completions API.

    Several texts at once go in one request. For chats there is `ChatOpenAI`. The optional dependencies `openai` bring
    the package: `pip install "anabranch[openai]"`.

    Args:
        model: the name of the model.
        temperature: how freely it answers, from 0 to 2.
        max_tokens: how long the answer may be; None as the server likes.
        top_p: which share of the likeliest next tokens it chooses from, up to 1.
        frequency_penalty: how much it avoids what was said often, from -2 to 2.
        presence_penalty: how much it avoids what was said, from -2 to 2.
        n: how many answers to each text. The first is the output, handlers see all; a stream has the first only.
        best_of: how many the server makes, to give the best `n`.
        logit_bias: by how much tokens are made likelier, from -100 to 100, by their numbers.
        logprobs: tell of how many tokens how likely they were, in `generation_info`.
        seed: the same seed is to give the same answer.
        batch_size: how many texts go in one request.
        streaming: let `invoke` use a stream, too.
        extra_body: other parameters of every request, which only the server knows.
        **settings: of the connection; see `OpenAISettings`.

    Raises:
        MissingExtraError: an `ImportError`, when the package openai isn't installed.
        openai.OpenAIError: when there is no key; when a request fails, or a stream breaks off.

    Example:
        >>> OpenAI(model="gpt-3.5-turbo-instruct", api_key="sk-...", temperature=0).model_name
        'gpt-3.5-turbo-instruct'
    """

    RESOURCE: ClassVar[str] = "completions"
    PROVIDER: ClassVar[str | None] = "openai"

    model_name: str = Field(default="gpt-3.5-turbo-instruct", alias="model")
    temperature: float = 0.7
    max_tokens: int | None = Field(default=256, ge=1)
    top_p: float = 1
    frequency_penalty: float = 0
    presence_penalty: float = 0
    n: int = Field(default=1, ge=1)
    best_of: int = Field(default=1, ge=1)
    logit_bias: dict[str, float] | None = None
    logprobs: int | None = None
    seed: int | None = None
    batch_size: int = Field(default=20, ge=1)
    streaming: bool = False
    extra_body: Mapping[str, Any] | None = None

    @model_validator(mode="after")
    def _fitting_numbers(self) -> OpenAI:
        if self.streaming and max(self.n, self.best_of) > 1:
            raise ValueError(f"n and best_of must be 1 with streaming; they are {self.n} and {self.best_of}")
        return self

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, **self._parameters()}

    @property
    def _llm_type(self) -> str:
        return "openai"

    def _generate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        if self.streaming:
            return _gathered([self._read(prompt, stop, run_manager, kwargs) for prompt in prompts])
        return _gathered(
            [
                _result(request, answer_of(self._clients, self.RESOURCE, request))
                for request in self._requests(prompts, stop, kwargs)
            ]
        )

    async def _agenerate(
        self, prompts: list[str], stop: list[str] | None = None, run_manager: Any = None, **kwargs: Any
    ) -> LLMResult:
        if self.streaming:
            return _gathered([await self._aread(prompt, stop, run_manager, kwargs) for prompt in prompts])
        return _gathered(
            [
                _result(request, await aanswer_of(self._clients, self.RESOURCE, request))
                for request in self._requests(prompts, stop, kwargs)
            ]
        )

    def _stream(
        self, prompt: str, stop: list[str] | None = None, **kwargs: Any
    ) -> Generator[GenerationChunk, None, None]:
        request = self._request(prompt, stop, kwargs)
        with closing(events_of(self._clients, self.RESOURCE, request)) as events:
            for event in events:
                yield from _chunks(event)

    async def _astream(
        self, prompt: str, stop: list[str] | None = None, **kwargs: Any
    ) -> AsyncGenerator[GenerationChunk, None]:
        request = self._request(prompt, stop, kwargs)
        async with aclosing(aevents_of(self._clients, self.RESOURCE, request)) as events:
            async for event in events:
                for chunk in _chunks(event):
                    yield chunk

    def _read(self, prompt: str, stop: list[str] | None, run_manager: Any, kwargs: dict[str, Any]) -> LLMResult:
        """The answer to a text, as it is streamed."""
        total = GenerationChunk(text="")
        with closing(self._stream(prompt, stop, **kwargs)) as chunks:
            for chunk in chunks:
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text)
                total = total + chunk
        return _streamed(total)

    async def _aread(self, prompt: str, stop: list[str] | None, run_manager: Any, kwargs: dict[str, Any]) -> LLMResult:
        total = GenerationChunk(text="")
        async with aclosing(self._astream(prompt, stop, **kwargs)) as chunks:
            async for chunk in chunks:
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text)
                total = total + chunk
        return _streamed(total)

    def _parameters(self) -> dict[str, Any]:
        """What every request says beside the texts."""
        given = {name: getattr(self, name) for name in PARAMETERS}
        if self.best_of > 1:
            given["best_of"] = self.best_of
        said = {name: value for name, value in given.items() if value is not None}
        return {"model": self.model_name, **said, **self.model_kwargs}

    def _request(self, prompt: str | list[str], stop: list[str] | None, kwargs: dict[str, Any]) -> dict[str, Any]:
        stops = {} if stop is None else {"stop": stop}
        return {**self._parameters(), **kwargs, **stops, "prompt": prompt}

    def _requests(self, prompts: list[str], stop: list[str] | None, kwargs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(prompts), self.batch_size):
            yield self._request(prompts[start : start + self.batch_size], stop, kwargs)


def _result(request: dict[str, Any], response: dict[str, Any]) -> LLMResult:
    """The answers to the texts of a request.

    Raises:
        ValueError: when they aren't as many as asked for.
    """
    count, each = len(request["prompt"]), request.get("n") or 1
    choices = sorted(response.get("choices") or [], key=lambda choice: int(choice.get("index") or 0))
    if len(choices) != count * each:
        raise ValueError(f"the server has given {len(choices)} answers to {count} texts; expected {each} to each")
    made = [Generation(text=choice.get("text") or "", generation_info=_info(choice)) for choice in choices]
    told = {name: response[name] for name in ("system_fingerprint",) if response.get(name) is not None}
    return LLMResult(
        generations=[made[start : start + each] for start in range(0, len(made), each)],
        llm_output={"model_name": response.get("model"), "token_usage": response.get("usage") or {}, **told},
    )


def _chunks(event: dict[str, Any]) -> Iterator[GenerationChunk]:
    """The piece of the first answer that an event brings."""
    for choice in event.get("choices") or []:
        if (choice.get("index") or 0) == 0:
            yield GenerationChunk(text=choice.get("text") or "", generation_info=_info(choice) or None)


def _info(choice: dict[str, Any]) -> dict[str, Any]:
    return {name: choice[name] for name in ("finish_reason", "logprobs") if choice.get(name) is not None}


def _streamed(total: GenerationChunk) -> LLMResult:
    return LLMResult(generations=[[Generation(text=total.text, generation_info=total.generation_info)]])


def _gathered(results: list[LLMResult]) -> LLMResult:
    """The answers of several requests, and what they cost together."""
    usage: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    for result in results:
        facts = {**(result.llm_output or {}), **facts}
        usage = add_counts(usage, (result.llm_output or {}).get("token_usage") or {})
    return LLMResult(
        generations=[answers for result in results for answers in result.generations],
        llm_output={**facts, "token_usage": usage} if facts else None,
    )
