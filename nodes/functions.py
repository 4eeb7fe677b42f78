"""Functions as runnables."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, overload

from anabranch.engine.annotations import input_type, output_type
from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import CompositionError
from anabranch.engine.functions_by_name import FunctionsByName
from anabranch.engine.mentions import called_names, keys_read, lambda_source, reads_only, returns_value
from anabranch.engine.operators import Operator
from anabranch.engine.signatures import Signature, describe
from anabranch.engine.value_types import keys_of
from anabranch.nodes.calling import called_with
from anabranch.nodes.deferred import schemas
from anabranch.nodes.edges import check_edge, check_keys
from anabranch.nodes.runnables import Input, Output, Runnable
from anabranch.nodes.values import Value

if TYPE_CHECKING:
    from pydantic import BaseModel

T = TypeVar("T")
P = ParamSpec("P")


class RunnableLambda(Value, FunctionsByName, Runnable[Input, Output]):
    """A function as a runnable.

    It may be synchronous or asynchronous, a generator (what it yields is added up, or streamed), a partial, a
    method, a class or a callable object. It may take, besides the input, `config` and `run_manager`. When it returns
    a runnable, that is run with the same input.

    Args:
        func: the function; or an asynchronous one.
        afunc: an asynchronous form of `func`, used by the asynchronous verbs.
        name: in traces and errors; by default that of the function, or `RunnableLambda` for what has none of its own: a
            lambda, a partial, a callable object.
        blocking: False promises that `func` is quick, so that under asyncio it needs no thread.
        abandon: the run need not wait for `func` when it is stopped.

    Raises:
        CompositionError: a `TypeError`, when `func` can't be called with an input, when it is a generator that
            returns a value, or when both functions are asynchronous.

    Example:
        >>> def shout(text: str) -> str:
        ...     return text.upper()
        >>> (RunnableLambda(shout) | len).invoke("ab")
        2
    """

    @overload
    def __init__(
        self: RunnableLambda[Input, T],
        func: Callable[Concatenate[Input, P], Runnable[Any, T]],
        afunc: Callable[..., Any] | None = None,
        name: str | None = None,
        *,
        blocking: bool = True,
        abandon: bool = False,
    ) -> None: ...
    @overload
    def __init__(
        self: RunnableLambda[Input, T],
        func: Callable[Concatenate[Input, P], Awaitable[T]],
        afunc: Callable[..., Any] | None = None,
        name: str | None = None,
        *,
        blocking: bool = True,
        abandon: bool = False,
    ) -> None: ...
    @overload
    def __init__(
        self: RunnableLambda[Input, T],
        func: Callable[Concatenate[Input, P], Iterator[T]] | Callable[Concatenate[Input, P], AsyncIterator[T]],
        afunc: Callable[..., Any] | None = None,
        name: str | None = None,
        *,
        blocking: bool = True,
        abandon: bool = False,
    ) -> None: ...
    @overload
    def __init__(
        self: RunnableLambda[Input, T],
        func: Callable[Concatenate[Input, P], T],
        afunc: Callable[..., Any] | None = None,
        name: str | None = None,
        *,
        blocking: bool = True,
        abandon: bool = False,
    ) -> None: ...
    def __init__(
        self,
        func: Callable[..., Any],
        afunc: Callable[..., Any] | None = None,
        name: str | None = None,
        *,
        blocking: bool = True,
        abandon: bool = False,
    ) -> None:
        signature = described(func)
        if afunc is not None and {signature.kind, described(afunc).kind} <= {"coroutine", "async_generator"}:
            raise CompositionError(
                f"func and afunc are both asynchronous; give {func!r:.80} alone, or a plain one as func"
            )
        self.func = func
        self.afunc = afunc
        self.name = name
        self.blocking = blocking
        self.abandon = abandon

    def _default_name(self) -> str:
        name = getattr(self.func, "__name__", None)
        return name if isinstance(name, str) and name != "<lambda>" else "RunnableLambda"

    @property
    def InputType(self) -> Any:
        """From the annotation of the first parameter."""
        return input_type(self.func)

    @property
    def OutputType(self) -> Any:
        """From the annotation of the return value."""
        return output_type(self.func)

    @property
    def _types_depend(self) -> bool:
        return type(self.func) is itemgetter

    def _output_for(self, given: Any, giver: Any) -> Any:
        if not self._types_depend:
            check_edge(giver, given, self, self.InputType)
            return self.OutputType
        read = reads_only(self.func)
        keys = keys_of(given)
        if read is None or keys is None:
            return Any
        check_keys(giver, given, self, sorted(read))
        named = self.func.__reduce__()[1]
        types = [keys.types[key] if key in keys.required else Any for key in named]
        return types[0] if len(types) == 1 else tuple[tuple(types)]  # type: ignore[misc]

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """A pydantic model of the input: from the annotation, or else from the keys that the function reads."""
        if self.InputType is Any and (keys := keys_read(self.func)):
            return schemas.input_model(self.get_name("Input"), keys)
        return super().get_input_schema(config)

    @property
    def deps(self) -> list[Runnable[Any, Any]]:
        """The runnables that the function's code mentions, in its closure and among its globals."""
        found: dict[int, Runnable[Any, Any]] = {}
        for func in (self.func, self.afunc):
            for each in called_names(func) if func is not None else ():
                owner = each if isinstance(each, Runnable) else getattr(each, "__self__", None)
                if isinstance(owner, Runnable) and owner is not self:
                    found[id(owner)] = owner
        return list(found.values())

    def _parts(self) -> list[Runnable[Any, Any]]:
        return self.deps

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        signatures = [(self.func, describe(self.func))]
        if self.afunc is not None:
            signatures.append((self.afunc, describe(self.afunc)))
        wants = any(signature.wants_config or signature.wants_run_manager for _, signature in signatures)
        forms: dict[str, Any] = {}
        for func, signature in signatures:
            form = "ainvoke" if func is self.afunc and signature.kind == "function" else _FORMS[signature.kind]
            forms[form] = called_with(func, signature, kwargs, wants, form)
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
        keys = repr(self.func).removeprefix("operator.") if type(self.func) is itemgetter else None
        name = self.name or keys or describe(self.func).name
        return f"RunnableLambda({name or lambda_source(self.func) or '...'})"

    def _made_of(self) -> dict[str, Any]:
        return {"func": self.func, "afunc": self.afunc}

    def __hash__(self) -> int:
        return hash(self.func)


def described(func: Any) -> Signature:
    """The signature of a function that is to be a runnable.

    Raises:
        CompositionError: a `TypeError`, when it can't be one.
    """
    if not callable(func) or isinstance(func, Runnable):
        raise CompositionError(f"expected a function, got {type(func).__name__}: {func!r:.80}")
    signature = describe(func)
    if isinstance(func, type) and issubclass(func, Runnable):
        name = func.__name__
        raise CompositionError(f"{name} is a class; a chain is made of its objects: write {name}(...)")
    if not signature.takes_input:
        raise CompositionError(f"{func!r:.80} takes no input; a function in a chain gets it as its first argument")
    if signature.kind == "generator" and returns_value(func):
        raise CompositionError(
            f"the generator function {signature.name or func!r} returns a value, which would be lost; yield it, or end "
            "with a plain `return`"
        )
    return signature


_FORMS = {
    "function": "invoke",
    "coroutine": "ainvoke",
    "generator": "stream",
    "async_generator": "astream",
}
