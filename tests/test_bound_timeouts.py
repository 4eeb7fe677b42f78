"""A timeout bound to a part of a chain is a property of that part: no run of its own, and no place of its own."""

from __future__ import annotations

from typing import Any

import networkx as nx
import pytest
from verbs import VERBS, in_every_verb

from anabranch.engine.runs import Listener, RunInfo
from anabranch.nodes import Runnable, RunnableLambda, RunnablePassthrough, from_dag


class Runs(Listener):
    """Keeps what started, and how it ended."""

    inline = True

    def __init__(self) -> None:
        self.all: list[RunInfo] = []
        self.over: list[tuple[str, str]] = []

    def started(self, run: RunInfo) -> None:
        self.all.append(run)

    def ended(self, run: RunInfo) -> None:
        self.over.append((run.name, "ended"))

    def failed(self, run: RunInfo) -> None:
        self.over.append((run.name, "failed"))

    @property
    def shown(self) -> list[tuple[Any, ...]]:
        """Name, name of the parent, tags and metadata of each run."""
        return [(run.name, run.parent.name if run.parent else None, run.tags, run.metadata) for run in self.all]


def double(text: str) -> str:
    return text * 2


def fail(text: str) -> str:
    raise ValueError(text)


step: Runnable[str, str] = RunnableLambda(double)
about: Any = {"run_name": "mine", "tags": ["bound"], "metadata": {"by": "me"}}


@in_every_verb
def test_what_it_is_bound_to_is_traced_in_its_place_with_name_tags_and_metadata(verb: str) -> None:
    runs = Runs()
    VERBS[verb](step | step.with_config(about, timeout=60), "a", {"callbacks": [runs]})
    assert runs.shown == [
        ("RunnableSequence", None, [], {}),
        ("double", "RunnableSequence", ["seq:step:1"], {}),
        ("mine", "RunnableSequence", ["seq:step:2", "bound"], {"by": "me"}),
    ]
    assert sorted(runs.over) == [("RunnableSequence", "ended"), ("double", "ended"), ("mine", "ended")]


@in_every_verb
def test_so_it_is_at_the_root_and_around_a_sequence(verb: str) -> None:
    runs = Runs()
    VERBS[verb]((step | step).with_config(about, timeout=60), "a", {"callbacks": [runs]})
    assert runs.shown == [
        ("mine", None, ["bound"], {"by": "me"}),
        ("double", "mine", ["seq:step:1", "bound"], {"by": "me"}),
        ("double", "mine", ["seq:step:2", "bound"], {"by": "me"}),
    ]


@in_every_verb
def test_bound_config_and_arguments_reach_the_step_once(verb: str) -> None:
    def tell(text: str, config: Any, more: str = "") -> str:
        return f"{text}{more} {config['tags']} {config['configurable']}"

    bound = RunnableLambda(tell).bind(more="!").with_config(tags=["t"], configurable={"c": 1})
    assert "a! ['t'] {'c': 1}" in repr(VERBS[verb](bound.with_config(timeout=60), "a")).replace('"', "").replace(
        "\\", ""
    )


@in_every_verb
def test_an_error_names_the_step_once(verb: str) -> None:
    with pytest.raises(ValueError, match="aa") as caught:
        VERBS[verb](step | RunnableLambda(fail).with_config(timeout=60), "a")
    places = [note.partition(" (run")[0] for note in caught.value.__notes__]
    assert places[-1] == "raised in step RunnableSequence > fail"
    assert not any("fail > fail" in place for place in places)
    with pytest.raises(TypeError) as refused:
        VERBS[verb](RunnablePassthrough.assign(a=step).with_config(timeout=60), "a")
    assert not any("> RunnableAssign" in note for note in refused.value.__notes__)


def test_a_vertex_of_a_dag_keeps_its_name_under_a_timeout() -> None:
    dag: nx.DiGraph[str] = nx.DiGraph()
    dag.add_node("vertex", runnable=step.with_config(timeout=60))
    runs = Runs()
    assert from_dag(dag).invoke("a", {"callbacks": [runs]}) == "aa"
    assert [run.name for run in runs.all] == ["RunnableDag", "vertex"]
