"""Configs are checked, filled in and merged, and what was passed in stays as it was."""

from __future__ import annotations

import copy
import uuid
import warnings
from collections.abc import Iterable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verbs import one_after_another

from anabranch.engine.config import (
    DEFAULT_RECURSION_LIMIT,
    RunnableConfig,
    check_config,
    ensure_config,
    get_config_list,
    merge_configs,
    patch_config,
)
from anabranch.engine.errors import AnabranchError, ConfigError


class Manager:
    """A callback manager as far as merging sees one."""

    def __init__(self, *handlers: str) -> None:
        self.handlers = list(handlers)

    def copy(self) -> Manager:
        return type(self)(*self.handlers)

    def add_handler(self, handler: str) -> None:
        self.handlers.append(handler)


class MergingManager(Manager):
    def merge(self, other: Manager) -> Manager:
        return MergingManager(*self.handlers, *other.handlers)


words = st.text("abc", min_size=1, max_size=2)
values = st.integers() | st.text(max_size=2) | st.none() | st.lists(st.integers(), max_size=1)
configs: st.SearchStrategy[Any] = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "tags": st.none() | st.lists(words, max_size=3),
        "metadata": st.none() | st.dictionaries(words, values, max_size=3),
        "callbacks": st.none() | st.lists(words, max_size=2),
        "run_name": st.none() | words,
        "max_concurrency": st.none() | st.integers(1, 9),
        "recursion_limit": st.none() | st.sampled_from([1, 7, DEFAULT_RECURSION_LIMIT]),
        "configurable": st.none() | st.dictionaries(words, values, max_size=3),
        "run_id": st.none() | st.uuids(),
        "timeout": st.none() | st.floats(0, 9),
        "channel_capacity": st.none() | st.integers(1, 9),
        "a": values,
        "b": values,
    },
)


class TestEnsureConfig:
    def test_fills_in_the_defaults(self) -> None:
        full: Any = {"tags": [], "metadata": {}, "callbacks": None, "recursion_limit": 25, "configurable": {}}
        assert ensure_config() == ensure_config(None) == ensure_config({}) == full

    @given(configs)
    def test_is_idempotent(self, config: RunnableConfig | None) -> None:
        assert ensure_config(ensure_config(config)) == ensure_config(config)

    def test_lets_the_config_replace_what_the_parent_says(self) -> None:
        parent: RunnableConfig = {
            "tags": ["p"],
            "metadata": {"p": 1},
            "recursion_limit": 9,
            "max_concurrency": 2,
        }
        full = ensure_config({"tags": ["c"], "max_concurrency": None, "timeout": 2.5}, parent)
        assert full["tags"] == ["c"]
        assert full["metadata"] == {"p": 1}
        assert full["recursion_limit"] == 9
        assert full["max_concurrency"] == 2
        assert full["timeout"] == 2.5

    def test_moves_unknown_keys_to_configurable_unless_they_are_there(self) -> None:
        config: Any = {"user": "ann", "size": 1, "gone": None, "configurable": {"size": 2}}
        full = ensure_config(config, {"configurable": {"user": "parent"}})
        assert full["configurable"] == {"user": "ann", "size": 2}
        assert not {"user", "size", "gone"} & full.keys()

    def test_lets_an_unknown_key_win_over_the_parents_configurable(self) -> None:
        config: Any = {"user": "ann"}
        full = ensure_config(config, {"configurable": {"user": "parent", "size": 1}})
        assert full["configurable"] == {"user": "ann", "size": 1}

    def test_notes_the_model_in_the_metadata_and_nothing_that_may_be_secret(self) -> None:
        noted: dict[str, Any] = {"model": "small", "checkpoint_ns": "n"}
        kept: dict[str, Any] = {"known": "new", "__secret": "x", "api_key": "x", "l": [1], "n": None, "user": "ann"}
        full = ensure_config({"configurable": noted | kept, "metadata": {"known": "old"}})
        assert full["metadata"] == noted | {"known": "old"}
        assert ensure_config({"configurable": {"model": object()}})["metadata"] == {}
        assert full["configurable"] == noted | kept

    def test_takes_tags_in_any_collection(self) -> None:
        tags: Any
        for tags in (("a", "b"), {"b", "a"}, frozenset({"b", "a"})):
            assert ensure_config({"tags": tags})["tags"] == ["a", "b"]
            assert merge_configs({"tags": tags})["tags"] == ["a", "b"]


