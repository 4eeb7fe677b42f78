"""A manager makes runs: who is told of one, its tags, metadata and parent, and what the runs below it inherit."""

from __future__ import annotations

import contextvars
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from anabranch.engine.errors import ConfigError
from anabranch.engine.graphs import Graph
from anabranch.engine.runs import Listener, RunInfo
from anabranch.nodes import CallbackManager, RunnableLambda
from anabranch.scheduler import managers
from anabranch.scheduler.managers import (
    AMBIENT,
    EVERYWHERE,
    HIDDEN,
    below,
    children,
    claim,
    converted,
    is_heard,
    joined,
    managed,
    manager_of,
)


def listeners(count: int) -> list[Any]:
    return [Listener() for _ in range(count)]


def facts_of(manager: CallbackManager) -> tuple[Any, ...]:
    return (
        manager.handlers,
        manager.inheritable_handlers,
        manager.tags,
        manager.inheritable_tags,
        manager.metadata,
        manager.inheritable_metadata,
        manager.parent_run_id,
    )


class TestAManager:
    def test_tells_of_the_next_run_what_is_for_it_alone_and_what_is_for_all_below(self) -> None:
        mine, ours = listeners(2)
        manager = CallbackManager(
            [mine, ours],
            [ours],
            UUID(int=1),
            tags=["mine", "ours"],
            inheritable_tags=["ours"],
            metadata={"mine": 1, "both": 1},
            inheritable_metadata={"ours": 2, "both": 2},
        )
        assert facts_of(manager) == (
            *([ours, mine], [ours], ["mine", "ours"], ["ours"]),
            *({"ours": 2, "both": 1, "mine": 1}, {"ours": 2, "both": 2}, UUID(int=1)),
        )
        assert (manager.parent, manager.named) == (None, (None, None))
        assert facts_of(CallbackManager()) == ([], [], [], [], {}, {}, None)

    def test_is_true_where_somebody_listens(self) -> None:
        (one,) = listeners(1)
        assert not CallbackManager()
        assert CallbackManager([one])
        assert CallbackManager([], [one])

    def test_keeps_nothing_of_what_it_was_made_from(self) -> None:
        tags, metadata, handlers = ["a"], {"a": 1}, listeners(1)
        manager = CallbackManager(
            handlers, handlers, tags=tags, inheritable_tags=tags, metadata=metadata, inheritable_metadata=metadata
        )
        before = facts_of(manager)
        lists: list[list[Any]] = [tags, handlers, manager.tags, manager.inheritable_tags, manager.handlers]
        for each in lists:
            each.append("x")
        for facts in (metadata, manager.metadata, manager.inheritable_metadata):
            facts["x"] = 1
        assert facts_of(manager) == before

    def test_can_be_copied_and_then_changed_alone(self) -> None:
        one, two, three = listeners(3)
        manager = CallbackManager(
            *([one], [two], UUID(int=1)),
            tags=["a"],
            inheritable_tags=["b"],
            metadata={"a": 1},
            inheritable_metadata={"b": 1},
        )
        manager.named = ("named", UUID(int=2))
        before, twin = facts_of(manager), manager.copy()
        assert (facts_of(twin), twin.named, twin.parent) == (before, manager.named, None)
        twin.add_handler(three)
        twin.add_tags(["c"])
        twin.add_tags(["d"], inherit=False)
        twin.add_metadata({"c": 1})
        twin.add_metadata({"d": 1}, inherit=False)
        assert facts_of(manager) == before
        manager.parent = RunInfo("mine", "chain", None, [], {}, ())
        assert manager.copy().parent_run_id == manager.parent.id

    def test_has_each_handler_once_and_can_lose_it(self) -> None:
        one, two, three = listeners(3)
        manager = CallbackManager([one], [two])
        for handler, inherit in ((two, False), (one, True), (three, True), (three, False)):
            manager.add_handler(handler, inherit)
        assert facts_of(manager)[:2] == ([two, three, one], [two, three])
        manager.remove_handler(two)
        assert facts_of(manager)[:2] == ([three, one], [three])
        manager.remove_handler(one)
        assert facts_of(manager)[:2] == ([three], [three])
        manager.add_tags(["a", "b"])
        manager.add_tags(["b", "c"], inherit=False)
        manager.add_tags(["c", "d"])
        assert facts_of(manager)[2:4] == (["c", "a", "b", "d"], ["a", "b", "d"])
        manager.add_metadata({"a": 1, "b": 1})
        manager.add_metadata({"a": 2})
        assert facts_of(manager)[4:6] == ({"a": 2, "b": 1}, {"a": 2, "b": 1})

    def test_takes_up_another_without_changing_it(self) -> None:
        one, two, three, four = listeners(4)
        root = RunInfo("root", "chain", None, [], {}, ())
        inside = RunInfo("inside", "chain", root, [], {}, ())
        left = CallbackManager([one], [two], tags=["a"], inheritable_tags=["b"], metadata={"a": 1})
        right = CallbackManager(
            [three],
            [four, two],
            tags=["a", "c"],
            inheritable_tags=["b", "d"],
            metadata={"c": 1},
            inheritable_metadata={"d": 1},
        )
        left.parent, right.parent = root, inside
        before = facts_of(left), facts_of(right)
        both = left.merge(right)
        assert (facts_of(left), facts_of(right)) == before
        assert facts_of(both) == (
            *([two, four, one, three], [two, four], ["a", "c", "b", "d"], ["b", "d"]),
            *({"d": 1, "a": 1, "c": 1}, {"d": 1}, inside.id),
        )
        other = RunInfo("other", "chain", root, [], {}, ())
        for mine, theirs, wanted in (
            (inside, root, inside),
            (inside, other, inside),
            (None, root, root),
            (root, None, root),
            (inside, inside, inside),
            (None, None, None),
        ):
            left.parent, right.parent = mine, theirs
            assert left.merge(right).parent is wanted

    def test_may_be_given_other_handlers(self) -> None:
        one, two, three = listeners(3)
        manager = CallbackManager([one], [two])
        manager.set_handlers([three, one])
        assert facts_of(manager)[:2] == ([three, one], [three, one])
        manager.set_handlers([two], inherit=False)
        assert facts_of(manager)[:2] == ([two], [])


