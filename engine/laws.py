"""The laws of composing and running, each a plain function with the law in English as its docstring.

A law takes runnables (anything with the verbs) or plain values, and raises `AssertionError`, with what was
found on either side, where it doesn't hold. So a node or a driver of your own is checked by calling the laws.

Outcomes. "The same result" means equal values; or an exception on both sides, of the same type. The laws are
about deterministic operators, and about chunks that are mapped so that `op(a + b) == op(a) + op(b)` and
`op(None) == None`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from anabranch.engine.chunks import Algebra, add, afold, fold
from anabranch.engine.graphs import Graph, slots_of

GRACE = 5.0


class Verbs(Protocol):
    """What the laws need of a runnable."""

    @property
    def graph(self) -> Graph: ...
    def invoke(self, input: Any, /) -> Any: ...
    def ainvoke(self, input: Any, /) -> Awaitable[Any]: ...
    def batch(self, inputs: Sequence[Any], /) -> list[Any]: ...
    def abatch(self, inputs: Sequence[Any], /) -> Awaitable[list[Any]]: ...
    def batch_as_completed(self, inputs: Sequence[Any], /) -> Iterator[tuple[int, Any]]: ...
    def abatch_as_completed(self, inputs: Sequence[Any], /) -> AsyncIterator[tuple[int, Any]]: ...
    def stream(self, input: Any, /) -> Iterator[Any]: ...
    def astream(self, input: Any, /) -> AsyncIterator[Any]: ...
    def transform(self, input: Iterator[Any], /) -> Iterator[Any]: ...
    def atransform(self, input: AsyncIterator[Any], /) -> AsyncIterator[Any]: ...
    def __or__(self, other: Any, /) -> Verbs: ...
    def __ror__(self, other: Any, /) -> Verbs: ...


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of a call: a value or an exception."""

    value: Any = None
    error: Exception | None = None

    def is_as(self, other: Outcome) -> bool:
        """Whether both have equal values, or both have errors of one type."""
        if self.error is None and other.error is None:
            return bool(self.value == other.value)
        return type(self.error) is type(other.error)

    def __str__(self) -> str:
        return repr(self.value) if self.error is None else f"the error {self.error!r}"


def outcome(call: Callable[..., Any], *arguments: Any) -> Outcome:
    """What comes of a call."""
    try:
        return Outcome(call(*arguments))
    except Exception as error:
        return Outcome(error=error)


async def aoutcome(call: Callable[..., Awaitable[Any]], *arguments: Any) -> Outcome:
    """What comes of an awaited call."""
    try:
        return Outcome(await call(*arguments))
    except Exception as error:
        return Outcome(error=error)


def folded(verb: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Any]:
    """A verb that streams, as one that gives the whole value."""
    return lambda value: fold(verb(value))


