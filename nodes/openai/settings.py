"""How OpenAI, or a server that speaks its protocol, is reached: settings that all its models have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    model_validator,
)

from anabranch.nodes.openai.clients import OpenAIClients, parameters_of


def _secret(key: Any) -> Any:
    """A key as something that doesn't show it when it is printed."""
    return SecretStr(key) if isinstance(key, str) else key


def _duration(timeout: Any) -> Any:
    if timeout is None or hasattr(timeout, "read") or (isinstance(timeout, int | float) and timeout > 0):
        return timeout
    raise ValueError(f"expected seconds, more than 0, or an httpx.Timeout; got {timeout!r}")


WITHOUT_EFFECT = frozenset({"tiktoken_model_name"})
"""Settings of LangChain's that change nothing here."""


@cache
def _names(cls: type[BaseModel]) -> dict[str, str]:
    """The names that settings may be given by, and those of their fields."""
    names: dict[str, str] = {}
    for name, field in cls.model_fields.items():
        choices = getattr(field.validation_alias, "choices", [field.validation_alias])
        names |= {name: name, **{choice: name for choice in choices if isinstance(choice, str)}}
    return names


Key = Annotated[SecretStr | str | Callable[[], str] | Callable[[], Awaitable[str]] | None, BeforeValidator(_secret)]
"""A key, or a function that gives it for each request."""


class OpenAISettings(BaseModel):
    """The connection of a model to its server.

    Args:
        api_key: the key, or a function that gives it; by default OPENAI_API_KEY.
        base_url: the server; by default OPENAI_BASE_URL, or OpenAI itself.
        organization: who is billed, if the key belongs to several; by default OPENAI_ORG_ID.
        model_kwargs: other parameters of every request, which the SDK knows; they may be given by themselves, too.
        timeout: how long connecting, and each wait for the next bytes, may take: seconds or an `httpx.Timeout`.
        max_retries: how often the SDK tries again after a refusal or a lost connection, if nothing has come yet.
        default_headers: headers of every request.
        default_query: parameters in the address of every request.
        openai_proxy: the address of a proxy.
        http_client: the HTTP client of the synchronous verbs; whoever made it closes it.
        http_async_client: the same of the asynchronous ones. Give one only if all calls run on one loop.

    A setting that is changed later, as by `model.timeout = 5`, is checked, and counts from the next request on.
    Each has LangChain's long name as well: `openai_api_key`, `openai_api_base`, `openai_organization` and
    `request_timeout`, which are the names of the attributes.
    """

    model_config = ConfigDict(populate_by_name=True, validate_assignment=True)

    # Fields that say how a server is reached, and not what it answers, are excluded: a cache doesn't look at them.

    openai_api_key: Key = Field(default=None, alias="api_key", exclude=True, repr=False)
    openai_api_base: str | None = Field(default=None, alias="base_url")
    openai_organization: str | None = Field(default=None, alias="organization")
    request_timeout: Annotated[Any, AfterValidator(_duration)] = Field(default=None, alias="timeout", exclude=True)
    max_retries: int | None = Field(default=None, ge=0, exclude=True)
    default_headers: Mapping[str, str] | None = Field(default=None, exclude=True, repr=False)
    default_query: Mapping[str, Any] | None = None
    openai_proxy: str | None = Field(default=None, exclude=True, repr=False)
    http_client: Any = Field(default=None, exclude=True, repr=False)
    http_async_client: Any = Field(default=None, exclude=True, repr=False)
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    _clients: OpenAIClients = PrivateAttr()

    RESOURCE: ClassVar[str]
    """What requests go to, as a path of attributes of the SDK's client."""

    @model_validator(mode="before")
    @classmethod
    def _take_parameters(cls, given: Any) -> Any:
        """Put other parameters of requests, as far as the SDK knows them, into `model_kwargs`."""
        unknown = given.keys() - _names(cls).keys() if isinstance(given, dict) else ()
        told = {name for name in unknown if given[name] not in (None, False)} - WITHOUT_EFFECT
        if not told:
            return given
        parameters = parameters_of(cls.RESOURCE, cls.__name__)
        for name in sorted(told - parameters):
            near = get_close_matches(name, [*_names(cls), *parameters], 1)
            meant = f"; did you mean {near[0]!r}?" if near else "."
            raise ValueError(
                f"{cls.__name__} has no setting {name!r}{meant} What only the server knows goes into extra_body"
            )
        kwargs = {**given.get("model_kwargs", {}), **{name: given[name] for name in sorted(told)}}
        return {**{name: value for name, value in given.items() if name not in told}, "model_kwargs": kwargs}

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """Only what was set."""
        for name, value in super().__repr_args__():
            if name in self.model_fields_set:
                yield name, value

    def __setattr__(self, name: str, value: Any) -> None:
        name = _names(type(self)).get(name, name)
        super().__setattr__(name, value)
        if name in OpenAISettings.model_fields:
            self._connect()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """See `pydantic.BaseModel`."""
        copied = super().model_copy(update=update, deep=deep)
        if not OpenAISettings.model_fields.keys().isdisjoint(update or ()):
            copied._connect()
        return copied

    def model_post_init(self, context: Any) -> None:
        self._connect()

    def _connect(self) -> None:
        """Make the clients that the settings ask for."""
        key = self.openai_api_key
        options = {
            "base_url": self.openai_api_base,
            "api_key": key.get_secret_value() if isinstance(key, SecretStr) else key,
            "organization": self.openai_organization,
            "timeout": self.request_timeout,
            "max_retries": self.max_retries,
            "default_headers": self.default_headers,
            "default_query": self.default_query,
        }
        self._clients = OpenAIClients(
            {name: value for name, value in options.items() if value is not None},
            type(self).__name__,
            proxy=self.openai_proxy,
            given=(self.http_client, self.http_async_client),
        )