class TestARun:
    def test_has_what_its_manager_says_and_what_is_bound_to_it(self) -> None:
        mine, ours, bound, bound_alone = listeners(4)
        manager = CallbackManager(
            [mine],
            [ours],
            tags=["mine"],
            inheritable_tags=["ours", "place"],
            metadata={"mine": 1},
            inheritable_metadata={"ours": 1, "over": 1},
        )
        config: Any = {
            "tags": ["bound", "ours"],
            "metadata": {"over": 2},
            "callbacks": CallbackManager([bound_alone, mine], [bound, ours]),
        }
        before = facts_of(manager)
        run = manager.run("name", "parser", ["place"], config, UUID(int=3))
        assert (run.name, run.run_type, run.parent, run.id) == ("name", "parser", None, UUID(int=3))
        assert run.tags == ["mine", "place", "ours", "bound"]
        assert run.metadata == {"ours": 1, "over": 2, "mine": 1}
        assert run.listeners == (ours, bound, mine, bound_alone)
        assert run.children_of == ((ours, bound), ["ours", "place", "bound"], {"ours": 1, "over": 2})
        assert facts_of(manager) == before
        inherited = facts_of(children(run))
        assert inherited == (
            *([ours, bound], [ours, bound], ["ours", "place", "bound"], ["ours", "place", "bound"]),
            *({"ours": 1, "over": 2}, {"ours": 1, "over": 2}, run.id),
        )

    def test_that_nothing_is_bound_to_has_its_own_tags_and_metadata(self) -> None:
        (ours,) = listeners(1)
        manager = CallbackManager([], [ours], inheritable_tags=["t"], inheritable_metadata={"m": 1})
        bindings: list[Any] = [None, {}, {"tags": [], "metadata": {}, "callbacks": []}, {"tags": None}]
        for bound in bindings:
            run = manager.run("name", "chain", (), bound)
            assert (run.tags, run.metadata, run.listeners) == (["t"], {"m": 1}, (ours,))
            run.tags.append("x")
            run.metadata["x"] = 1
            assert run.children_of[1:] == (["t"], {"m": 1})
        assert manager.run("name", "chain", ["p"]).tags == ["p", "t"]
        assert CallbackManager().run("name", "chain", ["p"]).tags == ["p"]
        assert CallbackManager().run("name", "chain").tags == []
        assert CallbackManager(tags=["a"], inheritable_tags=["b"]).run("name", "chain", ["b"]).tags == ["a", "b"]
        assert CallbackManager(metadata={"m": 1}).run("name", "chain").metadata == {"m": 1}

    def test_has_the_one_around_it_begin_if_that_was_held_back(self) -> None:
        woken: list[str] = []
        around = CallbackManager().run("around", "chain")
        around.wake = lambda: woken.append("around")
        assert children(around).run("name", "chain").parent is around
        assert woken == ["around"]

    def test_takes_a_list_of_handlers_that_is_bound_to_it(self) -> None:
        (bound,) = listeners(1)
        run = CallbackManager().run("name", "chain", (), {"callbacks": [bound]})
        assert run.listeners == (bound,)
        assert run.children_of[0] == (bound,)

    def test_that_is_none_of_its_own_has_what_it_calls_in_its_place(self) -> None:
        mine, ours = listeners(2)
        around = RunInfo("around", "chain", None, [], {}, ())
        manager = CallbackManager([mine], [ours], tags=["mine"], inheritable_tags=["ours"])
        manager.parent = around
        hidden = manager.hidden(["place"], {"tags": ["bound"]})
        assert (hidden.listeners, hidden.about, hidden.name, hidden.run_type) == ((), HIDDEN, "", "chain")
        hidden.named = ("named", UUID(int=4))
        made = children(hidden, "tag")
        assert made.parent is around
        assert made.named == ("named", UUID(int=4))
        assert facts_of(made)[:4] == (
            *([ours, mine], [ours, mine], ["mine", "place", "tag", "ours", "bound"], ["ours", "bound"]),
        )
        assert children(hidden).tags == ["mine", "place", "ours", "bound"]

    def test_marks_only_what_it_calls_next(self) -> None:
        run = CallbackManager().run("name", "chain")
        assert (children(run, "tag").tags, children(run, "tag").inheritable_tags) == (["tag"], [])
        assert (children(run).tags, children(run).named) == ([], (None, None))