class TestMergeConfigs:
    @given(configs, configs, configs)
    def test_is_associative(self, a: Any, b: Any, c: Any) -> None:
        assert merge_configs(merge_configs(a, b), c) == merge_configs(a, merge_configs(b, c))
        assert merge_configs(merge_configs(a, b), c) == merge_configs(a, b, c)

    @given(configs)
    def test_has_the_empty_config_and_none_as_identity(self, config: Any) -> None:
        merged = merge_configs(config)
        for empty in (None, RunnableConfig()):
            assert merge_configs(config, empty) == merged
            assert merge_configs(empty, config) == merged
        assert merge_configs(merged) == merged

    def test_always_says_tags_metadata_and_configurable(self) -> None:
        assert merge_configs({"tags": ["x"]}) == {"tags": ["x"], "metadata": {}, "configurable": {}}

    def test_appends_tags_in_order_each_once(self) -> None:
        assert merge_configs({"tags": ["b", "c"]}, {"tags": ["a", "b"]})["tags"] == ["b", "c", "a"]

    def test_merges_metadata_and_configurable_the_later_wins(self) -> None:
        merged = merge_configs(
            {"metadata": {"a": 1, "b": 1}, "configurable": {"a": 1, "b": 1}},
            {"metadata": {"b": 2, "c": 2}, "configurable": {"b": 2, "c": 2}},
        )
        assert merged["metadata"] == merged["configurable"] == {"a": 1, "b": 2, "c": 2}

    def test_takes_a_recursion_limit_that_is_not_the_default(self) -> None:
        assert merge_configs({"recursion_limit": 5}, {"recursion_limit": 25})["recursion_limit"] == 5
        assert merge_configs({"recursion_limit": 25}, {"recursion_limit": 5})["recursion_limit"] == 5
        assert merge_configs({"recursion_limit": 5}, {"recursion_limit": 6})["recursion_limit"] == 6

    def test_takes_the_last_of_all_else_that_is_not_none(self) -> None:
        merged = merge_configs(
            {"run_name": "a", "max_concurrency": 3, "timeout": 1.0},
            {"run_name": "b", "max_concurrency": None},
        )
        assert (merged["run_name"], merged["max_concurrency"], merged["timeout"]) == ("b", 3, 1.0)

    def test_moves_unknown_keys_to_configurable(self) -> None:
        first: Any = {"user": "ann", "size": 1}
        merged = merge_configs(first, {"configurable": {"size": 2}})
        assert merged == {"tags": [], "metadata": {}, "configurable": {"user": "ann", "size": 2}}


class TestCallbacks:
    @pytest.mark.parametrize("handlers", [["b"], ("b",)])
    def test_lists_are_joined(self, handlers: Any) -> None:
        assert merge_configs({"callbacks": ["a"]}, {"callbacks": handlers})["callbacks"] == ["a", "b"]
        assert merge_configs({"callbacks": handlers}, {"callbacks": ["a"]})["callbacks"] == ["b", "a"]

    def test_a_manager_absorbs_a_list_and_is_not_changed(self) -> None:
        manager = Manager("m")
        for configs in (
            ({"callbacks": manager}, {"callbacks": ["a"]}),
            ({"callbacks": ["a"]}, {"callbacks": manager}),
        ):
            joined = merge_configs(*configs)["callbacks"]
            assert joined.handlers == ["m", "a"]
            assert manager.handlers == ["m"]

    @pytest.mark.parametrize("kind", [Manager, MergingManager])
    def test_two_managers_become_one(self, kind: type[Manager]) -> None:
        first, second = kind("a"), kind("b")
        assert merge_configs({"callbacks": first}, {"callbacks": second})["callbacks"].handlers == ["a", "b"]
        assert (first.handlers, second.handlers) == (["a"], ["b"])

    def test_a_manager_alone_stays_itself(self) -> None:
        manager = Manager("m")
        assert merge_configs({}, {"callbacks": manager}, None)["callbacks"] is manager
        assert ensure_config({"callbacks": manager})["callbacks"] is manager


