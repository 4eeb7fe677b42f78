"""What a config may hold, checked where a user hands one in: quick when all is well, wordy when it isn't."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from reprlib import repr as short_repr
from typing import Any, NamedTuple

from anabranch.engine.errors import ConfigError


def check_config(config: object) -> None:
    """Make sure that every key of a config has a value of the right kind.

    `None` is right for every key, and keys that aren't ours may hold anything.

    Raises:
        ConfigError: a `ValueError` that names the key, what was expected, what came and what to do.
    """
    if config is None:
        return
    if not isinstance(config, (dict, Mapping)):  # dict first: it answers without the ABC's machinery
        raise ConfigError(f"config: expected a mapping, got {_what_came(config)}. Write {{'tags': [...]}}.")
    for key, value in config.items():
        check = _CHECKS.get(key)
        if check is not None and value is not None and not check.fits(value):
            raise ConfigError(f"config key {key!r}: expected {check.expected}, got {_what_came(value)}. {check.remedy}")


def _what_came(value: object) -> str:
    name = type(value).__name__
    return f"{name} {short_repr(value)}" if isinstance(value, str | int | float | list | tuple) else name


class _Check(NamedTuple):
    fits: Callable[[Any], bool]
    expected: str
    remedy: str


def _are_tags(value: Any) -> bool:
    return isinstance(value, list | tuple | set | frozenset) and all(isinstance(tag, str) for tag in value)


def _is_mapping(value: Any) -> bool:
    return isinstance(value, (dict, Mapping))


def _are_callbacks(value: Any) -> bool:
    return isinstance(value, list | tuple) or hasattr(value, "handlers")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_progress(value: Any) -> bool:
    return isinstance(value, bool) or (callable(value) and not isinstance(value, type))


def _is_duration(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


_CHECKS: dict[object, _Check] = {
    "tags": _Check(_are_tags, "a list of strings", "Write tags=['mine'], also for a single tag."),
    "metadata": _Check(_is_mapping, "a mapping", "Write metadata={'name': value}."),
    "callbacks": _Check(
        _are_callbacks, "a list of handlers or a callback manager", "Put a single handler into a list."
    ),
    "run_name": _Check(lambda value: isinstance(value, str), "a string", "Write run_name='mine'."),
    "max_concurrency": _Check(_is_count, "an int of at least 1", "Leave it out for no cap."),
    "recursion_limit": _Check(_is_natural, "an int of at least 0", "Leave it out for the default."),
    "configurable": _Check(_is_mapping, "a mapping", "Write configurable={'field': value}."),
    "run_id": _Check(lambda value: isinstance(value, uuid.UUID), "a uuid.UUID", "Wrap a string: uuid.UUID(text)."),
    "timeout": _Check(_is_duration, "seconds, a number of at least 0", "Leave it out for no timeout."),
    "progress": _Check(
        _is_progress, "a bool, or a function of two numbers", "Write progress=True for a bar, or progress=function."
    ),
    "channel_capacity": _Check(_is_count, "an int of at least 1", "Leave it out for the default."),
}
