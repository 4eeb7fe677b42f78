"""Chunks combine as a monoid on each edge, in linear time, without touching what was passed in."""

from __future__ import annotations

import asyncio
import copy
import datetime
import pickle
from collections.abc import AsyncIterator, Iterator
from enum import Enum
from fractions import Fraction
from functools import reduce
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from verbs import one_after_another

from anabranch.engine.chunks import Accumulator, AddableDict, Algebra, add, afold, algebra_of, fold
from anabranch.engine.errors import AnabranchError, ChunkError


class Words:
    """A type of a user's own, additive, that counts what its additions cost."""

    additions = 0
    copied = 0

    def __init__(self, *words: str) -> None:
        self.words = words

    def __add__(self, other: Words) -> Words:
        if not isinstance(other, Words):
            return NotImplemented
        Words.additions += 1
        Words.copied += len(self.words) + len(other.words)
        return Words(*self.words, *other.words)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Words) and self.words == other.words

    def __hash__(self) -> int:
        return hash(self.words)

    def __repr__(self) -> str:
        return f"Words{self.words}"


class LoudWords(Words):
    pass


class Whole:
    """As a whole message: it has `+` for another purpose, but is a snapshot."""

    __chunk_algebra__ = Algebra.SNAPSHOTS

    def __add__(self, other: object) -> object:
        return "a prompt"


class Part(Whole):
    """As a message chunk: a subclass that is additive again."""

    __chunk_algebra__ = Algebra.ADDITIVE

    def __add__(self, other: object) -> Part:
        return self


class Markup(str):
    """A string whose `+` is its own: what it touches becomes markup."""

    def __add__(self, other: str) -> Markup:
        return Markup(str.__add__(self, other))

    def __radd__(self, other: str) -> Markup:
        return Markup(str.__add__(other, self))


class Label(str):
    pass


class Point(NamedTuple):
    x: int
    y: int


texts = st.text(max_size=4)
# Whole floats add exactly: `+` of others is associative only nearly.
numbers = st.integers(-99, 99) | st.integers(-99, 99).map(float) | st.booleans() | st.just(2j)
plain_dicts = st.dictionaries(texts, st.integers(), max_size=2)
inner_dicts = st.fixed_dictionaries({}, optional={"t": texts, "n": numbers | st.none()}).map(AddableDict)
KEYS: dict[str, st.SearchStrategy[Any]] = {
    "text": texts,
    "items": st.lists(st.integers(), max_size=3),
    "number": numbers,
    "words": texts.map(Words),
    "state": plain_dicts,
    "inner": inner_dicts,
}


@st.composite
def join_chunks(draw: st.DrawFn, marks: bool = True) -> AddableDict:
    optional = {key: values | st.none() for key, values in KEYS.items()}
    values = draw(st.fixed_dictionaries({}, optional=optional))
    marked = draw(st.frozensets(st.sampled_from(sorted(KEYS)))) if marks else frozenset()
    return AddableDict.marked(values, marked)


STREAMS: dict[str, st.SearchStrategy[list[Any]]] = {
    name: st.lists(chunks | st.none(), max_size=9)
    for name, chunks in {
        "text": texts,
        "label": texts | texts.map(Label),
        "bytes": st.binary(max_size=4),
        "list": st.lists(st.integers(), max_size=3),
        "tuple": st.lists(st.integers(), max_size=3).map(tuple) | st.just(Point(1, 2)),
        "number": numbers,
        "fraction": st.fractions(max_denominator=9) | st.integers(),
        "words": texts.map(Words) | texts.map(LoudWords),
        "dict": join_chunks(),
        "snapshot": plain_dicts | st.sets(st.integers()) | st.builds(object) | st.just(Whole()),
    }.items()
}
streams = st.one_of(*STREAMS.values())
every_kind = pytest.mark.parametrize("kind", sorted(STREAMS))


def marks_that_count(value: Any) -> set[str]:
    marks = value.snapshots if isinstance(value, AddableDict) else ()
    return {key for key in marks if value.get(key) is not None}


