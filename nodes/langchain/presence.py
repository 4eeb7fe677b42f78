"""Whether something is LangChain's, found out without importing LangChain."""

from __future__ import annotations

import sys
from typing import Any


def has_langchain() -> bool:
    """Whether langchain-core was imported."""
    return "langchain_core.runnables.base" in sys.modules


def is_langchain(thing: Any) -> bool:
    """Whether it is a Runnable of langchain-core's. There is none before that is imported."""
    cls = getattr(sys.modules.get("langchain_core.runnables.base"), "Runnable", None)
    return cls is not None and isinstance(thing, cls)


def is_langchain_handler(thing: Any) -> bool:
    """Whether it is a callback handler of langchain-core's."""
    cls = getattr(sys.modules.get("langchain_core.callbacks.base"), "BaseCallbackHandler", None)
    return cls is not None and isinstance(thing, cls)


def is_of_langchain(config: Any) -> bool:
    """Whether a config is one of a run of LangChain's."""
    return bool(config) and type(config.get("callbacks")).__module__.startswith("langchain_core.")
