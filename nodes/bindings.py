"""A runnable with arguments, config or types bound to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anabranch.engine.building import Builder, Part, Place
from anabranch.engine.config import RunnableConfig, check_config, merge_configs
from anabranch.engine.graphs import Source
from anabranch.engine.operators import INPUT, Flow, Operator, Run
from anabranch.nodes.runnables import Input, Output, Runnable


class RunnableBinding(Runnable[Input, Output]):
    """A runnable with arguments, config or types bound to it. What `bind`, `with_config` and `with_types` make.

    What is bound outside, or given to a verb, wins over what is bound inside. Unknown attributes are those of the
    runnable.

    Args:
        bound: the runnable.
        kwargs: keyword arguments for its (first) step.
        config: config for it, and for what it runs.
        custom_input_type, custom_output_type: its types.
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
        if type(bound) is RunnableBinding:
            kwargs = {**bound.kwargs, **(kwargs or {})}
            config = merge_configs(bound.config, config)
            custom_input_type = custom_input_type or bound.custom_input_type
            custom_output_type = custom_output_type or bound.custom_output_type
            bound = bound.bound
        self.bound = bound
        self.kwargs = dict(kwargs or {})
        self.config: RunnableConfig = config or {}
        self.custom_input_type = custom_input_type
        self.custom_output_type = custom_output_type

    def get_name(self, suffix: str | None = None, *, name: str | None = None) -> str:
        """That of the runnable, or the bound `run_name`."""
        return self.bound.get_name(suffix, name=name or self.config.get("run_name"))

    @property
    def InputType(self) -> Any:
        """What was declared, else that of the runnable."""
        return self.bound.InputType if self.custom_input_type is None else self.custom_input_type

    @property
    def OutputType(self) -> Any:
        """What was declared, else that of the runnable."""
        return self.bound.OutputType if self.custom_output_type is None else self.custom_output_type

    def _readers(self) -> list[Runnable[Any, Any]]:
        return [self] if self.custom_input_type is not None else self.bound._readers()

    def _build(self, builder: Builder, source: Source, place: Place) -> Any:
        timeout = self.config.get("timeout")
        if timeout is None:
            return self._build_bound(source, place.bound(self.config, self.kwargs))
        kwargs = {**self.kwargs, **(place.kwargs or {})}

        def flow(_: Any) -> Flow:
            return (yield Run(self.bound._graph_with(kwargs), INPUT, last=True, timeout=timeout))

        operator = Operator(
            name=self.get_name(), flow=flow, whole=False, shows=lambda: {"timeout": self.bound._graph_with(kwargs)}
        )
        config = RunnableConfig(**{k: v for k, v in self.config.items() if k != "timeout"})  # type: ignore[typeddict-item]
        return builder.step(operator, source, place.bound(config, None), self)

    def _build_bound(self, source: Source, place: Place) -> Any:
        return (yield Part(self.bound, source, place))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "bound" not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.bound, name)

    def __repr__(self) -> str:
        bound = [f"kwargs={self.kwargs!r}"] * bool(self.kwargs) + [f"config={self.config!r}"] * bool(self.config)
        return f"RunnableBinding({', '.join([repr(self.bound), *bound])})"
