"""`explain` tells what will run, what waits for what, and, of a run, where the time went."""

from __future__ import annotations

from itertools import pairwise
from textwrap import dedent
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anabranch.engine.errors import ConfigError
from anabranch.engine.graphs import INPUT_SLOT, slots_of
from anabranch.nodes import (
    ChatPromptTemplate,
    FakeListChatModel,
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnablePassthrough,
    StrOutputParser,
    from_dag,
    simulate,
)
from anabranch.nodes.checking.dag_strategies import dag_of_vertices
from anabranch.nodes.strategies import dag_shapes
from anabranch.scheduler.actions import SYNC
from anabranch.scheduler.plans import plan_of
from anabranch.scheduler.wiring import narrowed
from anabranch.viz.critical_paths import critical_path, path_of_root
from anabranch.viz.explaining import explain
from anabranch.viz.plan_facts import at_once
from anabranch.viz.run_recorders import RunRecorder
from anabranch.viz.step_runs import RunRecord, StepRun


def text_of(explanation: object) -> str:
    return str(explanation) + "\n"


def golden(text: str) -> str:
    return dedent(text).lstrip("\n")


def find(question: str) -> str:
    return question


def join(found: str) -> str:
    return found


QA: Any = (
    {"context": RunnableLambda(find) | join, "question": RunnablePassthrough()}
    | ChatPromptTemplate.from_template("{context} {question}")
    | FakeListChatModel(responses=["yes"])
    | StrOutputParser()
)


def step(value: Any) -> Any:
    return value


def dag(edges: dict[str, list[str]]) -> Runnable[Any, Any]:
    """Steps by name, each with those that it reads."""
    made: nx.DiGraph[str] = nx.DiGraph()
    for name, reads in edges.items():
        made.add_node(name, runnable=RunnableLambda(step, name=name))
        for source in reads:
            made.add_edge(source, name, **({"port": source} if len(reads) > 1 else {}))
    return from_dag(made, name="build")


BUILD = dag(
    {
        "fetch": [],
        "lint": ["fetch"],
        "types": ["fetch"],
        "unit": ["fetch"],
        "browser": ["fetch"],
        "compile": ["types"],
        "docs": ["compile"],
        "wheel": ["compile"],
        "image": ["wheel"],
        "checks": ["lint", "unit", "browser"],
        "report": ["checks", "docs"],
        "publish": ["report", "image"],
    }
)