class TestPatchConfig:
    def test_changes_the_given_keys_of_a_full_copy(self) -> None:
        patched = patch_config(
            {"configurable": {"a": 1}},
            recursion_limit=3,
            max_concurrency=2,
            run_name="x",
            configurable={"b": 2},
        )
        assert patched["recursion_limit"] == 3
        assert patched["max_concurrency"] == 2
        assert patched["run_name"] == "x"
        assert patched["configurable"] == {"a": 1, "b": 2}
        assert patch_config(None) == ensure_config()

    def test_drops_the_name_and_id_of_the_run_whose_callbacks_it_replaces(self) -> None:
        config: RunnableConfig = {"run_name": "old", "run_id": uuid.uuid4(), "callbacks": ["a"]}
        patched = patch_config(config, callbacks=["b"])
        assert patched["callbacks"] == ["b"]
        assert not {"run_name", "run_id"} & patched.keys()
        assert patch_config(config, callbacks=["b"], run_name="new")["run_name"] == "new"
        assert patch_config(config, recursion_limit=2)["run_id"] == config["run_id"]


class TestGetConfigList:
    def test_gives_each_input_a_full_config_of_its_own(self) -> None:
        made = get_config_list({"tags": ["x"]}, 3)
        assert made == [ensure_config({"tags": ["x"]})] * 3
        made[0]["tags"].append("y")
        assert made[1]["tags"] == ["x"]
        assert get_config_list(None, 2) == [ensure_config()] * 2
        assert get_config_list(None, 0) == get_config_list([], 0) == []

    def test_takes_one_for_each_input_over_that_of_the_parent(self) -> None:
        made = get_config_list([{"tags": ["x"]}, None], 2, {"tags": ["p"], "recursion_limit": 3})
        assert [config["tags"] for config in made] == [["x"], ["p"]]
        assert [config["recursion_limit"] for config in made] == [3, 3]

    @pytest.mark.parametrize("length", [0, 1, 3])
    def test_refuses_another_number_of_configs(self, length: int) -> None:
        with pytest.raises(ConfigError, match=f"a list of {length}, one for each input, got 2"):
            get_config_list([{}, {}], length)

    def test_refuses_caps_that_disagree(self) -> None:
        with pytest.raises(ConfigError, match=r"'max_concurrency': .* got \[1, 2\]"):
            get_config_list([{"max_concurrency": 2}, {"max_concurrency": 1}], 2)

    def test_a_cap_that_one_gives_holds_for_all(self) -> None:
        made = get_config_list([{}, {"max_concurrency": 2}, None], 3, {"max_concurrency": 7})
        assert [config["max_concurrency"] for config in made] == [2, 2, 2]

    def test_gives_a_run_id_to_the_first_input_only_and_warns(self) -> None:
        config: RunnableConfig = {"run_id": uuid.uuid4()}
        for length in (2, 3):
            with pytest.warns(RuntimeWarning, match="only the first") as caught:
                first, *rest = get_config_list(config, length)
            assert [warning.filename for warning in caught] == [__file__]
            assert first["run_id"] == config["run_id"]
            assert all("run_id" not in later for later in rest)

    def test_does_not_warn_for_a_single_input_or_an_id_each(self) -> None:
        config: RunnableConfig = {"run_id": uuid.uuid4()}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert get_config_list(config, 1)[0]["run_id"] == config["run_id"]
            get_config_list([config, {"run_id": uuid.uuid4()}], 2)

    @pytest.mark.parametrize("config", ["x", 3, {"tags"}, [{"tags": "x"}, {}], {"tags": "x"}])
    def test_refuses_what_is_no_config(self, config: Any) -> None:
        with pytest.raises(ConfigError):
            get_config_list(config, 2)