class TestAdditionIsAMonoid:
    @given(streams)
    def test_none_is_its_identity(self, chunks: list[Any]) -> None:
        for chunk in chunks:
            assert add(None, chunk) is chunk
            assert add(chunk, None) is chunk

    @given(join_chunks())
    def test_the_empty_addable_dict_is_the_identity_of_addable_dicts(self, chunk: AddableDict) -> None:
        for total in (chunk + AddableDict(), AddableDict() + chunk):
            assert total == chunk
            assert marks_that_count(total) == marks_that_count(chunk)

    @every_kind
    @given(st.data())
    def test_it_is_associative(self, kind: str, data: st.DataObject) -> None:
        a, b, c = (data.draw(STREAMS[kind].filter(len))[0] for _ in range(3))
        left, right = add(add(a, b), c), add(a, add(b, c))
        assert left == right
        assert marks_that_count(left) == marks_that_count(right)

    @given(join_chunks(), join_chunks(), join_chunks())
    def test_so_is_plus_between_addable_dicts(self, a: AddableDict, b: AddableDict, c: AddableDict) -> None:
        assert (a + b) + c == a + (b + c)
        assert marks_that_count((a + b) + c) == marks_that_count(a + (b + c))

    @given(join_chunks(), join_chunks())
    def test_add_and_plus_agree(self, a: AddableDict, b: AddableDict) -> None:
        assert add(a, b) == a + b
        assert marks_that_count(add(a, b)) == marks_that_count(a + b)


class TestFold:
    @given(streams)
    def test_is_the_sum_from_left_to_right(self, chunks: list[Any]) -> None:
        assert fold(chunks) == reduce(add, chunks, None)

    @given(streams, st.integers(0, 9))
    def test_of_a_stream_is_that_of_its_two_parts(self, chunks: list[Any], cut: int) -> None:
        assert fold(chunks) == fold([fold(chunks[:cut]), fold(chunks[cut:])])

    @given(streams)
    def test_equals_the_accumulator_at_every_prefix(self, chunks: list[Any]) -> None:
        total = Accumulator()
        assert total.empty
        for end, chunk in enumerate(chunks, 1):
            total.push(chunk)
            assert not total.empty
            assert total.value == fold(chunks[:end])
            assert total.value == fold(chunks[:end])  # reading changes nothing

    @given(streams)
    def test_of_an_asynchronous_stream_is_the_same(self, chunks: list[Any]) -> None:
        async def stream() -> AsyncIterator[Any]:
            for chunk in chunks:
                yield chunk

        assert asyncio.run(afold(stream())) == fold(chunks)

    @given(streams)
    def test_by_snapshots_is_the_last_that_is_not_none(self, chunks: list[Any]) -> None:
        last = next((chunk for chunk in reversed(chunks) if chunk is not None), None)
        assert fold(chunks, Algebra.SNAPSHOTS) is last

    def test_takes_the_algebra_that_the_stream_declares(self) -> None:
        class Stream(list[Any]):
            algebra = Algebra.SNAPSHOTS

        assert fold(Stream(["a", "ab", 3])) == 3
        assert fold(Stream(["a", "ab"]), Algebra.ADDITIVE) == "aab"

    @pytest.mark.parametrize("chunks", [[], [None], [None, None]])
    def test_of_nothing_is_none(self, chunks: list[None]) -> None:
        assert fold(chunks) is None

    @one_after_another(
        ("chunks", "total"),
        [
            ([1, 2, 3], 6),
            ([True, True], 2),
            ([1, 0.5, 2j], 1.5 + 2j),
            ([Fraction(1, 2), 1], Fraction(3, 2)),
            ([b"a", b"b"], b"ab"),
            ([(1,), (), (2,)], (1, 2)),
            ([Point(1, 2), Point(3, 4)], (1, 2, 3, 4)),
            ([Markup("a"), "b", "c"], Markup("abc")),
            (["x", "y", Markup("a"), "b"], Markup("xyab")),
            ([Label("a"), Label("b")], "ab"),
            ([bytearray(b"a"), bytearray(b"b")], bytearray(b"ab")),
            ([{"a": 1}, {"b": 2}], {"b": 2}),
            ([{"a": 1}, {3}], {3}),
        ],
    )
    def test_examples(self, chunks: list[Any], total: Any) -> None:
        assert fold(chunks) == total
        assert type(fold(chunks)) is type(total)


class TestASingleChunk:
    @given(streams)
    def test_comes_out_as_it_went_in(self, chunks: list[Any]) -> None:
        for chunk in chunks:
            assert fold([chunk]) is chunk
            assert fold([None, chunk, None]) is chunk

    @pytest.mark.parametrize("chunk", [True, -0.0, Label("a"), Point(1, 2), datetime.date(2020, 1, 1)])
    def test_even_where_two_would_not(self, chunk: Any) -> None:
        assert fold([chunk]) is chunk
        assert fold([AddableDict(k=chunk)])["k"] is chunk
        assert fold([AddableDict(k=chunk), AddableDict(j=1)])["k"] is chunk


