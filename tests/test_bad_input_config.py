"""A wrong config is refused before anything runs, with a message that names the key and says what it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from refusals import says, upper
from verbs import VERBS, alist, awaited, in_every_verb, one_after_another

from anabranch.engine.config import CONFIG_KEYS
from anabranch.engine.errors import ConfigError
from anabranch.nodes import ConfigurableField, RunnableLambda

WRONG_CONFIGS: list[tuple[Any, tuple[str, ...]]] = [
    ({"max_concurrency": 0}, ("max_concurrency", "at least 1", "0")),
    ({"max_concurrency": "four"}, ("max_concurrency", "int", "four")),
    ({"tags": "mine"}, ("tags", "list of strings", "mine")),
    ({"timeout": "soon"}, ("timeout", "seconds", "soon")),
    ({"timeout": -1}, ("timeout", "at least 0", "-1")),
    ({"channel_capacity": 0}, ("channel_capacity", "at least 1", "0")),
    ({"metadata": [1]}, ("metadata", "mapping", "list")),
    ({"run_id": "abc"}, ("run_id", "UUID", "abc")),
    ({"callbacks": 5}, ("callbacks", "list of handlers", "5")),
    ({"run_name": 5}, ("run_name", "string", "5")),
    ({"recursion_limit": -1}, ("recursion_limit", "at least 0", "-1")),
    ({"recursion_limit": True}, ("recursion_limit", "int", "True")),
    ({"configurable": "field"}, ("configurable", "mapping", "field")),
    ({"tags": [1]}, ("tags", "list of strings", "[1]")),
    ({"progress": "loud"}, ("progress", "bool", "loud")),
    ("no mapping", ("mapping", "str")),
    (17, ("mapping", "int")),
]


@in_every_verb
@pytest.mark.parametrize(("config", "words"), WRONG_CONFIGS)
def test_a_wrong_config_is_refused_by_every_verb(verb: str, config: Any, words: tuple[str, ...]) -> None:
    ran: list[Any] = []
    with pytest.raises(ConfigError) as caught:
        VERBS[verb](RunnableLambda(ran.append), 1, config)
    says(caught, *words)
    assert ran == []


@one_after_another(("config", "words"), WRONG_CONFIGS)
def test_a_wrong_config_is_refused_by_those_that_stream_events(config: Any, words: tuple[str, ...]) -> None:
    ran: list[Any] = []
    chain = RunnableLambda(ran.append)
    for call in (
        lambda: list(chain.stream_events(1, config, version="v2")),
        lambda: awaited(lambda: alist(chain.astream_events(1, config, version="v2"))),
        lambda: awaited(lambda: alist(chain.astream_log(1, config))),
    ):
        with pytest.raises(ConfigError) as caught:
            call()
        says(caught, *words)
    assert ran == []


@one_after_another(("config", "words"), WRONG_CONFIGS)
def test_a_wrong_config_is_refused_when_it_is_bound(config: Any, words: tuple[str, ...]) -> None:
    binders: list[Callable[[], Any]] = [lambda: upper.with_config(config)]
    if isinstance(config, dict):
        binders.append(lambda: upper.with_config(None, **config))
    for bind in binders:
        with pytest.raises(ConfigError) as caught:
            bind()
        says(caught, *words)


def test_there_is_a_wrong_value_for_every_key() -> None:
    tried = {key for config, _ in WRONG_CONFIGS if isinstance(config, dict) for key in config}
    assert tried == CONFIG_KEYS


def test_a_wrong_config_of_a_nested_call_is_that_step_s_error() -> None:
    inner: Any = {"max_concurrency": 0}
    outer = RunnableLambda(lambda x: upper.invoke(x, inner), name="outer")
    with pytest.raises(ConfigError) as caught:
        outer.invoke("x")
    says(caught, "max_concurrency")
    assert "outer" in caught.value.__notes__[0]


def test_configs_of_a_batch_must_be_as_many_as_its_inputs_and_agree_on_the_cap() -> None:
    for verb in (upper.batch, lambda *given: list(upper.batch_as_completed(*given)), _abatch, _acompleted):
        with pytest.raises(ConfigError) as caught:
            verb(["a"], [{}, {}])
        says(caught, "1", "2")
        with pytest.raises(ConfigError) as caught:
            verb(["a", "b"], [{"max_concurrency": 1}, {"max_concurrency": 2}])
        says(caught, "max_concurrency", "[1, 2]")


def _abatch(*given: Any) -> Any:
    return awaited(lambda: upper.abatch(*given))


def _acompleted(*given: Any) -> Any:
    return awaited(lambda: alist(upper.abatch_as_completed(*given)))


def test_what_is_no_list_of_configs_is_told_with_what_to_write() -> None:
    configs: Any = "abc"
    with pytest.raises(ConfigError) as error:
        upper.batch(["a"], configs)
    says(error, "list of them", "'abc'", "Write {'tags'")


def test_the_id_of_a_field_is_a_key() -> None:
    key: Any = 5
    with pytest.raises(ConfigError) as error:
        ConfigurableField(id=key)
    says(error, "key of config['configurable']", "5")
