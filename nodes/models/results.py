"""Asking a model many questions at once: all that it answers to each, and the ids of its runs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from anabranch.engine.building import Builder, Place
from anabranch.engine.config import RunnableConfig
from anabranch.engine.graphs import Source
from anabranch.engine.operators import Operator
from anabranch.engine.runs import new_id
from anabranch.nodes.callbacks.model_runs import Made, note_result
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

        def made(result: Any, config: RunnableConfig | None = None) -> Made:
            run = RUN.get() if config is None else run_in(config)
            result = model._labelled(result)
            note_result(model, result, run)
            return Made(result, new_id() if run is None else run.id, model._output(result))

        def invoke(input: Any, *config: Any) -> Made:
            return made(model._result(kwargs, input, *config))

        async def ainvoke(input: Any, *config: Any) -> Made:
            return made(await model._aresult(kwargs, input, *config))

        def batch(inputs: list[Any], configs: list[RunnableConfig]) -> list[Made]:
            return list(map(made, model._results(kwargs, inputs, configs), configs))

        async def abatch(inputs: list[Any], configs: list[RunnableConfig]) -> list[Made]:
            return list(map(made, await model._aresults(kwargs, inputs, configs), configs))

        forms = {"invoke": invoke, "ainvoke": ainvoke, "batch": batch, "abatch": abatch}
        own = {name: form if getattr(whole, name) is not None else None for name, form in forms.items()}
        return replace(whole, **own, stream=None, astream=None)  # type: ignore[arg-type] # which forms these are


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
