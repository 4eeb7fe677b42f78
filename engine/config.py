"""What a call says about itself: tags, metadata, callbacks, limits; how two such configs become one.

A config is a plain dict. Every key may be left out, and `None` stands for left out. Keys that aren't listed
in `RunnableConfig` belong to `configurable` and are moved there. Nothing that is passed in is changed.
"""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypedDict, cast

from anabranch.engine.config_checks import check_config as check_config
from anabranch.engine.errors import ConfigError

DEFAULT_RECURSION_LIMIT = 25


class RunnableConfig(TypedDict, total=False):
    """What a call, or a bound step, says about its run.

    Attributes:
        tags: labels of this run and of all below it.
        metadata: facts about this run and all below it, for tracing.
        callbacks: a list of handlers, or a manager that has them.
        run_name: the name of this run alone.
        max_concurrency: how many steps of the whole call may run user code at once; by default without a cap,
            but at most min(32, cores + 4) blocking ones.
        recursion_limit: how often a function may return a runnable that returns a runnable and so on;
            25 by default.
        configurable: values for the fields that the chain declares configurable.
        run_id: the id of this run alone.
        timeout: how long the call may take, in seconds; by default, as long as it likes.
        channel_capacity: how many chunks may wait between two segments; 16 by default.
        progress: of a batch: True for a progress bar, or a function that is called with the number of inputs
            that are done, and of all, whenever one is. Not handed down.

    Example:
        >>> config = RunnableConfig(tags=["nightly"], max_concurrency=2)
        >>> config
        {'tags': ['nightly'], 'max_concurrency': 2}
        >>> RunnableLambda(lambda _, config: config["tags"]).invoke(None, config)
        ['nightly']
    """

    tags: list[str]
    metadata: dict[str, Any]
    callbacks: Any
    run_name: str
    max_concurrency: int | None
    recursion_limit: int
    configurable: dict[str, Any]
    run_id: uuid.UUID | None
    timeout: float | None
    channel_capacity: int
    progress: bool | Callable[[int, int], object]


CONFIG_KEYS = frozenset(RunnableConfig.__annotations__)


def ensure_config(config: RunnableConfig | None = None, parent: RunnableConfig | None = None) -> RunnableConfig:
    """A config of your own with every default in it.

    What `config` says replaces what `parent` says, key by key; lists and dicts are copied. `model` and
    `checkpoint_ns` of `configurable` are noted in `metadata` too, where they are numbers or text.

    Args:
        config: what the call says.
        parent: the config of the run around the call.

    Example:
        >>> ensure_config({"tags": ["a"], "user": "Ada"})
        {'tags': ['a'], 'metadata': {}, 'callbacks': None, 'recursion_limit': 25, 'configurable': {'user': 'Ada'}}
    """
    full: dict[str, Any] = {
        "tags": [],
        "metadata": {},
        "callbacks": None,
        "recursion_limit": DEFAULT_RECURSION_LIMIT,
        "configurable": {},
    }
    if parent:
        _lay_over(full, parent)
    if config:
        _lay_over(full, config)
    if full["configurable"]:
        _note_configurable(full["metadata"], full["configurable"])
    return cast(RunnableConfig, full)


def merge_configs(*configs: RunnableConfig | None) -> RunnableConfig:
    """One config that says what these say, the later ones the louder.

    Tags are appended, each once. Metadata and `configurable` are merged. Callbacks are joined: a manager
    absorbs the handlers of a list, as a copy. A recursion limit counts if it isn't the default. Of all else
    the last that isn't None stands. The result always has tags, metadata and `configurable`.

    Example:
        >>> merge_configs({"tags": ["a"], "run_name": "first"}, None, {"tags": ["b"], "run_name": "last"})
        {'tags': ['a', 'b'], 'metadata': {}, 'configurable': {}, 'run_name': 'last'}
    """
    merged: dict[str, Any] = {"tags": [], "metadata": {}, "configurable": {}}
    for config in configs:
        if config:
            _merge_in(merged, config)
    return cast(RunnableConfig, merged)


def patch_config(
    config: RunnableConfig | None,
    *,
    callbacks: Any = None,
    recursion_limit: int | None = None,
    max_concurrency: int | None = None,
    run_name: str | None = None,
    configurable: Mapping[str, Any] | None = None,
) -> RunnableConfig:
    """A full copy of a config with the given keys changed.

    Args:
        config: what to copy; every default is added, as by `ensure_config`.
        callbacks: these drop `run_name` and `run_id`, which belong to the run whose callbacks were replaced.
        recursion_limit, max_concurrency, run_name: stand in place of what is there; None changes nothing.
        configurable: is merged over what is there.

    Example:
        >>> patched = patch_config({"configurable": {"user": "Ada"}}, configurable={"style": "short"})
        >>> patched["configurable"]
        {'user': 'Ada', 'style': 'short'}
    """
    patched = ensure_config(config)
    if callbacks is not None:
        patched["callbacks"] = callbacks
        patched.pop("run_name", None)
        patched.pop("run_id", None)
    if recursion_limit is not None:
        patched["recursion_limit"] = recursion_limit
    if max_concurrency is not None:
        patched["max_concurrency"] = max_concurrency
    if run_name is not None:
        patched["run_name"] = run_name
    if configurable is not None:
        patched["configurable"] = {**patched["configurable"], **configurable}
    return patched


