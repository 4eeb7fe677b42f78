"""Random programs: small trees that can be built as a runnable, and reckoned by plain recursion.

Every program takes a text or None and gives one. What stands inside a `Join` is a dict, read by the join's
own `then`. The repr of a program is the code that makes it. `built_programs.build` makes the runnable, and
`expected(program, value)` says what must come of it: a value, or one of several errors, since of branches
that fail at once any may come first, and a step that reads one port may run although another port fails.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields, replace
from typing import Any

from hypothesis import strategies as st

Value = str | None
LONGEST = 12


class Injected(Exception):
    """A failure that a program asks for; its argument is the mark of the step."""


@dataclass(frozen=True)
class Fn:
    """A function that puts its mark before the text. `fails`: on checksums divisible by it; 0 never."""

    mark: str
    form: str = "sync"  # async, both, or quick (blocking=False)
    fails: int = 0


@dataclass(frozen=True)
class Chunked:
    """A generator function: `Fn`, yielded in pieces of some size. It fails after the first piece."""

    mark: str
    form: str = "sync"
    size: int = 1
    fails: int = 0


@dataclass(frozen=True)
class Mapped:
    """A generator that swaps the case of each character, as it comes. It fails at multiples of `fails`."""

    form: str = "sync"
    fails: int = 0


@dataclass(frozen=True)
class Silent:
    """A generator that takes everything and yields nothing."""

    form: str = "sync"


@dataclass(frozen=True)
class Pass:
    """A passthrough."""


@dataclass(frozen=True)
class Refused:
    """Keys are assigned to the text, which is no dict: nobody can read what comes of that."""


@dataclass(frozen=True)
class Seq:
    steps: tuple[Program, ...]


@dataclass(frozen=True)
class Join:
    """A dict of programs, and what reads it."""

    branches: dict[str, Program]
    then: Reader


@dataclass(frozen=True)
class Merge:
    """A function of the whole dict."""


@dataclass(frozen=True)
class Get:
    """The value of one key, by `itemgetter` or by `pick`."""

    key: str
    by: str = "itemgetter"


@dataclass(frozen=True)
class PickSome:
    """Some keys, merged."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class Cross:
    """Each of some programs reads one key; their results are merged."""

    readers: dict[str, tuple[str, Program]]


@dataclass(frozen=True)
class Assign:
    """Keys are assigned, each by a program that reads one key; then all is merged."""

    readers: dict[str, tuple[str, Program]]


@dataclass(frozen=True)
class Branch:
    """The first program whose number divides the checksum of the value, else the default."""

    cases: tuple[tuple[int, Program], ...]
    default: Program


@dataclass(frozen=True)
class Map:
    """The program over the parts of the text, merged."""

    parts: int
    program: Program


@dataclass(frozen=True)
class Retry:
    program: Program
    attempts: int = 2


@dataclass(frozen=True)
class Fallback:
    program: Program
    others: tuple[Program, ...]


@dataclass(frozen=True)
class Returns:
    """A function that returns the runnable."""

    program: Program
    form: str = "sync"


@dataclass(frozen=True)
class Calls:
    """A function that runs the runnable itself, by some verb."""

    program: Program
    verb: str = "invoke"  # batch, completed, stream, ainvoke, abatch, acompleted, astream, gather


@dataclass(frozen=True)
class Bound:
    """With config bound to it, or with a timeout that is never reached."""

    program: Program
    timeout: bool = False


Reader = Merge | Get | PickSome | Cross | Assign
Leaf = Fn | Chunked | Mapped | Silent | Pass | Refused
Program = Leaf | Seq | Join | Branch | Map | Retry | Fallback | Returns | Calls | Bound