class TestAnIdThatWasAskedFor:
    def test_may_be_that_of_one_run_of_a_tree_only(self) -> None:
        root = RunInfo("root", "chain", None, [], {}, (), UUID(int=1))
        middle = RunInfo("middle", "chain", root, [], {}, (), UUID(int=2))
        leaf = RunInfo("leaf", "chain", middle, [], {}, (), UUID(int=3))
        claim(UUID(int=4), "first", leaf)
        assert root.claimed == {UUID(int=4): "first"}
        claim(UUID(int=5), "second", root)
        assert root.claimed == {UUID(int=4): "first", UUID(int=5): "second"}
        for number, holder in ((1, "root"), (2, "middle"), (3, "leaf"), (4, "first"), (5, "second")):
            with pytest.raises(ConfigError, match=f"{UUID(int=number)}, given for 'other', is that of '{holder}'"):
                claim(UUID(int=number), "other", leaf)
        assert len(root.claimed) == 2
        claim(UUID(int=1), "other", None)


class TestOtherManagers:
    def test_are_taken_for_what_they_have(self) -> None:
        one, two = listeners(2)
        least = converted(SimpleNamespace(handlers=[one]))
        assert facts_of(least) == ([one], [], [], [], {}, {}, None)
        most = SimpleNamespace(
            handlers=[one, two],
            inheritable_handlers=[two],
            parent_run_id=UUID(int=1),
            tags=["a", "b"],
            inheritable_tags=["b"],
            metadata={"a": 1},
            inheritable_metadata={"b": 1},
        )
        assert facts_of(converted(most)) == (
            *([two, one], [two], ["a", "b"], ["b"], {"b": 1, "a": 1}, {"b": 1}, UUID(int=1)),
        )
        for handlers in ([one, two], (one, two)):
            assert facts_of(converted(handlers)) == ([one, two], [one, two], [], [], {}, {}, None)

    def test_are_taken_as_their_library_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made = CallbackManager()
        monkeypatch.setitem(managers.ADOPTED, "types", lambda theirs: made)
        assert converted(SimpleNamespace()) is made

    def test_are_merged_with_ours(self) -> None:
        one, two = listeners(2)
        merged = CallbackManager([], [one]).merge(SimpleNamespace(handlers=[two], tags=["t"]))
        assert facts_of(merged)[:4] == ([one, two], [one], ["t"], [])


