"""What LangChain has composed of other runnables, composed here of the same: for each class, by its public fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from anabranch.engine.config import RunnableConfig
from anabranch.nodes.branches import RunnableBranch
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.maps import RunnableEach
from anabranch.nodes.parallels import RunnableParallel
from anabranch.nodes.passthrough import RunnablePassthrough, RunnablePick
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.sequences import RunnableSequence

AnyRunnable = Runnable[Any, Any]


def taken_apart(thing: Any) -> AnyRunnable | None:
    """What LangChain has composed, composed of nodes; None for what it hasn't, and for subclasses of a user's."""
    cls = type(thing)
    compose = _COMPOSED.get(cls.__name__) if cls.__module__.startswith("langchain_core.runnables.") else None
    made = None if compose is None else compose(thing)
    if made is None or not getattr(thing, "name", None):
        return made
    if isinstance(made, RunnableSequence):
        return RunnableSequence(*made.steps, name=thing.name)
    return made.with_config(run_name=thing.name)


def _sequence(thing: Any) -> AnyRunnable:
    return RunnableSequence(*thing.steps)


def _parallel(thing: Any) -> AnyRunnable:
    return RunnableParallel(thing.steps__)


def _assign(thing: Any) -> AnyRunnable:
    return RunnablePassthrough.assign(**thing.mapper.steps__)


def _pick(thing: Any) -> AnyRunnable:
    return RunnablePick(thing.keys)


def _each(thing: Any) -> AnyRunnable:
    return RunnableEach(thing.bound)


def _branch(thing: Any) -> AnyRunnable:
    return RunnableBranch(*thing.branches, thing.default)


def _fallbacks(thing: Any) -> AnyRunnable:
    return coerce_to_runnable(thing.runnable).with_fallbacks(
        thing.fallbacks, exceptions_to_handle=thing.exceptions_to_handle, exception_key=thing.exception_key
    )


def _binding(thing: Any) -> AnyRunnable | None:
    if thing.config_factories:  # what listens
        return None
    made = coerce_to_runnable(thing.bound)
    made = made.bind(**thing.kwargs) if thing.kwargs else made
    return made.with_config(cast(RunnableConfig, thing.config)) if thing.config else made


def _retry(thing: Any) -> AnyRunnable | None:
    bound = _binding(thing)
    return bound and bound.with_retry(
        retry_if_exception_type=thing.retry_exception_types,
        wait_exponential_jitter=thing.wait_exponential_jitter,
        exponential_jitter_params=thing.exponential_jitter_params,
        stop_after_attempt=thing.max_attempt_number,
    )


def _ours(thing: Any) -> AnyRunnable | None:
    """One of ours, which LangChain has taken for a function."""
    func = getattr(thing, "func", None)
    return func if isinstance(func, Runnable) else None


_COMPOSED: dict[str, Callable[[Any], AnyRunnable | None]] = {
    "RunnableSequence": _sequence,
    "RunnableParallel": _parallel,
    "RunnableAssign": _assign,
    "RunnablePick": _pick,
    "RunnableEach": _each,
    "RunnableBranch": _branch,
    "RunnableWithFallbacks": _fallbacks,
    "RunnableBinding": _binding,
    "RunnableRetry": _retry,
    "RunnableLambda": _ours,
}
