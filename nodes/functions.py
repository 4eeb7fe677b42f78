"""Functions as runnables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cached_property, partial
from typing import Any

from anabranch.engine.operators import Operator
from anabranch.engine.mentions import reads_only
from anabranch.engine.signatures import Signature, describe, input_type, output_type
from anabranch.nodes.run_managers import RunManager
from anabranch.nodes.runnables import Input, Output, Runnable


class RunnableLambda(Runnable[Input, Output]):
    """A function as a runnable.

    It may be synchronous or asynchronous, a generator (what it yields is added up, or streamed), a partial, a
    method, a class or a callable object. It may take, besides the input, `config` and `run_manager`. When it returns
    a runnable, that is run with the same input.

    Args:
        func: the function; or an asynchronous one.
        afunc: an asynchronous form of `func`, used by the asynchronous verbs.
        name: in traces and errors; by default that of the function.
        blocking: False promises that `func` is quick, so that under asyncio it needs no thread.
        abandon: the run need not wait for `func` when it is stopped.

    Raises:
        TypeError: when `func` can't be called.
    """

    def __init__(
        self,
        func: Callable[[Input], Output] | Callable[[Input], Awaitable[Output]] | Callable[..., Any],
        afunc: Callable[..., Any] | None = None,
        name: str | None = None,
        *,
        blocking: bool = True,
        abandon: bool = False,
    ) -> None:
        for given in (func, afunc):
            if given is not None and not callable(given):
                raise TypeError(f"RunnableLambda takes a function, got {type(given).__name__}: {given!r:.80}")
        self.func = func
        self.afunc = afunc
        self.name = name
        self.blocking = blocking
        self.abandon = abandon

    @cached_property
    def _signature(self) -> Signature:
        return describe(self.func)

    def _default_name(self) -> str:
        return self._signature.name or "RunnableLambda"

    @property
    def InputType(self) -> Any:
        """From the annotation of the first parameter."""
        return input_type(self.func)

    @property
    def OutputType(self) -> Any:
        """From the annotation of the return value."""
        return output_type(self.func)

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        forms: dict[str, Any] = {}
        signatures = [(self.func, self._signature)]
        if self.afunc is not None:
            signatures.append((self.afunc, describe(self.afunc)))
        wants = any(signature.wants_config or signature.wants_run_manager for _, signature in signatures)
        for func, signature in signatures:
            forms[_FORMS[signature.kind]] = called_with(func, signature, kwargs, wants)
        reads = reads_only(self.func)
        return Operator(
            name=self.get_name(),
            wants_config=wants,
            blocking=self.blocking and reads is None,
            expands=True,
            reads=reads,
            abandon=self.abandon,
            **forms,
        )

    def __repr__(self) -> str:
        return f"RunnableLambda({self.get_name()})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunnableLambda) and (self.func, self.afunc) == (other.func, other.afunc)

    def __hash__(self) -> int:
        return hash((self.func, self.afunc))


_FORMS = {
    "function": "invoke",
    "coroutine": "ainvoke",
    "generator": "stream",
    "async_generator": "astream",
}


def called_with(
    func: Callable[..., Any], signature: Signature, kwargs: dict[str, Any], wants_config: bool
) -> Callable[..., Any]:
    """The function as a form: with what is bound, and with what it asks for of its run."""
    if kwargs:
        func = partial(func, **kwargs)
    if not wants_config:
        return func

    def call(value: Any, config: Any) -> Any:
        asked = {}
        if signature.wants_config:
            asked["config"] = config
        if signature.wants_run_manager:
            asked["run_manager"] = RunManager(config)
        return func(value, **asked)

    return call