class TestText:
    def test_a_chain(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("anabranch.viz.explaining.default_limit", lambda: 8)
        assert text_of(QA.explain()) == golden("""
            RunnableSequence: 6 steps in 3 segments
            No cap: at most 8 blocking calls at once. 2 segments can run at the same time: 1, 2.

            1  reads the input
                  find                 function    thread
                  join                 function    thread
            2  reads the input
                  RunnablePassthrough  passes on   inline
            3  waits for context from 1, question from 2
                  ChatPromptTemplate   prompt      inline
                  FakeListChatModel    chat_model  loop
                  StrOutputParser      parser      inline
            gives 3

            Under asyncio, 1 hop to a thread: find > join.
            When streaming: 2 channels that add up what comes, for a step that needs all of it.
            """)

    def test_a_dag_with_a_run(self) -> None:
        recorder = RunRecorder()
        durations = dict.fromkeys(("fetch", "lint", "types", "unit", "compile", "docs", "wheel", "publish"), 1.0)
        simulate(BUILD, 1, {"callbacks": [recorder]}, durations={**durations, "browser": 5.0}, max_concurrency=2)
        assert text_of(BUILD.explain(analyze=recorder, max_concurrency=2)) == golden("""
            build: 12 steps in 10 segments
            At most 2 at once. 5 segments can run at the same time: 2, 4, 5, 7, 8.

            Took 9 s.
            The critical path: 7 s, 78% of it, fetch > browser > checks > report > publish.
            Beyond it: 2 s.
            Steps waited 4 s in all after what they read was there.

                                              runs  time  waited  chunks
            1   reads the input
                   fetch    function  thread     1   1 s                  critical
            2   waits for 1
                   lint     function  thread     1   1 s
            3   waits for 1
                   types    function  thread     1   1 s
                   compile  function  thread     1   1 s
            4   waits for 1
                   unit     function  thread     1   1 s     1 s
            5   waits for 1
                   browser  function  thread     1   5 s     2 s          critical
            6   waits for lint from 2, unit from 4, browser from 5
                   checks   function  thread     1  0 µs                  critical
            7   waits for 3
                   docs     function  thread     1   1 s
            8   waits for 3
                   wheel    function  thread     1   1 s     1 s
                   image    function  thread     1  0 µs
            9   waits for checks from 6, docs from 7
                   report   function  thread     1  0 µs                  critical
            10  waits for report from 9, image from 8
                   publish  function  thread     1   1 s                  critical
            gives 10

            Under asyncio, 10 hops to a thread: fetch; lint; types > compile; unit; browser; checks; docs; wheel
            > image; report; publish.
            When streaming: 13 channels that add up what comes, for a step that needs all of it.
            """)

    def test_call_steps_with_what_they_run(self) -> None:
        def flaky(value: int) -> int:
            raise ValueError("no")

        def spare(value: int) -> int:
            return -value

        def more(value: str) -> list[str]:
            return [value, value]

        chain = (
            RunnableLambda(flaky)
            .with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
            .with_fallbacks([RunnableLambda(spare).with_config(timeout=5) | str])
            | RunnableBranch((lambda text: text.startswith("-"), more), RunnableLambda(find) | {"a": str, "b": len})
            | RunnableLambda(find).map()
        )
        recorder = RunRecorder()
        simulate(chain, 1, {"callbacks": [recorder]}, durations={"flaky": 1.0, "spare": 0.5})
        assert text_of(explain(chain, analyze=recorder, max_concurrency=1)) == golden("""
            RunnableSequence: 3 steps in 1 segment
            At most 1 at once.

            Took 2.5 s.
            The critical path: 2.5 s, 100% of it, RunnableWithFallbacks > RunnableBranch > RunnableEach<find>.
            Beyond it: 0 µs.

                                                 runs   time  waited  chunks
            1  reads the input
                  RunnableWithFallbacks  call       1  2.5 s                  critical
                    runs:
                      flaky  call       1   2 s                  critical, 1 failed, 2 attempts
                        - retry: at most 2 attempts
                        runs: flaky (2 runs, 2 s, critical, 2 failed)
                    on error:
                      spare  call                 1  500 ms                  critical
                        - timeout: 5 s
                        runs: spare (1 run, 500 ms, critical)
                      str    function  thread     1    0 µs                  critical
                  RunnableBranch         call       1   0 µs                  critical
                    if lambda text: text.startswith('-'): more (1 run, 0 µs, critical)
                    else:
                      1  reads the input
                            find  function  thread     -                        never ran
                      2  waits for 1
                            str   function  thread     -                        never ran
                      3  waits for 1
                            len   function  thread     -                        never ran
                      gives a from 2, b from 3
                  RunnableEach<find>     call       1   0 µs                  critical
                    - for each element of a list
                    runs: find (2 runs, 0 µs, critical)
            gives 1
            """)

    def test_a_step_that_need_not_wait_for_all_of_a_dict_says_so(self) -> None:
        picking: Any = {"slow": RunnableLambda(step), "quick": RunnableLambda(str)} | RunnableLambda(len)
        assert "waits for slow from 1, quick from 2" in str(picking.explain())
        prompt: Any = {"slow": RunnableLambda(step), "quick": RunnableLambda(str)} | ChatPromptTemplate.from_template(
            "{quick}"
        )
        assert "reads quick; does not wait for step" in str(prompt.explain())

    def test_a_vectorised_step_and_a_bound_cap_are_told(self) -> None:
        class Embeds(Runnable[str, int]):
            max_batch = 8

            def batch(self, inputs: Any, config: Any = None, **kwargs: Any) -> list[int]:
                return [len(each) for each in inputs]

        text = str((RunnableLambda(str) | Embeds().with_config(max_concurrency=3)).explain())
        assert "At most 3 at once." in text
        assert "vectorised: takes" in text

    def test_it_shows_itself_on_a_console(self) -> None:
        explained = QA.explain(max_concurrency=3)
        assert repr(explained) == str(explained)
        assert "At most 3 at once." in repr(explained)

    @pytest.mark.parametrize("cap", [0, -1, "2", 1.5])
    def test_a_cap_that_is_none_is_refused(self, cap: Any) -> None:
        with pytest.raises(ConfigError, match="max_concurrency"):
            QA.explain(max_concurrency=cap)

    def test_a_failed_run_is_told_with_its_error(self) -> None:
        recorder = RunRecorder()
        chain = RunnableLambda(lambda x: 1 // x) | str
        with pytest.raises(ZeroDivisionError):
            chain.invoke(0, {"callbacks": [recorder]})
        text = str(chain.explain(analyze=recorder))
        assert "(failed: ZeroDivisionError: integer division or modulo by zero)" in text
        assert "1 failed" in text
        assert "never ran" in text

    def test_a_long_chain_is_explained_too(self) -> None:
        chain: Any = RunnableLambda(step)
        for _ in range(999):
            chain = chain | step
        assert str(chain.explain()).startswith("RunnableSequence: 1000 steps in 1 segment\n")
        wide: Any = RunnableLambda(step) | {f"k{at}": step for at in range(1000)} | step
        text = str(wide.explain())
        assert "1000 segments can run at the same time" in text
        assert "and 992 more" in text


@given(dag_shapes(6))
@settings(max_examples=40)
def test_as_many_segments_are_said_to_run_at_once_as_a_largest_antichain_has(shape: list[list[int]]) -> None:
    plan = plan_of(dag_of_vertices(shape).graph, SYNC)
    waits: nx.DiGraph[int] = nx.DiGraph()
    waits.add_nodes_from(range(1, len(plan.segments) + 1))
    waits.add_edges_from((segment.index + 1, after + 1) for segment in plan.segments for after in segment.feeds)
    antichains = {tuple(sorted(each)) for each in nx.antichains(waits)}
    found = at_once(plan)
    assert tuple(found) in antichains
    assert len(found) == max(map(len, antichains))


class TestCriticalPath:
    @given(dag_shapes(6), st.data(), st.integers(1, 4))
    @settings(max_examples=60)
    def test_it_is_the_longest_of_all_paths(self, shape: list[list[int]], data: st.DataObject, cap: int) -> None:
        chain = dag_of_vertices(shape)
        graph = chain.graph
        times = {key: data.draw(st.integers(0, 4), label=key) / 4 for key in graph.keys}
        recorder = RunRecorder()
        found = simulate(chain, "", {"callbacks": [recorder]}, durations=times, max_concurrency=cap)
        path = critical_path(recorder.record())

        reads: nx.DiGraph[Any] = nx.DiGraph()
        reads.add_node(INPUT_SLOT)
        for each in graph.steps:
            reads.add_node(each.slot)
            reads.add_edges_from((slot, each.slot) for slot in slots_of(narrowed(each.source, each.operator)))
        paths = (way for end in reads for way in nx.all_simple_paths(reads, INPUT_SLOT, end))
        longest = max((sum(times[graph.keys[slot]] for slot in way[1:]) for way in paths), default=0.0)
        assert path.length == pytest.approx(longest)
        assert path.length <= found.makespan + 1e-9
        assert all(before.end <= after.start for before, after in pairwise(path.steps))  # type: ignore[operator]
        assert sum(run.duration or 0.0 for run in path.steps) == pytest.approx(longest)

    def test_without_a_cap_a_run_takes_just_as_long(self) -> None:
        recorder = RunRecorder()
        found = simulate(BUILD, 1, {"callbacks": [recorder]}, durations=1.0)
        assert critical_path(recorder.record()).length == found.makespan

    def test_a_stream_counts_what_overlaps_once(self) -> None:
        first = StepRun("1", "a", key="a", start=0.0, end=4.0)
        second = StepRun("2", "b", key="b", start=1.0, end=5.0)
        first.tags, second.tags = ("seq:step:1",), ("seq:step:2",)
        root = StepRun("0", "chain", start=0.0, end=5.0, children=[first, second])
        path = path_of_root(root)
        assert path.length == 5.0
        assert [run.name for run in path.runs] == ["a", "b"]

    def test_it_goes_on_inside_a_step_on_it(self) -> None:
        def outer(value: str) -> str:
            made: str = RunnableLambda(step, name="inner").invoke(value)
            return made

        recorder = RunRecorder()
        simulate(RunnableLambda(outer) | str, "", {"callbacks": [recorder]}, durations={"inner": 3.0})
        path = critical_path(recorder.record())
        assert [run.name for run in path.runs] == ["outer", "inner", "str"]
        assert [run.name for run in path.steps] == ["outer", "str"]
        assert path.length == 3.0

    def test_without_a_graph_the_branches_of_a_dict_are_told_from_steps(self) -> None:
        chain = RunnableLambda(step, name="a") | {"b": RunnableLambda(step, name="b"), "c": RunnableLambda(str)}
        recorder = RunRecorder()
        simulate(chain, 1, {"callbacks": [recorder]}, durations={"a": 1.0, "b": 2.0, "str": 3.0}, max_concurrency=1)
        record = recorder.record()
        path = path_of_root(record.roots[0])
        assert [run.name for run in path.runs if not run.children] == ["a", "str"]

    def test_of_what_never_ended_there_is_none(self) -> None:
        assert critical_path(RunRecord([StepRun("1", "a", start=0.0)])).runs == []
        assert critical_path(RunRecord([])).length == 0.0