class TestNothingPassedIn:
    @given(configs, configs)
    def test_is_changed(self, a: Any, b: Any) -> None:
        before = copy.deepcopy((a, b))
        self.spoil([ensure_config(a, b), merge_configs(a, b), patch_config(a, configurable={"x": 1})])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.spoil(get_config_list(a, 2, b))
        assert (a, b) == before

    def spoil(self, made: Iterable[RunnableConfig]) -> None:
        for config in made:
            config["tags"].append("spoilt")
            config["metadata"]["spoilt"] = config["configurable"]["spoilt"] = True
            if config.get("callbacks") is not None:
                config["callbacks"].append("spoilt")


class TestCheckConfig:
    @given(configs)
    def test_says_nothing_when_all_is_well(self, config: Any) -> None:
        check_config(config)
        check_config(ensure_config(config))
        check_config(MappingProxyType(config or {}))

    @one_after_another(
        ("key", "value"),
        [
            *[("tags", tags) for tags in (["a"], ("a",), {"a"}, frozenset({"a"}), [])],
            *[("timeout", seconds) for seconds in (0, 0.5, 3, float("inf"))],
            *[("callbacks", callbacks) for callbacks in ([], (), [object()], Manager())],
            *[
                ("max_concurrency", 1),
                ("recursion_limit", 0),
                ("metadata", MappingProxyType({})),
                ("unknown", object()),
            ],
        ],
    )
    def test_takes(self, key: str, value: Any) -> None:
        check_config({key: value})

    @one_after_another(
        ("key", "value", "remedy"),
        [
            ("tags", "mine", "tags=['mine']"),
            ("tags", ["a", 1], "tags=['mine']"),
            ("metadata", ["a"], "metadata={"),
            ("configurable", "a", "configurable={"),
            ("callbacks", object(), "into a list"),
            ("run_name", 3, "run_name='mine'"),
            *[("max_concurrency", cap, "Leave it out") for cap in (0, -1, True, 2.0, "2")],
            *[("recursion_limit", limit, "Leave it out") for limit in (-1, True, "25")],
            *[("timeout", seconds, "Leave it out") for seconds in (-1, True, "1", float("nan"))],
            *[("channel_capacity", capacity, "Leave it out") for capacity in (0, False, 1.5)],
            ("run_id", str(uuid.UUID(int=7)), "uuid.UUID(text)"),
        ],
    )
    def test_names_the_key_what_was_expected_what_came_and_what_to_do(self, key: str, value: Any, remedy: str) -> None:
        with pytest.raises(ConfigError) as caught:
            check_config({"run_name": "fine", key: value})
        text = str(caught.value)
        assert text.startswith(f"config key {key!r}: expected ")
        assert f"got {type(value).__name__}" in text
        assert remedy in text

    @pytest.mark.parametrize("config", ["x", [("tags", [])], 3, object()])
    def test_refuses_what_is_no_mapping(self, config: Any) -> None:
        with pytest.raises(ConfigError, match=f"expected a mapping, got {type(config).__name__}"):
            check_config(config)

    def test_keeps_long_values_out_of_the_text(self) -> None:
        with pytest.raises(ConfigError) as caught:
            check_config({"tags": "x" * 10_000})
        assert len(str(caught.value)) < 200

    def test_raises_a_value_error_of_ours(self) -> None:
        assert issubclass(ConfigError, ValueError)
        assert issubclass(ConfigError, AnabranchError)
