"""Asking a model many questions at once: all that it answers to each, and the ids of its runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import UUID

from anabranch.engine.building import Builder, Place
from anabranch.engine.config import RunnableConfig
from anabranch.engine.graphs import Source
from anabranch.engine.operators import Operator
from anabranch.engine.runs import new_id
from anabranch.nodes.callbacks.model_runs import Made
from anabranch.nodes.callbacks.run_managers import run_in
from anabranch.nodes.runnables import Runnable
from anabranch.scheduler.managers import RUN

if TYPE_CHECKING:
    from anabranch.nodes.models.language_models import BaseLanguageModel


class Results(Runnable[Any, Made]):
    """A model that gives all that it answers, and the id of its run."""

    def __init__(self, model: BaseLanguageModel[Any]) -> None:
        self.model = model
        self.name = model.get_name()

    def _build(self, builder: Builder, source: Source, place: Place) -> Source:
        return self.model._build_step(builder, source, place, self._operator)

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        model = self.model
        whole = model._operator(kwargs)

        def invoke(input: Any, *config: Any) -> Made:
            return Made(model._labelled(model._result(kwargs, input, *config)), _run_id())

        async def ainvoke(input: Any, *config: Any) -> Made:
            return Made(model._labelled(await model._aresult(kwargs, input, *config)), _run_id())

        def batch(inputs: list[Any], configs: list[RunnableConfig]) -> list[Made]:
            results = model._results(kwargs, inputs, configs)
            return [Made(each, _run_id(config)) for each, config in zip(results, configs, strict=True)]

        async def abatch(inputs: list[Any], configs: list[RunnableConfig]) -> list[Made]:
            results = await model._aresults(kwargs, inputs, configs)
            return [Made(each, _run_id(config)) for each, config in zip(results, configs, strict=True)]

        forms = {"invoke": invoke, "ainvoke": ainvoke, "batch": batch, "abatch": abatch}
        own = {name: form if getattr(whole, name) is not None else None for name, form in forms.items()}
        return replace(whole, **own, stream=None, astream=None)  # type: ignore[arg-type] # which forms these are


def _run_id(config: RunnableConfig | None = None) -> UUID:
    """The id of the run whose code is running, or which has this config; a new one where nobody listens."""
    run = RUN.get() if config is None else run_in(config)
    return new_id() if run is None else run.id


def configs_for(about: dict[str, Any], count: int) -> list[RunnableConfig]:
    """A config for each question; the id is for the first."""
    configs: list[Any] = []
    for at in range(count):
        each = {key: value[at] if _is_each(key, value) else value for key, value in about.items()}
        if at and not isinstance(about.get("run_id"), list):
            each.pop("run_id", None)
        configs.append({key: value for key, value in each.items() if value is not None})
    return configs


def _is_each(key: str, value: Any) -> bool:
    """Whether there is one of it for each question, rather than one for all."""
    if not isinstance(value, list) or not value:
        return False
    return key in ("run_name", "run_id", "metadata") or isinstance(value[0], list)
