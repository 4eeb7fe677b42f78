"""Makes a runnable of what users compose: functions in every form, and dicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anabranch.engine.errors import NotRunnableError
from anabranch.engine.signatures import describe
from anabranch.nodes.deferred import langchain_listeners, langchain_objects
from anabranch.nodes.functions import RunnableLambda
from anabranch.nodes.generators import RunnableGenerator
from anabranch.nodes.langchain.presence import is_langchain, is_langchain_handler
from anabranch.nodes.parallels import RunnableParallel
from anabranch.nodes.runnables import Runnable
from anabranch.scheduler.handlers import FOREIGN
from anabranch.scheduler.managers import ADOPTED

ADOPTED["langchain_core"] = lambda manager: langchain_listeners.adopted(manager)
FOREIGN.append(lambda handler: langchain_listeners.TheirListener(handler) if is_langchain_handler(handler) else None)


def coerce_to_runnable(thing: Any) -> Runnable[Any, Any]:
    """A runnable as it is; a dict as a `RunnableParallel`; a function as a `RunnableLambda` or `RunnableGenerator`.

    A generator function is taken to map an iterator of chunks to chunks. An object of LangChain's becomes a node.

    Raises:
        NotRunnableError: a `TypeError`, when it is none of these.

    Example:
        >>> coerce_to_runnable({"size": len, "loud": str.upper}).invoke("abc")
        {'size': 3, 'loud': 'ABC'}
    """
    if isinstance(thing, Runnable):
        return thing
    if is_langchain(thing):
        return langchain_objects.from_langchain(thing)
    if callable(thing):
        if describe(thing).kind in ("generator", "async_generator"):
            return RunnableGenerator(thing)
        return RunnableLambda(thing)
    if isinstance(thing, Mapping):
        return RunnableParallel(thing)
    raise NotRunnableError(
        f"expected a runnable, a function or a dict, got {type(thing).__name__}: {thing!r:.80}. "
        "A constant can be put in as `lambda _: value`"
    )