def text(value: object) -> str:
    """Any value as a short text."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}{text(each)}" for key, each in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(text, value)) + "]"
    return "~" if value is None else str(value)


def checksum(value: object) -> int:
    """A number that depends on all of a value."""
    return sum(map(ord, text(value)))


def marked(mark: str, value: object) -> str:
    return (mark + text(value))[:LONGEST]


def split(value: Value, parts: int) -> list[str]:
    """A text cut into some parts."""
    whole = text(value)
    return [whole[index::parts] for index in range(parts)]


# What must come of a program


@dataclass(frozen=True)
class Expected:
    """What may come of a program.

    Attributes:
        value: the value.
        known: it has one, for whoever reads it alone; it fails nevertheless if there are `errors`.
        errors: the marks of the steps whose error may be raised.
        vague: a stream may give something else: a fallback stands behind what may have streamed already.
    """

    value: Any
    known: bool = True
    errors: frozenset[str] = frozenset()
    vague: bool = False

    @property
    def whole(self) -> Expected:
        """As one step delivers it."""
        return replace(self, known=self.known and not self.errors)


def expected(program: Program, value: Any) -> Expected:
    """What must come of a program."""
    match program:
        case Fn(mark, _, fails) | Chunked(mark, _, _, fails):
            return _failing(mark, checksum(value), fails) or Expected(marked(mark, value))
        case Mapped(_, fails):
            failed = [_failing("mapped", ord(char), fails) for char in value or ""]
            return next(filter(None, failed), Expected((value or "").swapcase() or None))
        case Silent():
            return Expected(None)
        case Pass():
            return Expected(value)
        case Refused():
            return Expected(None, False, frozenset({"refused"}))
        case Seq(steps):
            return functools.reduce(_then, steps, Expected(value))
        case Join(branches, then):
            return _read(then, {key: expected(branch, value) for key, branch in branches.items()})
        case Branch(cases, default):
            chosen = (case for number, case in cases if checksum(value) % number == 0)
            return expected(next(chosen, default), value).whole
        case Map(parts, inner):
            return _each(inner, split(value, parts))
        case Calls(inner, "batch" | "completed" | "abatch" | "acompleted" | "gather"):
            return replace(_each(inner, split(value, 2)), vague=False)
        case Fallback(inner, others):
            return _fall_back([expected(each, value).whole for each in (inner, *others)])
        case Retry(inner) | Returns(inner) | Bound(inner, True):
            return expected(inner, value).whole
        case Calls(inner, verb):
            called = replace(expected(inner, value), vague=False).whole
            return replace(called, errors=_failable(inner)) if called.errors and verb.endswith("stream") else called
        case Bound(inner):
            return expected(inner, value)


def _failable(program: Program) -> frozenset[str]:
    """The marks of all that may fail: in a stream a later step may fail first, of an early chunk."""
    leaves = [part for part in parts_of(program) if isinstance(part, Fn | Chunked | Mapped) and part.fails]
    return frozenset("mapped" if isinstance(leaf, Mapped) else leaf.mark for leaf in leaves)


def _each(program: Program, inputs: list[str]) -> Expected:
    results = {str(index): expected(program, each) for index, each in enumerate(inputs)}
    return _merged(results, ".", as_list=True).whole


def _failing(mark: str, number: int, fails: int) -> Expected | None:
    return Expected(None, False, frozenset({mark})) if fails and number % fails == 0 else None


def _then(before: Expected, program: Program) -> Expected:
    if not before.known:
        return before
    after = expected(program, before.value)
    return replace(after, errors=before.errors | after.errors, vague=before.vague or after.vague)


def _read(reader: Reader, ports: dict[str, Expected]) -> Expected:
    errors = frozenset().union(*(port.errors for port in ports.values()))
    vague = any(port.vague for port in ports.values())
    match reader:
        case Merge():
            result = _merged(ports, "m")
        case Get(key):
            result = ports[key]
        case PickSome(keys):
            result = _merged({key: ports[key] for key in keys}, "m")
        case Cross(readers):
            result = _merged({name: _then(ports[key], each) for name, (key, each) in readers.items()}, "m")
        case Assign(readers):
            assigned = {name: _then(ports[key], each) for name, (key, each) in readers.items()}
            result = _merged({**ports, **assigned}, "m")
    return replace(result, errors=result.errors | errors, vague=result.vague or vague)


def _merged(ports: dict[str, Expected], mark: str, as_list: bool = False) -> Expected:
    values = {key: port.value for key, port in ports.items()}
    return Expected(
        marked(mark, list(values.values()) if as_list else values),
        all(port.known for port in ports.values()),
        frozenset().union(*(port.errors for port in ports.values())),
        any(port.vague for port in ports.values()),
    )


def _fall_back(each: list[Expected]) -> Expected:
    for index, one in enumerate(each):
        if not one.errors:
            return replace(one, vague=index > 0 or one.vague)
    return replace(each[0], vague=True)


# Strategies

KEYS = ("a", "b", "c")
MARKS = st.sampled_from("pqrstuvw")
VERBS = {
    "sync": ("invoke", "batch", "completed", "stream"),
    "async": ("ainvoke", "abatch", "acompleted", "astream", "gather"),
}

values: st.SearchStrategy[Value] = st.text("abcXYZ", max_size=5) | st.none()


def programs(
    max_leaves: int = 8, failing: bool = True, forms: tuple[str, ...] = ("sync", "async"), refusing: bool = False
) -> Any:
    """Programs of some size. `failing`: with failures injected. `forms`: of the functions in them.

    `refusing`: with `Refused` among them, which fails only if somebody reads it.
    """
    fails = st.sampled_from((0, 0, 0, 0, 1, 2, 3)) if failing else st.just(0)
    form = st.sampled_from((*forms, "both", "quick") if forms == ("sync", "async") else forms)
    kind = st.sampled_from(forms)
    leaves = st.one_of(
        st.builds(Fn, MARKS, form, fails),
        st.builds(Chunked, MARKS, kind, st.integers(1, 3), fails),
        st.builds(Mapped, kind, fails),
        st.just(Pass()),
        st.builds(Silent, kind),
        *([st.just(Refused())] if refusing else []),
    )
    verbs = st.sampled_from([verb for each in forms for verb in VERBS[each]])

    def grown(inner: st.SearchStrategy[Program]) -> st.SearchStrategy[Program]:
        return st.one_of(
            st.builds(Seq, st.lists(inner, min_size=1, max_size=4).map(tuple)),
            joins(inner),
            st.builds(Branch, st.tuples(st.tuples(st.integers(1, 3), inner)), inner),
            st.builds(Map, st.integers(0, 3), inner),
            st.builds(Retry, inner, st.integers(1, 2)),
            st.builds(Fallback, inner, st.lists(inner, min_size=1, max_size=2).map(tuple)),
            st.builds(Returns, inner, kind),
            st.builds(Calls, inner, verbs).map(_certain),
            st.builds(Bound, inner, st.booleans()),
        )

    return st.recursive(leaves, grown, max_leaves=max_leaves)


@st.composite
def joins(draw: st.DrawFn, inner: st.SearchStrategy[Program]) -> Program:
    """A join of some programs, and what reads it."""
    keys = KEYS[: draw(st.integers(1, len(KEYS)))]
    key = st.sampled_from(keys)
    readers = st.dictionaries(st.sampled_from("xyab"), st.tuples(key, inner), min_size=1, max_size=2)
    some = st.lists(key, min_size=1, unique=True).map(tuple)
    then = draw(
        st.one_of(
            st.just(Merge()),
            st.builds(Get, key, st.sampled_from(("itemgetter", "pick"))),
            st.builds(PickSome, some),
            st.builds(Cross, readers),
            st.builds(Assign, readers),
        )
    )
    return Join({key: draw(inner) for key in keys}, then)


def parts_of(program: Program | Reader) -> list[Program | Reader]:
    """A program and everything in it."""
    found: list[Any] = [program]
    for part in found:
        inner = [getattr(part, field.name) for field in fields(part)]
        while inner:
            each = inner.pop()
            if isinstance(each, dict | tuple):
                inner.extend(each.values() if isinstance(each, dict) else each)
            elif not isinstance(each, str | int):
                found.append(each)
    return found


def _certain(call: Calls) -> Calls:
    """A call by a verb whose result is certain: a stream before a fallback isn't."""
    if any(isinstance(part, Fallback) for part in parts_of(call.program)):
        return replace(call, verb={"stream": "invoke", "astream": "ainvoke"}.get(call.verb, call.verb))
    return call