def test_two_groups_of_listeners_are_joined_each_handler_once() -> None:
    one, two, three = listeners(3)
    left = (one, two)
    assert joined(left, (two, three)) == (one, two, three)
    assert joined(left, (two,)) is left
    assert joined((), (one,)) == (one,)


class TestAConfig:
    def test_for_what_a_run_calls_leaves_out_what_names_the_run(self) -> None:
        run = CallbackManager().run("name", "chain")
        config: Any = {"run_name": "n", "run_id": UUID(int=1), "tags": ["t"], "timeout": 2.0, "callbacks": []}
        made: Any = below(config, run, "tag")
        assert made.pop("callbacks").tags == ["tag"]
        assert made == {"tags": ["t"], "timeout": 2.0}
        assert list(below(None, run)) == ["callbacks"]
        assert below(None, run)["callbacks"].parent is run

    def test_says_who_listens_to_a_call(self) -> None:
        (one,) = listeners(1)
        manager = CallbackManager([], [one], inheritable_tags=["a"], inheritable_metadata={"a": 1, "b": 1})
        config: Any = {"callbacks": manager, "tags": ["b", "a"], "metadata": {"b": 2}}
        made = manager_of(config)
        assert facts_of(made)[1:6:2] == ([one], ["a", "b"], {"a": 1, "b": 2})
        assert facts_of(manager)[1:6:2] == ([one], ["a"], {"a": 1, "b": 1})
        assert facts_of(manager_of(None)) == facts_of(manager_of({})) == ([], [], [], [], {}, {}, None)
        assert manager_of({"callbacks": [one]}).inheritable_handlers == [one]
        full = managed({"timeout": 2.0, "callbacks": [one]})
        assert (full["timeout"], full["callbacks"].handlers) == (2.0, [one])
        assert managed(None)["callbacks"].handlers == []

    def test_is_heard_by_those_of_the_context_and_the_process_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        graph = RunnableLambda(len).graph
        heard = RunnableLambda(len).with_config(callbacks=listeners(1)).graph
        here, everywhere = listeners(2)

        def in_context(config: Any, of: Graph = graph) -> tuple[bool, list[Any]]:
            return is_heard(config, of), manager_of(config).handlers

        assert in_context(None) == in_context({}) == in_context({"callbacks": []}) == (False, [])
        assert is_heard({"callbacks": [here]}, graph)
        assert is_heard(None, heard)
        context = contextvars.copy_context()
        context.run(AMBIENT.set, (here,))
        assert context.run(in_context, None) == context.run(in_context, {"callbacks": [here]}) == (True, [here])
        monkeypatch.setattr(managers, "EVERYWHERE", [*EVERYWHERE, everywhere])
        assert context.run(in_context, None) == (True, [everywhere, here])
        assert in_context({"callbacks": [here]}) == (True, [here, everywhere])
