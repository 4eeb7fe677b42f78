"""What chat models and models from text to text have in common: their settings, how they are asked, how they build.

What they answer, and by which of their methods, is the business of `answering`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, TypeVar
from uuid import uuid4

from pydantic import Field, PrivateAttr, SecretBytes, SecretStr, field_validator

from anabranch.engine.building import Builder, Place, build
from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import ConfigError, StepInputError
from anabranch.engine.graphs import Graph, Source
from anabranch.engine.operators import Operator
from anabranch.nodes.caching import Kept
from anabranch.nodes.callbacks.model_runs import Made
from anabranch.nodes.messages.any_message import AnyMessage
from anabranch.nodes.messages.buffer_strings import get_buffer_string
from anabranch.nodes.messages.conversion import MessageLike
from anabranch.nodes.messages.generations import LLMResult, RunInfo
from anabranch.nodes.messages.messages import BaseMessage
from anabranch.nodes.messages.prompt_values import ChatPromptValueConcrete, PromptValue, StringPromptValue
from anabranch.nodes.models.answering import Answering
from anabranch.nodes.models.caches import BaseCache, get_llm_cache
from anabranch.nodes.models.exact_json import exact_json, name_of, token_of
from anabranch.nodes.models.results import Results, configs_for
from anabranch.nodes.rate_limiting import limited
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.serializable import RunnableSerializable
from anabranch.nodes.tracing.console import ConsoleTracer

LanguageModelInput = PromptValue | str | Sequence[MessageLike]
"""What a model can be asked with: a prompt value, the text of one human message, or a list of messages."""

Output = TypeVar("Output", covariant=True)

TOKEN = re.compile(r"\w{1,6}|[^\w\s]")


def setting() -> Any:
    """A field that changes nothing of what a model answers."""
    return Field(default=None, exclude=True, repr=False)


class BaseLanguageModel(Answering, RunnableSerializable[LanguageModelInput, Output]):
    """What all models have in common. Write your own below `BaseChatModel`, `SimpleChatModel`, `LLM` or `BaseLLM`.

    Args:
        name: the name in traces, drawings and errors; by default that of the class.
        cache: a cache for its answers; True for the one of `set_llm_cache`; False for none. By default that if there is
            one. Answers are found by the class and the fields, but for those that are declared with `exclude=True`.
        rate_limiter: how often it may be asked. Answers from the cache don't count.
        disable_streaming: answer in one piece when streamed, too; "tool_calling": where tools are bound.
        callbacks, tags, metadata: for its runs, as in config.
        verbose: tell of its runs on the console.
        custom_get_token_ids: how a text is cut to tokens, as numbers.

    Raises:
        pydantic.ValidationError: a `ValueError`, when it is made with a wrong setting.
        ConfigError: a `ValueError`, when it runs with `cache=True` and `set_llm_cache` was given none.

    Example:
        >>> def ask(model: BaseLanguageModel, question):
        ...     return (model | StrOutputParser()).invoke(question)
        >>> ask(FakeListLLM(responses=["yes"]), "Well?"), ask(FakeListChatModel(responses=["no"]), "Well?")
        ('yes', 'no')
    """

    PROVIDER: ClassVar[str | None] = None
    """Who runs the model, for `ls_provider`; by default the class's name without what says that it is a model."""

    cache: Any = setting()  # a BaseCache, or what has its methods
    rate_limiter: Any = setting()  # a BaseRateLimiter, or what has its methods
    disable_streaming: bool | Literal["tool_calling"] = Field(default=False, exclude=True, repr=False)
    callbacks: Any = setting()
    tags: list[str] | None = setting()
    metadata: dict[str, Any] | None = setting()
    verbose: bool = Field(default=False, exclude=True, repr=False)
    custom_get_token_ids: Callable[[str], list[int]] | None = setting()
    _mark: str = PrivateAttr(default_factory=lambda: uuid4().hex)

    @field_validator("cache")
    @classmethod
    def _check_cache(cls, given: Any) -> Any:
        if given is None or isinstance(given, bool) or hasattr(given, "lookup"):
            return given
        raise ValueError(f"cache takes a cache, such as InMemoryCache(), or True, False or None; got {given!r:.80}")

    @field_validator("rate_limiter")
    @classmethod
    def _check_rate_limiter(cls, given: Any) -> Any:
        if given is None or hasattr(given, "acquire"):
            return given
        raise ValueError(f"rate_limiter takes a rate limiter, such as InMemoryRateLimiter(); got {given!r:.80}")

    @property
    def _llm_type(self) -> str:
        """What kind of model it is, for handlers."""
        return type(self).__name__

    @property
    def _identifying_params(self) -> dict[str, Any]:
        """The settings that handlers are told of, such as the name of the model. No secrets."""
        return {}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:
        """What the metadata of its runs say of it, by the names that tracers know from LangSmith (`ls_...`).

        A model with a name (`model` or `model_name`) is told of with its provider, temperature and limit of tokens;
        one without, such as a fake, has nothing to tell.

        Args:
            stop, kwargs: what the call is made with; a model named here goes before its own.
        """

        def given(*names: str) -> Any:
            found = [*map(kwargs.get, names), *(getattr(self, name, None) for name in names)]
            return next((each for each in found if each is not None), None)

        name = given("model", "model_name")
        if not isinstance(name, str):
            return {}
        told = {
            "ls_provider": self.PROVIDER or _provider_by_name(type(self)),
            "ls_model_type": "chat" if self.RUN_TYPE == "chat_model" else "llm",
            "ls_model_name": name,
            "ls_temperature": given("temperature"),
            "ls_max_tokens": given("max_tokens"),
            "ls_stop": stop,
        }
        return {key: value for key, value in told.items() if value is not None}

    @property
    def InputType(self) -> Any:
        """Text, a list of messages, or a prompt value."""
        return str | StringPromptValue | ChatPromptValueConcrete | list[AnyMessage]

    @property
    def _accepted(self) -> Any:
        return str | PromptValue | list[Any] | tuple[Any, ...]

    # Tokens

    def get_token_ids(self, text: str) -> list[int]:
        """The tokens of a text, as numbers: by `custom_get_token_ids`, or roughly.

        Roughly, a token is a punctuation mark, or up to six letters and digits in a row; its number is a checksum. In
        English text that comes near to what most models count.
        """
        if self.custom_get_token_ids is not None:
            return self.custom_get_token_ids(text)
        return [zlib.crc32(token.encode()) for token in TOKEN.findall(text)]

    def get_num_tokens(self, text: str) -> int:
        """How many tokens a text has."""
        return len(self.get_token_ids(text))

    def get_num_tokens_from_messages(self, messages: Iterable[BaseMessage], tools: Any = None) -> int:
        """How many tokens messages have, each as the text that `get_buffer_string` makes of it. Tools don't count."""
        return sum(self.get_num_tokens(get_buffer_string([message])) for message in messages)

    # Many questions at once

    def generate_prompt(
        self, prompts: Sequence[PromptValue], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> LLMResult:
        """All candidate answers to each prompt value. Arguments as for `generate`."""
        return self._generate_all(prompts, stop, {"callbacks": callbacks}, kwargs)

    async def agenerate_prompt(
        self, prompts: Sequence[PromptValue], stop: list[str] | None = None, callbacks: Any = None, **kwargs: Any
    ) -> LLMResult:
        """`generate_prompt` on the running event loop."""
        return await self._agenerate_all(prompts, stop, {"callbacks": callbacks}, kwargs)

    def _generate_all(
        self, inputs: Sequence[Any], stop: list[str] | None, about: dict[str, Any], kwargs: dict[str, Any]
    ) -> LLMResult:
        asked = {**kwargs, "stop": stop} if stop is not None else kwargs
        configs = configs_for(about, len(inputs))
        return self._gathered(Results(self).batch(inputs, configs, **asked), configs)

    async def _agenerate_all(
        self, inputs: Sequence[Any], stop: list[str] | None, about: dict[str, Any], kwargs: dict[str, Any]
    ) -> LLMResult:
        asked = {**kwargs, "stop": stop} if stop is not None else kwargs
        configs = configs_for(about, len(inputs))
        return self._gathered(await Results(self).abatch(inputs, configs, **asked), configs)

    def _gathered(self, made: Sequence[Made], configs: Sequence[RunnableConfig]) -> LLMResult:
        ids = [config.get("run_id") or each.run_id for config, each in zip(configs, made, strict=True)]
        return LLMResult(
            generations=[self._candidates(each.result) for each in made],
            llm_output=self._combine_llm_outputs([each.result.llm_output for each in made]),
            run=[RunInfo(run_id=id) for id in ids],
        )

    def _combine_llm_outputs(self, llm_outputs: list[dict[str, Any] | None]) -> dict[str, Any]:
        """What `generate` says of all answers, from what the model said of each. By default nothing."""
        return {}

    # Building

    def _build(self, builder: Builder, source: Source, place: Place) -> Source:
        return self._build_step(builder, source, place, self._operator)

    def _build_step(
        self, builder: Builder, source: Source, place: Place, operator_for: Callable[[dict[str, Any]], Operator]
    ) -> Source:
        """Its step, with what its fields bind to it."""
        if bound := self._bound_config():
            place = place.bound(bound, None)
        kwargs = dict(place.kwargs or {})
        operator = operator_for(kwargs)
        if self.rate_limiter is None:
            return builder.step(operator, source, place, self)
        inner = build(_Step(operator, place.config, self))
        free = None if self.cache is False else self._free(kwargs)
        operator = limited(self.get_name(), inner, self.rate_limiter, free)
        return builder.step(operator, source, replace(place, config=None, kwargs=None), self)

    def _bound_config(self) -> RunnableConfig:
        callbacks = self.callbacks
        if self.verbose:
            callbacks = [*(callbacks or ()), ConsoleTracer()]
        bound = {"callbacks": callbacks, "tags": self.tags, "metadata": self.metadata}
        return {key: value for key, value in bound.items() if value}  # type: ignore[return-value]

    def _free(self, kwargs: dict[str, Any]) -> Graph:
        """Says of an input whether its answer stands in the cache."""

        def is_there(input: Any) -> bool:
            kept = self._kept(kwargs, self._asked(input))
            return kept is not None and kept.is_there()

        async def ais_there(input: Any) -> bool:
            kept = self._kept(kwargs, self._asked(input))
            return kept is not None and await kept.ais_there()

        return build(_Step(Operator(name="cache", invoke=is_there, ainvoke=ais_there, is_run=False), None, self))

    # Caching

    def _cache(self) -> BaseCache | None:
        if self.cache is None:
            return get_llm_cache()
        if self.cache is False:
            return None
        cache = get_llm_cache() if self.cache is True else self.cache
        if cache is None:
            raise ConfigError(
                f"{self.get_name()} has cache=True, which is the cache of all models, and there is none: "
                "call set_llm_cache(InMemoryCache()), or give the model a cache of its own"
            )
        return cache

    def _kept(self, kwargs: dict[str, Any], asked: Any) -> Kept | None:
        """Where the answer to a question is kept, if it is."""
        cache = self._cache()
        if cache is None:
            return None
        return Kept(
            cache,
            self._prompt_key(asked),
            exact_json([self._known_as(), kwargs], token_of),
            pack=self._candidates,
            unpack=self._from_cache,
            chunk=self._chunk_of_result,
            where=self.get_name(),
        )

    def _known_as(self) -> str:
        """What tells its answers from those of others: its class and its fields, but for those that are excluded."""
        known = type(self).model_fields
        fields = {name: getattr(self, name) for name in known if name != "name" and not known[name].exclude}
        return exact_json([name_of(type(self)), fields, self._identifying_params], self._marked)

    def _marked(self, value: Any) -> Any:
        """Stands for what can't be written as JSON: no other model has the same. A provider's key doesn't count."""
        if isinstance(value, SecretStr | SecretBytes):
            return {"$": ["secret", ""]}
        return {"$": ["object", f"{type(value).__name__} {id(value)} of {self._mark}"]}


class _Step(Runnable[Any, Any]):
    """A step that is made already, with config bound to it."""

    def __init__(self, operator: Operator, config: RunnableConfig | None, node: Any) -> None:
        self.operator = operator
        self.config = config
        self.node = node

    def _build(self, builder: Builder, source: Source, place: Place) -> Source:
        return builder.step(self.operator, source, replace(place, config=self.config, kwargs=None), self.node)


def as_prompt(input: Any, taker: str) -> PromptValue | str | list[Any]:
    """What a model is asked with, one of three.

    Raises:
        StepInputError: a `TypeError`, when it is none.
    """
    if isinstance(input, PromptValue | str):
        return input
    if isinstance(input, list | tuple):
        return list(input)
    raise StepInputError(
        f"{taker} expected text, a list of messages or a prompt value, got {type(input).__name__} {input!r:.80}"
    )


def _provider_by_name(cls: type) -> str:
    """A class's name without what says that it is a model."""
    return cls.__name__.removeprefix("Chat").removesuffix("Chat").removesuffix("LLM").lower()
