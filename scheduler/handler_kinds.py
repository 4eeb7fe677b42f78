"""What is known of the handlers of a class before they are told of anything."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from inspect import iscoroutinefunction

EVENTS = {
    "chain": "chain",
    "prompt": "chain",
    "parser": "chain",
    "llm": "llm",
    "chat_model": "llm",
    "retriever": "retriever",
    "tool": "tool",
}
"""The run type as the names of a handler's methods have it."""

_ENDINGS = {"started": "start", "ended": "end", "failed": "error"}

TOKENLESS = frozenset((run_type, "chunk") for run_type, kind in EVENTS.items() if kind != "llm")
"""The facts of chunks that are no tokens."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the handlers of a class.

    `hears`: it has methods to be told by, or may have some. `blocking`: those that are no coroutine functions.
    """

    hears: bool
    is_async: bool
    blocking: frozenset[str]
    deaf_to: frozenset[tuple[str, str]]


@lru_cache(maxsize=256)
def known_of(cls: type) -> Known:
    """What is known of a class, looked up once."""
    methods = {name: getattr(cls, name) for name in dir(cls) if name.startswith("on_")}
    methods = {name: method for name, method in methods.items() if callable(method)}
    is_async = any(iscoroutinefunction(method) for method in methods.values())
    blocking = frozenset(name for name, method in methods.items() if is_async and not iscoroutinefunction(method))
    if any("__getattribute__" in vars(base) for base in cls.__mro__[:-1]):  # it may have methods that its class has not
        return Known(cls.__module__ != "builtins", is_async, blocking, TOKENLESS)
    idle = {name for name, method in methods.items() if getattr(method, "does_nothing", False) is True}
    deaf = {
        (run_type, what)
        for run_type, kind in EVENTS.items()
        for what, ending in _ENDINGS.items()
        if f"on_{kind}_{ending}" in idle
        and not (run_type == "chat_model" and what == "started" and "on_chat_model_start" not in idle)
    }
    if "on_llm_new_token" in idle:
        deaf |= {("llm", "chunk"), ("chat_model", "chunk")}
    return Known(bool(methods) or hasattr(cls, "__getattr__"), is_async, blocking, TOKENLESS | deaf)