class TestWhatIsPassedIn:
    @given(streams)
    def test_is_never_changed(self, chunks: list[Any]) -> None:
        before = [copy.copy(chunk) if isinstance(chunk, dict | list | set) else chunk for chunk in chunks]
        total = Accumulator()
        for chunk in chunks:
            total.push(chunk)
            _ = total.value
        assert chunks == before

    def test_is_not_shared_with_a_list_that_came_out(self) -> None:
        first: list[int] = [1]
        total = Accumulator()
        for chunk in (first, [2], [3]):
            total.push(chunk)
        total.value.append("mine")
        assert total.value == [1, 2, 3]
        total.push([4])
        assert total.value == [1, 2, 3, 4]
        assert first == [1]

    def test_is_not_shared_with_a_dict_that_came_out(self) -> None:
        chunk = AddableDict(items=[1])
        total = Accumulator()
        total.push(chunk)
        total.push(AddableDict(items=[2]))
        total.value["items"].append("mine")
        total.value["other"] = 1
        assert total.value == {"items": [1, 2]}
        assert chunk == {"items": [1]}

    def test_keeps_its_lists_in_a_sum_by_plus(self) -> None:
        left, right = AddableDict(items=[1]), AddableDict(items=[2])
        left += right
        left += right
        assert right == {"items": [2]}


