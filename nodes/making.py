"""Gives `Runnable` the classes that are made of it, so that its composing verbs need no import of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from anabranch.nodes import composing
from anabranch.nodes.bindings import RunnableBinding
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.configurables import RunnableConfigurableAlternatives, RunnableConfigurableFields
from anabranch.nodes.deferred import caching, rate_limiting, runnable_tools
from anabranch.nodes.maps import RunnableEach
from anabranch.nodes.passthrough import RunnablePassthrough, RunnablePick
from anabranch.nodes.policies import RunnableRetry, RunnableWithFallbacks
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.sequences import RunnableSequence

if TYPE_CHECKING:
    from anabranch.nodes.tools.tools import BaseTool

AnyRunnable = Runnable[Any, Any]


class Makers:
    """One method for each verb of `Runnable` that makes another runnable."""

    coerce = staticmethod(coerce_to_runnable)

    def sequence(self, *steps: Any, name: str | None = None) -> AnyRunnable:
        """Steps in order."""
        return RunnableSequence(*steps, name=name)

    def pick(self, keys: str | list[str]) -> AnyRunnable:
        """Keys of a dict."""
        return RunnablePick(keys)

    def assign(self, **kwargs: Any) -> AnyRunnable:
        """Keys added to a dict."""
        return RunnablePassthrough.assign(**kwargs)

    def binding(
        self,
        bound: Any,
        *,
        kwargs: Mapping[str, Any] | None = None,
        config: Any = None,
        input_type: Any = None,
        output_type: Any = None,
    ) -> AnyRunnable:
        """Something bound."""
        return RunnableBinding(
            bound, kwargs=kwargs, config=config, custom_input_type=input_type, custom_output_type=output_type
        )

    def retry(self, bound: Any, *policy: Any) -> AnyRunnable:
        """Further attempts."""
        return RunnableRetry(bound, *policy)

    def fallbacks(self, runnable: Any, fallbacks: Sequence[Any], *policy: Any) -> AnyRunnable:
        """Other runnables in case of an error."""
        return RunnableWithFallbacks(runnable, fallbacks, *policy)

    def cache(self, bound: Any, *policy: Any) -> AnyRunnable:
        """Outputs that are kept."""
        return caching.RunnableWithCache(bound, *policy)

    def rate_limiter(self, bound: Any, rate_limiter: Any) -> AnyRunnable:
        """A limited rate."""
        return rate_limiting.RunnableWithRateLimiter(bound, rate_limiter)

    def each(self, bound: Any) -> AnyRunnable:
        """One run an element."""
        return RunnableEach(bound)

    def configurable_fields(self, default: Any, fields: Mapping[str, Any]) -> AnyRunnable:
        """Fields set by config."""
        return RunnableConfigurableFields(default, fields)

    def alternatives(
        self, default: Any, which: Any, default_key: str, prefix_keys: bool, others: Mapping[str, Any]
    ) -> AnyRunnable:
        """A choice by config."""
        return RunnableConfigurableAlternatives(which, default, others, default_key, prefix_keys)

    def tool(self, runnable: Any, args_schema: Any, **kwargs: Any) -> BaseTool:
        """A tool."""
        return runnable_tools.convert_runnable_to_tool(runnable, args_schema, **kwargs)


composing.makers = Makers()