def get_config_list(
    config: RunnableConfig | Sequence[RunnableConfig | None] | None,
    length: int,
    parent: RunnableConfig | None = None,
) -> list[RunnableConfig]:
    """A full config for each of `length` inputs.

    One config serves all inputs, its `run_id` the first only. Of a sequence each serves one; a
    `max_concurrency` that some of them give holds for all.

    Raises:
        ConfigError: when a sequence has another length or disagreeing caps, or a config is wrong.

    Warns:
        RuntimeWarning: when one `run_id` is given for several inputs.
    """
    if config is not None and not isinstance(config, Mapping):
        return _one_each(config, length, parent)
    check_config(config)
    configs = [ensure_config(config, parent) for _ in range(length)]
    if length > 1 and configs[0].get("run_id") is not None:
        warnings.warn(
            f"one run_id for {length} inputs: only the first run gets it. Give a list of configs, one each.",
            RuntimeWarning,
            stacklevel=2,
        )
        for later in configs[1:]:
            later.pop("run_id", None)
    return configs


def _one_each(configs: object, length: int, parent: RunnableConfig | None) -> list[RunnableConfig]:
    if not isinstance(configs, Sequence) or isinstance(configs, str):
        raise ConfigError(
            f"config: expected a mapping, or a list of them with one for each input, got {type(configs).__name__} "
            f"{configs!r:.80}. Write {{'tags': [...]}}."
        )
    if len(configs) != length:
        raise ConfigError(
            f"config: expected one mapping or a list of {length}, one for each input, got {len(configs)}."
        )
    for config in configs:
        check_config(config)
    caps = {config["max_concurrency"] for config in configs if config and config.get("max_concurrency")}
    if len(caps) > 1:
        raise ConfigError(
            f"config key 'max_concurrency': expected one cap for the whole call, got {sorted(caps)}. "
            "Give the same to every input, or to one of them only."
        )
    full = [ensure_config(config, parent) for config in configs]
    if caps:
        (cap,) = caps
        for each in full:
            each["max_concurrency"] = cap
    return full


def _lay_over(full: dict[str, Any], config: RunnableConfig) -> None:
    """What `config` says replaces what `full` says."""
    strays = False
    for key, value in config.items():
        if key not in CONFIG_KEYS:
            strays = True
        elif value is not None:
            copied = _COPIERS.get(key)
            full[key] = copied(value) if copied else value
    if strays:
        _move_strays(full["configurable"], config)


def _merge_in(merged: dict[str, Any], config: RunnableConfig) -> None:
    """What `config` says joins what `merged` says."""
    strays = False
    for key, value in config.items():
        if key not in CONFIG_KEYS:
            strays = True
        elif value is not None:
            join = _JOINS.get(key)
            merged[key] = join(merged.get(key), value) if join else value
    if strays:
        _move_strays(merged["configurable"], config)


def _move_strays(configurable: dict[str, Any], config: RunnableConfig) -> None:
    """Put the keys that aren't ours among the configurable values, unless `config` has them there itself."""
    own = config.get("configurable") or {}
    known = CONFIG_KEYS | own.keys()
    configurable.update({key: value for key, value in config.items() if value is not None and key not in known})


_NOTED = ("model", "checkpoint_ns")  # what LangChain notes; other values may be anybody's


def _note_configurable(metadata: dict[str, Any], configurable: dict[str, Any]) -> None:
    for key in _NOTED:
        if isinstance(configurable.get(key), str | int | float) and key not in metadata:
            metadata[key] = configurable[key]


def _listed(values: Iterable[Any]) -> list[Any]:
    # A set has no order of its own, and a run's tags should not depend on the hash seed.
    return sorted(values) if isinstance(values, set | frozenset) else list(values)


def _copied_callbacks(callbacks: Any) -> Any:
    return list(callbacks) if isinstance(callbacks, list | tuple) else callbacks


def _appended_tags(before: list[str], later: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*before, *_listed(later)]))


def _merged_dicts(before: dict[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    return {**before, **later}


def _louder_limit(before: int | None, later: int) -> int:
    return later if before is None or later != DEFAULT_RECURSION_LIMIT else before


def _joined_callbacks(before: Any, later: Any) -> Any:
    later_is_list = isinstance(later, list | tuple)
    if before is None:
        return _copied_callbacks(later)
    if isinstance(before, list):
        return [*before, *later] if later_is_list else _absorbed(later, before)
    if later_is_list:
        return _absorbed(before, later)
    return before.merge(later) if hasattr(before, "merge") else _absorbed(before, later.handlers)


def _absorbed(manager: Any, handlers: Iterable[Any]) -> Any:
    """A copy of the manager that has these handlers too."""
    copied = manager.copy()
    for handler in handlers:
        copied.add_handler(handler)
    return copied


_COPIERS: dict[str, Callable[[Any], Any]] = {
    "tags": _listed,
    "metadata": dict,
    "callbacks": _copied_callbacks,
    "configurable": dict,
}
_JOINS: dict[str, Callable[[Any, Any], Any]] = {
    "tags": _appended_tags,
    "metadata": _merged_dicts,
    "callbacks": _joined_callbacks,
    "configurable": _merged_dicts,
    "recursion_limit": _louder_limit,
}