class TestAddableDicts:
    def test_add_key_by_key_in_order_of_appearance(self) -> None:
        total = AddableDict(a="x", b=1) + AddableDict(c=[1], a="y")
        assert list(total.items()) == [("a", "xy"), ("b", 1), ("c", [1])]

    def test_add_to_any_mapping_on_either_side(self) -> None:
        assert AddableDict(a="x") + {"a": "y"} == {"a": "xy"}
        assert {"a": "x"} + AddableDict(a="y") == {"a": "xy"}
        assert isinstance({"a": "x"} + AddableDict(a="y"), AddableDict)

    def test_do_not_add_to_anything_else(self) -> None:
        other: Any
        for other in ("a", 1, None):
            with pytest.raises(TypeError):
                AddableDict(a=1) + other
            with pytest.raises(TypeError):
                other + AddableDict(a=1)

    def test_let_none_give_way_on_either_side(self) -> None:
        assert AddableDict(a=None, b=1) + AddableDict(a=2, b=None) == {"a": 2, "b": 1}
        assert AddableDict(a=None) + AddableDict(a=None) == {"a": None}

    def test_replace_snapshots_and_recurse_into_addable_dicts(self) -> None:
        left = AddableDict(plain={"x": 1}, inner=AddableDict(x="1"))
        right = AddableDict(plain={"y": 2}, inner=AddableDict(x="2"))
        assert left + right == {"plain": {"y": 2}, "inner": {"x": "12"}}

    def test_replace_the_chunks_of_marked_keys_whatever_their_type(self) -> None:
        marks = frozenset({"state"})
        chunks = [AddableDict.marked({"state": state, "log": "x"}, marks) for state in ("a", 1, None, [2], None)]
        for total in (fold(chunks), reduce(lambda a, b: a + b, chunks)):
            assert total == {"state": [2], "log": "xxxxx"}
            assert total.snapshots == marks

    def test_are_dicts_in_everything_else(self) -> None:
        made = AddableDict.marked({"a": [1]}, frozenset("a"))
        assert made == {"a": [1]}
        assert repr(made) == "{'a': [1]}"
        for twin in (made.copy(), copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
            assert type(twin) is AddableDict
            assert twin == made
            assert twin.snapshots == made.snapshots
        assert AddableDict(snapshots=1) == {"snapshots": 1}


class TestTheTypeDecides:
    @one_after_another("value", ["", b"", [], (), 1, True, 1.5, 1j, AddableDict(), Words(), Part()])
    def test_what_has_plus_is_additive(self, value: Any) -> None:
        assert algebra_of(value) is Algebra.ADDITIVE

    @one_after_another("value", [{}, set(), object(), len, Whole(), None, Algebra.ADDITIVE])
    def test_what_has_none_or_says_so_is_a_snapshot(self, value: Any) -> None:
        assert algebra_of(value) is Algebra.SNAPSHOTS

    def test_unless_the_edge_declares_it(self) -> None:
        assert add("a", "ab", Algebra.SNAPSHOTS) == "ab"
        assert add("a", 1, Algebra.SNAPSHOTS) == 1
        assert add(Whole(), Whole(), Algebra.ADDITIVE) == "a prompt"


class TestErrorsNameTheStepTheTypesAndTheRemedy:
    @one_after_another(
        ("left", "right"),
        [
            (1, "a"),
            ("a", b"a"),
            ([1], (1,)),
            ({"a": 1}, "a"),
            ("a", {"a": 1}),
            (Words(), "a"),
            (Whole(), Part()),
        ],
    )
    def test_when_types_mix(self, left: Any, right: Any) -> None:
        with pytest.raises(ChunkError) as caught:
            add(left, right, where="step 'double'")
        text = str(caught.value)
        assert text.startswith("step 'double': ")
        assert type(left).__name__ in text
        assert type(right).__name__ in text
        assert "Algebra.SNAPSHOTS" in text

    def test_at_any_place_in_the_stream(self) -> None:
        with pytest.raises(ChunkError, match="type str and then one of type int"):
            fold(["a", "b", None, "c", 1])
        with pytest.raises(ChunkError, match="type float and then one of type str"):
            fold([1, 2.5, "c"])

    def test_when_a_key_does_not_add(self) -> None:
        left, right = AddableDict(k=AddableDict(j=1)), AddableDict(k=AddableDict(j="a"))
        for combine in (lambda: left + right, lambda: fold([left, right])):
            with pytest.raises(TypeError, match=r"^key 'k', key 'j': .* int .* str"):
                combine()
        with pytest.raises(ChunkError, match=r"^step 'x', key 'k', key 'j': "):
            add(left, right, where="step 'x'")

    def test_when_plain_dicts_and_addable_dicts_mix(self) -> None:
        for chunks in ([{"a": 1}, AddableDict(a=1)], [AddableDict(a=1), {"a": 1}]):
            with pytest.raises(ChunkError, match="AddableDicts, or all plain dicts"):
                fold(chunks)

    def test_when_a_type_has_plus_but_not_with_itself(self) -> None:
        day = datetime.date(2020, 1, 1)
        with pytest.raises(ChunkError, match="type date and then one of type date") as caught:
            fold([day, day])
        assert isinstance(caught.value.__cause__, TypeError)

    def test_when_an_edge_declared_additive_gets_what_has_no_plus(self) -> None:
        with pytest.raises(ChunkError, match=r"^x: .*dict has no `\+`.* AddableDict"):
            Accumulator(Algebra.ADDITIVE, "x").push({"a": 1})

    def test_with_modules_when_two_types_have_one_name(self) -> None:
        twin = type("Words", (), {"__add__": lambda self, other: self, "__module__": "elsewhere"})
        with pytest.raises(ChunkError, match=r"test_chunks\.Words and then one of type elsewhere\.Words"):
            fold([Words(), twin()])

    def test_as_a_type_error_of_ours(self) -> None:
        assert issubclass(ChunkError, TypeError)
        assert issubclass(ChunkError, AnabranchError)


class TestLinearTime:
    def setup_method(self) -> None:
        Words.additions = Words.copied = 0

    @pytest.mark.parametrize("wrap", [lambda word: word, lambda word: AddableDict(key=word)])
    def test_each_message_chunk_is_added_once_and_copied_log_n_times(self, wrap: Any) -> None:
        count = 1024
        total = fold(wrap(Words(str(n))) for n in range(count))
        assert total == wrap(Words(*map(str, range(count))))
        assert Words.additions == count - 1
        assert Words.copied <= count * 10

    def test_reading_adds_log_n_times(self) -> None:
        total = Accumulator()
        for n in range(1023):
            total.push(Words(str(n)))
        before = Words.additions
        _ = total.value
        assert Words.additions - before < 10

    @pytest.mark.parametrize("chunk", ["x" * 9, b"x" * 9, [1] * 9, (1,) * 9, AddableDict(a="x" * 9)])
    def test_many_chunks_take_no_time_to_speak_of(self, chunk: Any) -> None:
        # Copying what is there at each push would move a hundred gigabytes here.
        def many() -> Iterator[Any]:
            for _ in range(150_000):
                yield chunk

        total = fold(many())
        assert len(total["a"] if isinstance(total, dict) else total) == 9 * 150_000


def test_a_cleared_accumulator_is_new() -> None:
    total = Accumulator(where="x")
    total.push("a")
    total.push("b")
    total.clear()
    assert total.empty
    assert total.value is None
    total.push(1)
    total.push(2)
    assert total.value == 3


def test_enum_members_are_snapshots() -> None:
    class Colour(Enum):
        RED = 1
        BLUE = 2

    assert fold([Colour.RED, Colour.BLUE]) is Colour.BLUE