def afolded(verb: Callable[[Any], AsyncIterator[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """The same for an asynchronous one."""
    return lambda value: afold(verb(value))


# Composition


def associativity_of_composition(a: Verbs, b: Verbs, c: Verbs, values: Iterable[Any]) -> None:
    """`(a | b) | c` and `a | (b | c)` are the same graph, and give the same result."""
    left, right = (a | b) | c, a | (b | c)
    _agree("(a | b) | c and a | (b | c) as graphs", _shape(left.graph), _shape(right.graph))
    for value in values:
        _same(
            f"(a | b) | c and a | (b | c) on {value!r}",
            outcome(left.invoke, value),
            outcome(right.invoke, value),
        )


def passthrough_is_identity(a: Verbs, passthrough: Verbs, values: Iterable[Any]) -> None:
    """A passthrough hands over the very object, and before or after a runnable it changes nothing."""
    for value in values:
        _holds(passthrough.invoke(value) is value, f"passthrough made another object of {value!r}")
        plain = outcome(a.invoke, value)
        _same(f"a | passthrough and a on {value!r}", outcome((a | passthrough).invoke, value), plain)
        _same(f"passthrough | a and a on {value!r}", outcome((passthrough | a).invoke, value), plain)


def pick_after_join(a: Verbs, pick_k: Verbs, values: Iterable[Any]) -> None:
    """`{"k": a} | pick("k")` is `a`."""
    joined = {"k": a} | pick_k
    for value in values:
        _same(
            f'{{"k": a}} | pick("k") and a on {value!r}',
            outcome(joined.invoke, value),
            outcome(a.invoke, value),
        )


def distribution(
    a: Verbs, b: Verbs, c: Verbs, parallel: Callable[[Mapping[str, Any]], Verbs], values: Iterable[Any]
) -> None:
    """For a pure `a`, `a | {"x": b, "y": c}` is `{"x": a | b, "y": a | c}`."""
    before, inside = a | {"x": b, "y": c}, parallel({"x": a | b, "y": a | c})
    for value in values:
        _same(
            f'a | {{"x": b, "y": c}} and {{"x": a | b, "y": a | c}} on {value!r}',
            outcome(before.invoke, value),
            outcome(inside.invoke, value),
        )


# Chunks


def chunks_form_a_monoid(a: Any, b: Any, c: Any, algebra: Algebra | None = None) -> None:
    """On one edge, adding chunks is associative, `None` is its identity on either side, `fold` the sum."""

    def plus(left: Any, right: Any) -> Any:
        return add(left, right, algebra)

    _agree(f"(a + b) + c and a + (b + c) of {a!r}, {b!r}, {c!r}", plus(plus(a, b), c), plus(a, plus(b, c)))
    for chunk in (a, b, c):
        _agree("None + chunk and the chunk", plus(None, chunk), chunk)
        _agree("chunk + None and the chunk", plus(chunk, None), chunk)
    _agree(f"fold and the sum of {a!r}, {b!r}, {c!r}", fold((a, b, c), algebra), plus(plus(a, b), c))


def operator_maps_chunks(
    operator: Callable[[Iterator[Any]], Iterable[Any]], a: Any, b: Any, algebra: Algebra | None = None
) -> None:
    """`op(a + b) == op(a) + op(b)` and `op(None) == None`: what a step that maps chunks must hold to."""

    def of(*chunks: Any) -> Any:
        return fold(operator(iter(chunks)), algebra)

    whole = of(add(a, b, algebra))
    _agree(f"op(a + b) and op(a) + op(b) of {a!r}, {b!r}", whole, add(of(a), of(b), algebra))
    _agree(f"op(a + b) at once and op of a, then b, of {a!r}, {b!r}", whole, of(a, b))
    _agree("op(None) and None", of(None), None)


def fold_of_stream_is_invoke(a: Verbs, value: Any) -> None:
    """What `stream` yields, folded, is what `invoke` returns; where one fails, so does the other."""
    _same(
        f"fold(stream(x)) and invoke(x) on {value!r}",
        outcome(folded(a.stream), value),
        outcome(a.invoke, value),
    )


async def fold_of_astream_is_ainvoke(a: Verbs, value: Any) -> None:
    """What `astream` yields, folded, is what `ainvoke` returns; where one fails, so does the other."""
    _same(
        f"fold(astream(x)) and ainvoke(x) on {value!r}",
        await aoutcome(afolded(a.astream), value),
        await aoutcome(a.ainvoke, value),
    )


def transform_is_invoke_of_the_fold(a: Verbs, chunks: Sequence[Any]) -> None:
    """`transform` of an input in chunks, folded, is `invoke` of the whole input, however it is cut."""
    _same(
        f"fold(transform(chunks)) and invoke(fold(chunks)) on {chunks!r}",
        outcome(folded(a.transform), iter(chunks)),
        outcome(a.invoke, fold(chunks)),
    )


async def atransform_is_ainvoke_of_the_fold(a: Verbs, chunks: Sequence[Any]) -> None:
    """The same with the asynchronous verbs."""
    _same(
        f"fold(atransform(chunks)) and ainvoke(fold(chunks)) on {chunks!r}",
        await aoutcome(afolded(a.atransform), _each(chunks)),
        await aoutcome(a.ainvoke, fold(chunks)),
    )


# Verbs


def batch_is_map_of_invoke(a: Verbs, values: Sequence[Any]) -> None:
    """`batch` gives, in order, what `invoke` gives for each; `batch_as_completed` gives each of them once."""

    def completed(inputs: Sequence[Any]) -> list[Any]:
        return _in_order(list(a.batch_as_completed(inputs)))

    single = outcome(lambda: [a.invoke(value) for value in values])
    _same(f"batch and map(invoke) on {values!r}", outcome(a.batch, values), single)
    _same(f"batch_as_completed and map(invoke) on {values!r}", outcome(completed, values), single)


async def abatch_is_map_of_ainvoke(a: Verbs, values: Sequence[Any]) -> None:
    """The same with the asynchronous verbs."""

    async def one_by_one() -> list[Any]:
        return [await a.ainvoke(value) for value in values]

    async def completed() -> list[Any]:
        return _in_order([pair async for pair in a.abatch_as_completed(values)])

    single = await aoutcome(one_by_one)
    _same(f"abatch and map(ainvoke) on {values!r}", await aoutcome(a.abatch, values), single)
    _same(f"abatch_as_completed and map(ainvoke) on {values!r}", await aoutcome(completed), single)


def sync_equals_async(a: Verbs, value: Any) -> None:
    """`invoke` and `ainvoke` give the same result."""
    left = outcome(a.invoke, value)
    _same(f"ainvoke and invoke on {value!r}", asyncio.run(aoutcome(a.ainvoke, value)), left)


def sync_stream_equals_async_stream(a: Verbs, value: Any) -> None:
    """`stream` and `astream` give the same value, however each cuts it into chunks."""
    left = outcome(folded(a.stream), value)
    _same(f"astream and stream on {value!r}", asyncio.run(aoutcome(afolded(a.astream), value)), left)


# Scheduling


class Occupancy(AbstractContextManager["Occupancy"]):
    """Counts who is inside: `with occupancy:` in the leaves of a chain, from any thread or task.

    Attributes:
        inside: how many are, now.
        peak: how many were at once, at most.
        entered: how often somebody entered.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.inside = self.peak = self.entered = 0

    def __enter__(self) -> Occupancy:
        with self._lock:
            self.inside += 1
            self.entered += 1
            self.peak = max(self.peak, self.inside)
        return self

    def __exit__(self, *exc_info: object) -> None:
        with self._lock:
            self.inside -= 1


def concurrency_within_cap(observed: Occupancy, cap: int) -> None:
    """Of a whole call, batch, branches and nested calls, at most `max_concurrency` steps run at once."""
    _holds(observed.peak <= cap, f"{observed.peak} ran at once under a cap of {cap}")
    _holds(observed.inside == 0, f"{observed.inside} were still running when the call had returned")


def makespan_within_bound(makespan: float, work: float, longest_path: float, permits: int) -> None:
    """With m permits, a call takes at most (2 - 1/m) times as long as the best schedule could.

    No schedule is shorter than the longest path, nor than the work divided by m: these stand for the best.
    """
    best = max(longest_path, work / permits)
    bound = (2 - 1 / permits) * best
    _holds(
        makespan <= bound * (1 + 1e-9),
        f"took {makespan} with {permits} permits, more than (2 - 1/{permits}) x {best} = {bound}: "
        f"the work is {work}, the longest path {longest_path}",
    )


def nothing_alive_after(call: Callable[[], Any], left: Callable[[], Iterable[object]], grace: float = GRACE) -> Outcome:
    """When a call has returned or raised, nothing that it started is left: no busy thread, task or generator.

    Args:
        call: the call.
        left: lists what is alive and was not before the call.
        grace: how many seconds a thread may take to come to rest.

    Returns:
        What came of the call.
    """
    result = outcome(call)
    until = time.monotonic() + grace
    alive = list(left())
    while alive and time.monotonic() < until:
        time.sleep(0.0005)
        alive = list(left())
    _holds(not alive, f"left alive after the call, which gave {result}: {', '.join(map(str, alive))}")
    return result


# How the laws compare


def _same(what: str, left: Outcome, right: Outcome) -> None:
    if not left.is_as(right):
        raise AssertionError(f"{what} differ: {left} and {right}") from (left.error or right.error)


def _agree(what: str, left: Any, right: Any) -> None:
    _holds(left == right, f"{what} differ: {left!r} and {right!r}")


def _holds(condition: bool, text: str) -> None:
    if not condition:
        raise AssertionError(text)


def _shape(graph: Graph) -> object:
    """A graph's vertices with what stands there, its edges with their ports, its scopes, and its outlet."""
    edges: Iterable[Any] = graph.dag.edges(data="ports")
    return (
        [(key, step.node or step.operator, step.tags, step.config) for key, step in _keyed(graph)],
        sorted((start, end, str(ports)) for start, end, ports in edges),
        [(scope.name, scope.kind, scope.parent, scope.tags) for scope in graph.scopes],
        list(slots_of(graph.output)),
    )


def _keyed(graph: Graph) -> Iterator[tuple[str, Any]]:
    return zip(graph.keys, graph.steps, strict=True)


def _in_order(pairs: list[tuple[int, Any]]) -> list[Any]:
    indexes = sorted(index for index, _ in pairs)
    _agree("the indexes of the results and those of the inputs", indexes, list(range(len(pairs))))
    return [result for _, result in sorted(pairs, key=lambda pair: pair[0])]


async def _each(chunks: Iterable[Any]) -> AsyncIterator[Any]:
    for chunk in chunks:
        yield chunk
