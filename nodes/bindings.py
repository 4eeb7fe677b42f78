"""A runnable with arguments, config or types bound to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from anabranch.engine.building import Builder, Part, Place
from anabranch.engine.config import RunnableConfig, check_config, merge_configs
from anabranch.engine.graphs import Graph, Source
from anabranch.engine.operators import INPUT, Flow, Operator, Run
from anabranch.nodes.asking_parts import Asking, asks_parts
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.deferred import schemas
from anabranch.nodes.describing import Described
from anabranch.nodes.edges import check_edge, declared
from anabranch.nodes.leaves import graph_for
from anabranch.nodes.runnables import Input, Output, Runnable
from anabranch.nodes.values import Value
from anabranch.scheduler.sites import SITE

if TYPE_CHECKING:
    from pydantic import BaseModel


class RunnableBinding(Value, Runnable[Input, Output]):
    """A runnable with arguments, config or types bound to it. What `bind`, `with_config` and `with_types` make.

    What is bound outside, or given to a verb, wins over what is bound inside. Unknown attributes are those of the
    runnable.

    Args:
        bound: the runnable.
        kwargs: keyword arguments for its (first) step.
        config: config for it, and for what it runs.
        custom_input_type, custom_output_type: its types, where they aren't known or are to be others.

    Raises:
        ConfigError: when a key of the config has a wrong type.
        CompositionError: a `TypeError`, when what is declared as a type is none, or `bound` is nothing that can run.

    Example:
        >>> split = RunnableLambda(lambda text, sep: text.split(sep)).bind(sep="-")
        >>> split.invoke("a-b"), split.invoke("a+b", sep="+")
        (['a', 'b'], ['a', 'b'])
        >>> split.with_config(run_name="split at dashes").get_name()
        'split at dashes'
    """

    def __init__(
        self,
        bound: Runnable[Input, Output],
        *,
        kwargs: Mapping[str, Any] | None = None,
        config: RunnableConfig | None = None,
        custom_input_type: Any = None,
        custom_output_type: Any = None,
    ) -> None:
        check_config(config)
        inner = bound if type(bound) is RunnableBinding else None
        self.bound: Runnable[Input, Output] = coerce_to_runnable(bound) if inner is None else inner.bound
        self.kwargs: dict[str, Any] = {**(inner.kwargs if inner else {}), **(kwargs or {})}
        configs = [each for each in (inner.config if inner else None, config) if each]
        self.config: RunnableConfig = _merged(configs)
        self.custom_input_type: Any = declared("input_type", custom_input_type)
        self.custom_output_type: Any = declared("output_type", custom_output_type)
        if inner is not None:
            self.custom_input_type = inner.custom_input_type if custom_input_type is None else custom_input_type
            self.custom_output_type = inner.custom_output_type if custom_output_type is None else custom_output_type

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """That of the runnable, or the bound `run_name`."""
        return self.bound.get_name(suffix, name=name or self.config.get("run_name"))

    # Types

    @property
    @asks_parts
    def InputType(self) -> Asking[Any]:
        """What was declared, else that of the runnable."""
        return (yield self.bound) if self.custom_input_type is None else self.custom_input_type

    @property
    @asks_parts
    def OutputType(self) -> Asking[Any]:
        """What was declared, else that of the runnable."""
        return (yield self.bound) if self.custom_output_type is None else self.custom_output_type

    @property
    @asks_parts
    def _types_depend(self) -> Asking[bool]:
        return self.custom_output_type is None and bool((yield self.bound))

    def _output_for(self, given: Any, giver: Any) -> Any:
        if self.custom_input_type is not None:
            check_edge(giver, given, self, self.custom_input_type)
            return self.OutputType
        output = self.bound._output_for(given, giver)
        return output if self.custom_output_type is None else self.custom_output_type

    def _parts(self) -> Iterable[Runnable[Any, Any]]:
        return [self.bound]

    def _parts_under(self, config: RunnableConfig | None) -> Iterable[tuple[Described, RunnableConfig | None]]:
        return [(self.bound, merge_configs(self.config, config))]

    @asks_parts
    def get_input_schema(self, config: RunnableConfig | None = None) -> Asking[type[BaseModel]]:
        """That of what was declared, else that of the runnable."""
        if self.custom_input_type is not None:
            return schemas.schema_of(self.custom_input_type, self.get_name("Input"))
        model: type[BaseModel] = yield self.bound, merge_configs(self.config, config)
        return model

    @asks_parts
    def get_output_schema(self, config: RunnableConfig | None = None) -> Asking[type[BaseModel]]:
        """That of what was declared, else that of the runnable."""
        if self.custom_output_type is not None:
            return schemas.schema_of(self.custom_output_type, self.get_name("Output"))
        model: type[BaseModel] = yield self.bound, merge_configs(self.config, config)
        return model

    # Running

    def _enter(
        self, verb: str, kwargs: Mapping[str, Any], config: RunnableConfig | None
    ) -> tuple[Graph, RunnableConfig | None]:
        if self.bound._written and SITE.get() is None:  # a leaf of a user's own sees what was bound and given alone
            check_config(config)
            merged = merge_configs(self.config, config) if self.config else config
            return graph_for(self.bound, verb, {**self.kwargs, **kwargs}, merged), merged
        graph, config = super()._enter(verb, kwargs, config)
        if "channel_capacity" in self.config:  # which is asked of the call, not of a step
            capacity = RunnableConfig(channel_capacity=self.config["channel_capacity"])
            config = capacity if config is None else {**capacity, **config}
        return graph, config

    def _build(self, builder: Builder, source: Source, place: Place) -> Any:
        if self.custom_input_type is not None or self.custom_output_type is not None:
            place = replace(place, types=place.types or (self.custom_input_type, self.custom_output_type))
        timeout = self.config.get("timeout")
        if timeout is None:
            return self._build_bound(source, place.bound(self.config, self.kwargs))
        inner = place.bound(self.config, self.kwargs)
        rest = cast(RunnableConfig, {key: value for key, value in (inner.config or {}).items() if key != "timeout"})
        timed = RunnableBinding(self.bound, kwargs=inner.kwargs, config=rest)

        def flow(_: Any) -> Flow:
            return (yield Run(timed.__graph__, INPUT, last=True, timeout=timeout))

        operator = Operator(
            name=timed.get_name(), flow=flow, whole=False, is_run=False, shows=lambda: {"timeout": timed.__graph__}
        )
        return builder.step(operator, source, replace(place, config=None, kwargs=None), self)

    def _build_bound(self, source: Source, place: Place) -> Any:
        return (yield Part(self.bound, source, place))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "bound" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.bound, name)

    def __repr__(self) -> str:
        about: dict[str, Any] = {"kwargs": self.kwargs, "config": self.config}
        about |= {"input_type": self.custom_input_type, "output_type": self.custom_output_type}
        said = [f"{key}={value!r}" for key, value in about.items() if value]
        return f"RunnableBinding({', '.join([repr(self.bound), *said])})"


def _merged(configs: list[RunnableConfig]) -> RunnableConfig:
    """What these say together, and no more."""
    said = {key for config in configs for key in config}
    merged = {key: value for key, value in merge_configs(*configs).items() if value or key in said}
    return cast(RunnableConfig, merged)
