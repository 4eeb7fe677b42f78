"""How chunks of several steps come together: under which keys, after which others, and what is overwritten."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from anabranch.engine.chunks import AddableDict, Algebra
from anabranch.engine.graphs import Join
from anabranch.scheduler.gathering import gathered
from anabranch.scheduler.ports import Leaf, Ports, ports_of, unhidden, wrapped

ALGEBRAS: dict[int, Algebra | None] = defaultdict(lambda: None, {3: Algebra.SNAPSHOTS})


def brief(ports: Ports) -> list[tuple[int, str, set[int], set[str], bool, bool]]:
    """Of each leaf the slot, the path, what it comes after, the keys that are hidden, its loss, and if it is a base."""
    return [
        (leaf.slot, "/".join(leaf.path), set(leaf.after), set(leaf.hidden), leaf.lost, leaf.base_of is not None)
        for leaf in ports.leaves
    ]


def leaf_at(*path: str, hidden: frozenset[str] = frozenset(), algebra: Algebra | None = None) -> Leaf:
    return Leaf(0, path, frozenset(), hidden, None, False, algebra)


def test_a_step_alone_is_the_one_leaf() -> None:
    ports = ports_of(3, ALGEBRAS)
    assert brief(ports) == [(3, "", set(), set(), False, False)]
    assert ports.leaves[0].algebra is Algebra.SNAPSHOTS
    assert (ports.slots, ports.joins, ports.recipe) == ((3,), False, ())


def test_branches_stand_under_their_keys() -> None:
    ports = ports_of(Join({"a": 3, "b": 1}, scope=5), ALGEBRAS)
    assert brief(ports) == [(3, "a", set(), set(), False, False), (1, "b", set(), set(), False, False)]
    assert [leaf.algebra for leaf in ports.leaves] == [Algebra.SNAPSHOTS, None]
    assert (ports.slots, ports.joins) == ((3, 1), True)
    assert ports.recipe == ((-2, None, (("a", 0), ("b", 1)), 5),)
    assert gathered(ports.recipe, ["A", "B"]) == {"a": "A", "b": "B"}


def test_keys_that_are_assigned_come_after_what_they_are_assigned_to() -> None:
    assigned = Join({"a": 1, "b": 2}, scope=4, base=0)
    ports = ports_of(Join({"x": 9, "y": assigned, "z": 8}, scope=1), ALGEBRAS)
    assert brief(ports) == [
        (9, "x", set(), set(), False, False),
        (0, "y", set(), {"a", "b"}, False, True),
        (1, "y/a", {1}, set(), False, False),
        (2, "y/b", {1}, set(), False, False),
        (8, "z", set(), set(), False, False),
    ]
    assert ports.leaves[1].base_of is assigned
    made = gathered(ports.recipe, ["X", {"a": "old", "k": "K"}, "A", "B", "Z"])
    assert made == {"x": "X", "y": {"a": "A", "k": "K", "b": "B"}, "z": "Z"}
    assert [entry[3] for entry in ports.recipe] == [4, 1]


def test_a_key_that_is_assigned_again_is_lost_with_all_that_stands_under_it() -> None:
    inner = Join({"a": Join({"p": 4, "q": 5}, scope=3), "b": 2}, scope=2, base=0)
    ports = ports_of(Join({"a": 6}, scope=1, base=inner), ALGEBRAS)
    assert brief(ports) == [
        (0, "", set(), {"a", "b"}, False, True),
        (4, "a/p", {0}, set(), True, False),
        (5, "a/q", {0}, set(), True, False),
        (2, "b", {0}, set(), False, False),
        (6, "a", {0, 1, 2, 3}, set(), False, False),
    ]
    assert ports.leaves[0].base_of is inner
    assert gathered(ports.recipe, [{"k": 1}, "P", "Q", "B", "A"]) == {"k": 1, "a": "A", "b": "B"}


def test_what_is_under_a_key_of_a_base_hides_nothing_of_its_own() -> None:
    base = Join({"a": Join({"c": 1}, scope=3, base=0), "d": 2}, scope=2)
    ports = ports_of(Join({"c": 5}, scope=1, base=base), ALGEBRAS)
    assert brief(ports) == [
        (0, "a", set(), {"c"}, False, True),
        (1, "a/c", {0}, set(), False, False),
        (2, "d", set(), set(), False, False),
        (5, "c", {0, 1, 2}, set(), False, False),
    ]


def test_what_comes_after_a_base_also_comes_after_what_that_comes_after() -> None:
    later = Join({"m": 3}, scope=3, base=2)
    ports = ports_of(Join({"k": later}, scope=2, base=Join({"a": 1}, scope=1)), ALGEBRAS)
    assert [(leaf.slot, set(leaf.after)) for leaf in ports.leaves] == [(1, set()), (2, {0}), (3, {0, 1})]


def test_many_joins_in_each_other_are_no_depth_to_python() -> None:
    source: Any = 0
    for level in range(3000):
        source = Join({"k": source}, scope=level)
    (leaf,) = ports_of(source, ALGEBRAS).leaves
    assert len(leaf.path) == 3000


def test_a_chunk_is_wrapped_in_the_dicts_of_its_path() -> None:
    made = wrapped(leaf_at("a", "b", "c"), "x")
    assert made == {"a": {"b": {"c": "x"}}}
    assert type(made) is type(made["a"]) is type(made["a"]["b"]) is AddableDict
    assert wrapped(leaf_at("a"), None) == {"a": None}
    total: Any = wrapped(leaf_at("a", "b"), "x") + wrapped(leaf_at("a", "c"), "y") + wrapped(leaf_at("a", "b"), "z")
    assert total == {"a": {"b": "xz", "c": "y"}}


def test_snapshots_of_a_leaf_replace_each_other_wherever_they_stand() -> None:
    for path in (("a",), ("a", "b")):
        leaf = leaf_at(*path, algebra=Algebra.SNAPSHOTS)
        total: Any = wrapped(leaf, "x") + wrapped(leaf, "y")
        assert total == wrapped(leaf, "y")
    assert wrapped(leaf_at("a", algebra=Algebra.SNAPSHOTS), "x").snapshots == {"a"}
    assert wrapped(leaf_at("a", algebra=Algebra.ADDITIVE), "x").snapshots == frozenset()


def test_what_is_overwritten_of_a_base_is_left_out() -> None:
    leaf = leaf_at("p", "q", hidden=frozenset("ab"))
    made = unhidden(leaf, {"a": 1, "c": 2, "b": 3})
    assert made == {"p": {"q": {"c": 2}}}
    assert type(made) is type(made["p"]) is type(made["p"]["q"]) is AddableDict
    assert unhidden(leaf_at(hidden=frozenset("a")), {"a": 1}) == {}
