"""Callback handlers are told of every run: in every verb, in order, each once, and never in the way of the run."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import itertools
import logging
import operator
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from operator import itemgetter
from types import SimpleNamespace
from typing import Any

import pytest
from verbs import (
    ASYNC_VERBS,
    PATIENCE,
    SYNC_VERBS,
    VERBS,
    alist,
    awaited,
    in_every_async_verb,
    in_every_sync_verb,
    in_every_verb,
    until,
)

from anabranch.engine.errors import ConfigError
from anabranch.engine.runs import new_id
from anabranch.nodes import (
    AsyncCallbackHandler,
    BaseCallbackHandler,
    CallbackManager,
    FakeStreamingListLLM,
    JsonOutputParser,
    PortalError,
    RunManager,
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableLambda,
    RunnableParallel,
    fold,
    simulate,
)


class Notes:
    """What handlers were told: the method's end, the run's name, and the run's parent's name."""

    def __init__(self) -> None:
        self.names: dict[uuid.UUID, str] = {}
        self.facts: list[tuple[str, str, str | None]] = []
        self.tags: dict[str, list[str]] = {}

    def note(self, what: str, run_id: uuid.UUID, parent_run_id: uuid.UUID | None, name: str | None = None) -> None:
        if name is not None:
            self.names[run_id] = name
        self.facts.append((what, self.names[run_id], self.names.get(parent_run_id, "?") if parent_run_id else None))

    def of(self, what: str) -> list[str]:
        return [name for kind, name, _ in self.facts if kind == what]

    @property
    def parents(self) -> dict[str, str | None]:
        return {name: parent for what, name, parent in self.facts if what == "start"}


class Plain(BaseCallbackHandler):
    def __init__(self) -> None:
        self.notes = Notes()
        self.threads: set[int] = set()

    def _note(self, *args: Any) -> None:
        self.threads.add(threading.get_ident())
        self.notes.note(*args)

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
    ) -> None:
        self.notes.tags[more["name"]] = more["tags"]
        self._note("start", run_id, parent_run_id, more["name"])

    def on_chain_end(self, outputs: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any) -> None:
        self._note("end", run_id, parent_run_id)

    def on_chain_error(self, error: BaseException, *, run_id: Any, parent_run_id: Any = None, **more: Any) -> None:
        self._note("error", run_id, parent_run_id)


class Inline(Plain):
    run_inline = True


class Coroutines(AsyncCallbackHandler):
    """Each method waits a turn before it notes anything."""

    def __init__(self) -> None:
        self.notes = Notes()
        self.loops: set[Any] = set()

    async def _note(self, *args: Any) -> None:
        await asyncio.sleep(0)
        self.loops.add(asyncio.get_running_loop())
        self.notes.note(*args)

    async def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
    ) -> None:
        self.notes.tags[more["name"]] = more["tags"]
        await self._note("start", run_id, parent_run_id, more["name"])

    async def on_chain_end(self, outputs: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any) -> None:
        await self._note("end", run_id, parent_run_id)

    async def on_chain_error(self, error: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any) -> None:
        await self._note("error", run_id, parent_run_id)


class Mixed(Plain):
    """Starts are awaited, ends are not."""

    async def on_chain_start(  # type: ignore[override]
        self, serialized: Any, inputs: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
    ) -> None:
        await asyncio.sleep(0)
        self.notes.tags[more["name"]] = more["tags"]
        self.notes.note("start", run_id, parent_run_id, more["name"])


HANDLERS: list[Any] = [Plain, Inline, Coroutines, Mixed]
of_every_kind = pytest.mark.parametrize("kind", HANDLERS)


def one(x: str) -> str:
    return x + "1"


async def two(x: str) -> str:
    await asyncio.sleep(0)
    return x + "2"


def three(x: str) -> str:
    return x + "3"


def boom(x: Any) -> Any:
    raise ValueError("boom")


def letters(chunks: Iterator[str]) -> Iterator[str]:
    for chunk in chunks:
        yield from chunk


CHAIN = (RunnableLambda(one) | two | letters | RunnableParallel(a=three, b=two)).with_config(run_name="root")
PARENTS = {
    "root": None,
    "one": "root",
    "two": "RunnableParallel<a,b>",
    "letters": "root",
    "three": "RunnableParallel<a,b>",
}


def runs_are_whole(notes: Notes) -> bool:
    """Each run has one start, and after it one end or error."""
    starts, over = Counter(notes.of("start")), Counter([*notes.of("end"), *notes.of("error")])
    assert starts == over, notes.facts
    return True


def total(made: Any) -> Any:
    """What a verb has made, whatever the order of chunks of branches."""
    return fold(made) if isinstance(made, list) and isinstance(made[0], dict) else made


class TestEveryVerb:
    @in_every_verb
    @of_every_kind
    def test_all_runs_are_told_of_under_their_parents(self, verb: str, kind: Any) -> None:
        handler = kind()
        VERBS[verb](CHAIN, "x", {"callbacks": [handler], "tags": ["T"]})
        assert runs_are_whole(handler.notes)
        assert not handler.notes.of("error")
        assert sorted(handler.notes.of("start")) == sorted(
            ["root", "one", "two", "letters", "RunnableParallel<a,b>", "three", "two"]
        )
        assert {name: parent for name, parent in handler.notes.parents.items() if name in PARENTS} == PARENTS
        assert handler.notes.tags["one"] == ["seq:step:1", "T"]
        assert handler.notes.tags["three"] == ["map:key:a", "T"]
        assert handler.notes.facts[0] == ("start", "root", None)
        assert handler.notes.facts[-1] == ("end", "root", None)

    @in_every_verb
    @of_every_kind
    def test_a_failure_is_told_of_each_run_that_it_ends(self, verb: str, kind: Any) -> None:
        handler = kind()
        chain = (RunnableLambda(one) | boom | three).with_config(run_name="root")
        with pytest.raises(ValueError, match="boom"):
            VERBS[verb](chain, "x", {"callbacks": [handler]})
        assert runs_are_whole(handler.notes)
        assert sorted(handler.notes.of("error")) == ["boom", "root"]
        assert handler.notes.facts[-1] == ("error", "root", None)

    @in_every_verb
    @of_every_kind
    def test_bound_handlers_are_told_of_what_they_are_bound_to_and_all_below(self, verb: str, kind: Any) -> None:
        handler = kind()
        inner = (RunnableLambda(one) | two).with_config(run_name="inner", callbacks=[handler])
        VERBS[verb](RunnableLambda(three) | inner | three, "x")
        assert runs_are_whole(handler.notes)
        assert Counter(handler.notes.of("start")) == Counter(["inner", "one", "two"])
        assert handler.notes.parents == {"inner": "?", "one": "inner", "two": "inner"}

    @in_every_verb
    def test_so_are_those_bound_inside_a_step_that_runs_graphs_where_nobody_else_listens(self, verb: str) -> None:
        handler = Plain()
        inner = RunnableLambda(one).with_config(callbacks=[handler], run_name="inner")
        for around in (
            inner.with_retry(),
            RunnableLambda(boom).with_fallbacks([inner]),
            RunnableBranch((bool, inner), three),
            RunnableLambda(lambda _: inner),
            RunnableLambda(lambda x: [x]) | inner.map(),
        ):
            handler.notes.facts.clear()
            VERBS[verb](around, "x")
            assert runs_are_whole(handler.notes)
            assert handler.notes.of("start") == ["inner"]

    @in_every_verb
    def test_what_listening_changes_is_nothing(self, verb: str) -> None:
        assert total(VERBS[verb](CHAIN, "x", {"callbacks": [Plain()]})) == total(VERBS[verb](CHAIN, "x"))


class TestStopping:
    @pytest.mark.parametrize("name", ["ainvoke", "abatch", "astream", "atransform"])
    @of_every_kind
    def test_a_cancelled_run_fails_with_all_that_runs_in_it(self, name: str, kind: Any) -> None:
        handler = kind()
        reached = threading.Event()

        async def endless(x: str) -> str:
            reached.set()
            await asyncio.Event().wait()
            return x

        chain = (RunnableLambda(one) | endless | three).with_config(run_name="root")

        async def main() -> None:
            config: RunnableConfig = {"callbacks": [handler]}
            call: Any = {
                "ainvoke": lambda: chain.ainvoke("x", config),
                "abatch": lambda: chain.abatch(["x"], config),
                "astream": lambda: alist(chain.astream("x", config)),
                "atransform": lambda: alist(chain.atransform(_once("x"), config)),
            }[name]
            task = asyncio.create_task(call())
            await until(reached.is_set)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())
        assert runs_are_whole(handler.notes)
        assert sorted(handler.notes.of("error")) == ["endless", "root"]

    @of_every_kind
    def test_a_stream_that_is_closed_early_has_ended(self, kind: Any) -> None:
        handler = kind()
        chain = (RunnableLambda(one) | letters).with_config(run_name="root")
        with chain.stream("abc", {"callbacks": [handler]}) as chunks:
            assert next(iter(chunks)) == "a"
        assert runs_are_whole(handler.notes)
        assert not handler.notes.of("error")
        assert sorted(handler.notes.of("end")) == ["letters", "one", "root"]

    @of_every_kind
    def test_an_asynchronous_one_too(self, kind: Any) -> None:
        handler = kind()
        chain = (RunnableLambda(two) | letters).with_config(run_name="root")

        async def main() -> None:
            async with chain.astream("abc", {"callbacks": [handler]}) as chunks:
                assert await anext(aiter(chunks)) == "a"

        asyncio.run(main())
        assert runs_are_whole(handler.notes)
        assert sorted(handler.notes.of("end")) == ["letters", "root", "two"]

    def test_a_timeout_is_the_error_of_what_it_stops(self) -> None:
        handler = Plain()

        async def endless(x: str) -> str:
            await asyncio.Event().wait()
            return x

        found = simulate(RunnableLambda(endless), "x", {"callbacks": [handler], "timeout": 5})
        assert isinstance(found.error, TimeoutError)
        assert runs_are_whole(handler.notes)
        assert handler.notes.of("error") == ["endless"]


async def _once(value: Any) -> Any:
    yield value


class Broken(BaseCallbackHandler):
    def on_chain_start(self, *args: Any, **more: Any) -> None:
        raise RuntimeError("of the handler")

    on_chain_end = on_chain_start


class AsyncBroken(AsyncCallbackHandler):
    async def on_chain_start(self, *args: Any, **more: Any) -> None:
        raise RuntimeError("of the handler")

    async def on_chain_end(self, *args: Any, **more: Any) -> None:
        raise RuntimeError("of the handler")


class TestHandlersThatRaise:
    @pytest.mark.parametrize("verb", VERBS)
    @pytest.mark.parametrize("kind", [Broken, AsyncBroken])
    def test_the_run_goes_on_and_it_is_logged_once(
        self, verb: str, kind: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        handler, other = kind(), Plain()
        with caplog.at_level(logging.WARNING, "anabranch"):
            made = VERBS[verb](CHAIN, "x", {"callbacks": [handler, other]})
            VERBS[verb](CHAIN, "x", {"callbacks": [handler]})
        assert total(made) == total(VERBS[verb](CHAIN, "x"))
        assert runs_are_whole(other.notes)
        (said,) = [record.getMessage() for record in caplog.records]
        assert kind.__name__ in said
        assert "of the handler" in said

    @in_every_verb
    @pytest.mark.parametrize("kind", [Broken, AsyncBroken])
    def test_with_raise_error_it_breaks_the_run(self, verb: str, kind: Any) -> None:
        handler, other = kind(), Inline()
        handler.raise_error = True
        with pytest.raises(RuntimeError, match="of the handler"):
            VERBS[verb](CHAIN, "x", {"callbacks": [other, handler]})
        assert runs_are_whole(other.notes)
        assert "root" in other.notes.of("error")

    @in_every_verb
    @pytest.mark.parametrize("method", ["on_chain_start", "on_chain_end", "on_chain_error"])
    @pytest.mark.parametrize("kind", ["blocking", "inline", "async"])
    def test_with_raise_error_the_others_hear_of_every_run_to_its_end(self, verb: str, method: str, kind: str) -> None:
        def fails(x: str) -> str:
            raise KeyError(x)

        def calls(x: str) -> Any:
            return (RunnableLambda(one) | fails).invoke(x)

        def at_fact(number: int) -> Any:
            count = itertools.count(1)

            def raises(*args: Any, **more: Any) -> None:
                if next(count) == number:
                    raise RuntimeError("of the handler")

            async def araises(*args: Any, **more: Any) -> None:
                raises()

            if kind == "async":
                handler: Any = type("Raises", (AsyncCallbackHandler,), {method: staticmethod(araises)})()
            else:
                handler = type("Raises", (BaseCallbackHandler,), {method: staticmethod(raises)})()
                handler.run_inline = kind == "inline"
            handler.raise_error = True
            return handler

        nested = RunnableLambda(one) | {"a": RunnableLambda(one) | fails}
        chains: list[Runnable[Any, Any]] = [
            nested,
            RunnableLambda(one) | calls,
            RunnableLambda(lambda x: nested),
            nested.with_fallbacks([RunnableLambda(one)]),
        ]
        for chain in chains:
            for number in (1, 2, 3):
                other = Plain()
                with suppress(RuntimeError, KeyError):
                    VERBS[verb](chain, "x", {"callbacks": [at_fact(number), other]})
                assert runs_are_whole(other.notes)

    @pytest.mark.parametrize("verb", ["stream", "astream"])
    @pytest.mark.parametrize("inline", [False, True])
    def test_one_that_raises_at_a_chunk_is_no_other(
        self, verb: str, inline: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Breaks(BaseCallbackHandler):
            run_inline = inline

            def on_llm_new_token(self, token: str, **more: Any) -> None:
                raise ValueError("at a token")

        model = FakeStreamingListLLM(responses=["ab"])
        assert fold(VERBS[verb](model, "x", {"callbacks": [Breaks()]})) == "ab"
        (said,) = [record.getMessage() for record in caplog.records]
        assert "at a token" in said
        breaks = Breaks()
        breaks.raise_error = True
        with pytest.raises(ValueError, match="at a token"):
            VERBS[verb](model, "x", {"callbacks": [breaks]})

    def test_the_memory_of_what_was_logged_keeps_no_handler_alive(self) -> None:
        from anabranch.scheduler.handler_faults import _LOGGED

        handler = Broken()
        RunnableLambda(one).invoke("x", {"callbacks": [handler]})
        key = id(handler)
        assert key in _LOGGED
        del handler
        gc.collect()
        assert key not in _LOGGED


def three_more(value: list[int]) -> list[int]:
    return [*value, 4]


def many_letters(count: int) -> str:
    return "ab" * (count // 2)


class TestWhen:
    @pytest.mark.parametrize("source", ["a model", "a function that returns it"])
    def test_who_reads_a_chunk_reads_it_after_the_handlers(self, source: str) -> None:
        told: list[str] = []

        class Tokens(AsyncCallbackHandler):
            async def on_llm_new_token(self, token: str, **more: Any) -> None:
                await asyncio.sleep(0)
                told.append(token)

        class BlockingTokens(BaseCallbackHandler):
            def on_llm_new_token(self, token: str, **more: Any) -> None:
                told.append(token)

        model = FakeStreamingListLLM(responses=["abcd"])
        chain = RunnableLambda(str) | model if source == "a model" else RunnableLambda(lambda _: model)

        async def main(handler: Any) -> None:
            read: list[str] = []
            async for chunk in chain.astream("x", {"callbacks": [handler]}):
                read.append(chunk)
                assert told[: len(read)] == read
            assert told == read == ["a", "b", "c", "d"]

        for kind in (Tokens, BlockingTokens):
            told.clear()
            asyncio.run(main(kind()))

    @pytest.mark.parametrize("verb", ["stream", "astream"])
    def test_the_output_of_a_sequence_is_what_its_chunks_come_to(self, verb: str) -> None:
        made: dict[Any, Any] = {}

        class Outputs(BaseCallbackHandler):
            def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: Any, **more: Any) -> None:
                made[run_id] = more["name"]

            def on_chain_end(self, outputs: Any, *, run_id: Any, **more: Any) -> None:
                made[made.pop(run_id)] = outputs

        def pieces(_: Any) -> Iterator[str]:
            yield from ("[1", ", 2", ", 3]")

        inner = (RunnableLambda(pieces) | JsonOutputParser()).with_config(run_name="inner")
        long = (RunnableLambda(many_letters) | letters).with_config(run_name="long")
        VERBS[verb](inner | three_more, "x", {"callbacks": [Outputs()]})
        assert made["inner"] == [1, 2, 3]
        assert VERBS[verb](long | len, 3000, {"callbacks": [Outputs()]}) == [3000]
        assert made["long"] == "ab" * 1500

    def test_a_dict_that_starts_when_one_key_is_there_is_told_of_with_that(self) -> None:
        seen: dict[str, Any] = {}
        began = threading.Event()

        class Inputs(BaseCallbackHandler):
            def on_chain_start(self, serialized: Any, inputs: Any, **more: Any) -> None:
                seen[more["name"]] = inputs

        def waits(x: str) -> str:
            assert began.wait(PATIENCE)
            return x + " late"

        def begins(x: str) -> str:
            began.set()
            return x

        early = RunnableParallel(c=itemgetter("a") | RunnableLambda(begins), d=itemgetter("b") | RunnableLambda(one))
        chain = RunnableParallel(a=one, b=waits) | early.with_config(run_name="early")
        for verb in ("invoke", "ainvoke"):
            seen.clear()
            began.clear()
            assert VERBS[verb](chain, "x", {"callbacks": [Inputs()]}) == {"c": "x1", "d": "x late1"}
            assert seen["early"] == {"a": "x1"}


class TestWhereHandlersRun:
    @in_every_async_verb
    def test_a_blocking_handler_is_kept_off_the_loop(self, verb: str) -> None:
        plain, inline = Plain(), Inline()
        VERBS[verb](RunnableLambda(two) | two, "x", {"callbacks": [plain, inline]})
        assert threading.get_ident() not in plain.threads
        assert inline.threads == {threading.get_ident()}

    def test_a_handler_that_says_nothing_of_it_is_kept_off_the_loop(self) -> None:
        class Own:
            def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
                threads.append(threading.get_ident())

        threads: list[int] = []
        callbacks: Any = [Own()]
        awaited(lambda: RunnableLambda(two).ainvoke("x", {"callbacks": callbacks}))
        assert threads
        assert threading.get_ident() not in threads

    @in_every_sync_verb
    def test_coroutines_of_a_handler_run_on_the_loop_of_the_library(self, verb: str) -> None:
        handler = Coroutines()
        VERBS[verb](RunnableLambda(one) | three, "x", {"callbacks": [handler]})
        assert len(handler.notes.of("end")) == 3
        (loop,) = handler.loops
        assert loop.is_running()

    @in_every_async_verb
    def test_under_asyncio_on_the_loop_of_the_call_inside_blocking_steps_too(self, verb: str) -> None:
        handler = Coroutines()
        inner = RunnableLambda(one).with_config(run_name="inner")

        def nested(x: str) -> str:
            return inner.invoke(x)

        async def anested(x: str) -> str:
            return inner.invoke(x)  # which blocks the loop, as the caller wants it

        VERBS[verb](RunnableParallel(a=nested, b=anested) | len, "x", {"callbacks": [handler]})
        assert runs_are_whole(handler.notes)
        assert Counter(handler.notes.of("start"))["inner"] == 2
        assert len(handler.loops) == 1

    def test_many_branches_of_both_kinds_never_wait_for_each_other(self) -> None:
        handler = Coroutines()
        forks = [RunnableParallel({f"{at}": one if at % 2 else two for at in range(6)}) for _ in range(2)]

        async def main() -> None:
            for _ in range(20):
                await (forks[0] | str | forks[1]).abatch(["x"] * 3, {"callbacks": [handler]})

        asyncio.run(main())
        assert runs_are_whole(handler.notes)

    def test_a_stream_may_be_opened_before_there_is_a_loop(self) -> None:
        handler = Coroutines()
        stream = (RunnableLambda(one) | two).astream("x", {"callbacks": [handler]})
        assert asyncio.run(alist(stream)) == ["x12"]
        assert handler.notes.of("end") == ["one", "two", "RunnableSequence"]

    @pytest.mark.may_block  # that is what it does
    @pytest.mark.parametrize("verb", ["invoke", "batch", "stream", "stream_events"])
    def test_what_a_blocking_call_on_a_loop_does_in_other_threads_waits_for_no_handler_there(self, verb: str) -> None:
        both = threading.Barrier(2)

        def meets(x: str) -> Any:
            both.wait(PATIENCE)
            return (RunnableLambda(one) | two_at_once).invoke(x)

        two_at_once = RunnableLambda(one) | RunnableParallel(c=one, d=one) | (lambda made: made["c"])
        inner = RunnableParallel(a=meets, b=meets)

        async def calls(x: str) -> Any:
            return list(inner.stream_events(x)) if verb == "stream_events" else SYNC_VERBS[verb](inner, x)

        handler = Coroutines()
        asyncio.run((RunnableLambda(one) | calls).ainvoke("x", {"callbacks": [handler]}))
        assert runs_are_whole(handler.notes)
        assert handler.notes.parents["meets"] == "RunnableParallel<a,b>"

    def test_a_blocking_verb_on_a_loop_says_that_it_cannot_await_a_handler(self) -> None:
        handler = Coroutines()

        async def main() -> None:
            with pytest.raises(PortalError, match="Coroutines"):
                RunnableLambda(one).invoke("x", {"callbacks": [handler]})
            assert RunnableLambda(one).invoke("x", {"callbacks": [Plain()]}) == "x1"

        asyncio.run(main())

    def test_methods_that_are_not_written_are_not_called(self) -> None:
        called = []

        class Odd(BaseCallbackHandler):
            def __getattribute__(self, name: str) -> Any:
                if name.startswith("on_"):
                    called.append(name)
                return super().__getattribute__(name)

        RunnableLambda(one).invoke("x", {"callbacks": [Odd()]})
        assert called == ["on_chain_start", "on_chain_end"]  # they are looked for, as it says for itself what it has
        before = len(threading.enumerate())

        async def main() -> None:
            await RunnableLambda(two).ainvoke("x", {"callbacks": [BaseCallbackHandler()]})

        asyncio.run(main())
        assert len(threading.enumerate()) == before


class TestNesting:
    """What a function calls finds its parent, however it calls it."""

    inner = RunnableLambda(one).with_config(run_name="inner")

    def _parent(self, function: Any, verb: str) -> str | None:
        handler = Plain()
        VERBS[verb](RunnableLambda(function, name="outer"), "x", {"callbacks": [handler]})
        assert runs_are_whole(handler.notes)
        assert handler.notes.parents["outer"] is None
        return handler.notes.parents["inner"]

    @in_every_verb
    def test_with_and_without_config(self, verb: str) -> None:
        assert self._parent(lambda x: self.inner.invoke(x), verb) == "outer"

        def handing_down(x: str, config: RunnableConfig) -> str:
            return self.inner.invoke(x, config)

        assert self._parent(handing_down, verb) == "outer"

        def by_manager(x: str, run_manager: Any) -> str:
            return self.inner.invoke(x, {"callbacks": run_manager.get_child("mark")})

        assert self._parent(by_manager, verb) == "outer"

    @in_every_verb
    def test_streamed_and_returned(self, verb: str) -> None:
        assert self._parent(lambda x: "".join(self.inner.stream(x)), verb) == "outer"
        assert self._parent(lambda x: self.inner, verb) == "outer"
        assert self._parent(lambda x: self.inner.batch([x])[0], verb) == "outer"

    @in_every_verb
    def test_asynchronously_and_in_a_task(self, verb: str) -> None:
        async def awaiting(x: str) -> str:
            return await self.inner.ainvoke(x)

        async def in_a_task(x: str) -> str:
            return await asyncio.create_task(self.inner.ainvoke(x))

        async def in_a_thread(x: str) -> str:
            return await asyncio.to_thread(self.inner.invoke, x)

        functions = [awaiting, in_a_task]
        if verb in ASYNC_VERBS:  # or a thread would be left behind, of the loop that the library keeps
            functions.append(in_a_thread)
        for function in functions:
            assert self._parent(function, verb) == "outer"

    @in_every_verb
    def test_in_a_thread_with_a_copy_of_the_context_or_the_config(self, verb: str) -> None:
        def with_context(x: str) -> Any:
            return _in_thread(contextvars.copy_context().run, self.inner.invoke, x)

        def with_config(x: str, config: RunnableConfig) -> Any:
            return _in_thread(self.inner.invoke, x, config)

        assert self._parent(with_context, verb) == "outer"
        assert self._parent(with_config, verb) == "outer"

    @in_every_verb
    def test_inside_generators(self, verb: str) -> None:
        def generator(chunks: Iterator[str]) -> Iterator[str]:
            for chunk in chunks:
                yield self.inner.invoke(chunk)

        async def agenerator(chunks: Any) -> Any:
            async for chunk in chunks:
                yield await self.inner.ainvoke(chunk)

        for function in (generator, agenerator):
            handler = Plain()
            VERBS[verb](RunnableLambda(one) | function, "x", {"callbacks": [handler]})
            assert runs_are_whole(handler.notes)
            assert handler.notes.parents["inner"] == function.__name__

    @in_every_verb
    def test_inside_a_leaf_of_ones_own(self, verb: str) -> None:
        inner = self.inner

        class Leaf(Runnable[str, str]):
            def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> str:
                return inner.invoke(input, config)

        for leaf in (Leaf(), RunnableLambda(one) | Leaf()):
            if verb == "invoke" and isinstance(leaf, Leaf):
                continue  # this calls the method itself, so there is no run of it
            handler = Plain()
            VERBS[verb](leaf, "x", {"callbacks": [handler]})
            assert runs_are_whole(handler.notes)
            assert handler.notes.parents["inner"] == "Leaf"

    def test_where_callbacks_are_replaced_a_tree_of_its_own_begins(self) -> None:
        handler, other = Plain(), Plain()
        outer = RunnableLambda(lambda x: self.inner.invoke(x, {"callbacks": [other]}), name="outer")
        outer.invoke("x", {"callbacks": [handler]})
        assert handler.notes.parents == {"outer": None}
        assert other.notes.parents == {"inner": None}


def _in_thread(function: Any, *args: Any) -> Any:
    result = []
    thread = threading.Thread(target=lambda: result.append(function(*args)))
    thread.start()
    thread.join(PATIENCE)
    return result[0]


class TestManagers:
    def test_local_handlers_are_told_of_the_first_run_only(self) -> None:
        local, inherited = Plain(), Plain()
        manager = CallbackManager([local], [inherited], inheritable_tags=["below"], tags=["here"])
        (RunnableLambda(one) | two).invoke("x", {"callbacks": manager})
        assert local.notes.of("start") == ["RunnableSequence"]
        assert inherited.notes.of("start") == ["RunnableSequence", "one", "two"]
        assert local.notes.tags["RunnableSequence"] == ["here", "below"]
        assert inherited.notes.tags["one"] == ["seq:step:1", "below"]

    def test_tags_and_metadata_go_down_the_tree_and_a_childs_tag_to_the_child(self) -> None:
        seen: dict[str, Any] = {}

        class Says(BaseCallbackHandler):
            def on_chain_start(self, serialized: Any, inputs: Any, **more: Any) -> None:
                seen[more["name"]] = (more["tags"], more["metadata"])

        def outer(x: str, run_manager: Any) -> str:
            assert run_manager.tags == ["T"]
            assert run_manager.metadata == {"m": 1}
            return (RunnableLambda(one) | three).invoke(x, {"callbacks": run_manager.get_child("mark")})

        RunnableLambda(outer).invoke("x", {"callbacks": [Says()], "tags": ["T"], "metadata": {"m": 1}})
        assert seen["RunnableSequence"] == (["mark", "T"], {"m": 1})
        assert seen["one"] == (["seq:step:1", "T"], {"m": 1})

    def test_a_manager_may_be_changed_and_each_thing_is_there_once(self) -> None:
        first, second, third = Plain(), Plain(), Plain()
        manager = CallbackManager([first])
        manager.add_handler(second)
        manager.add_handler(second, inherit=False)
        manager.add_handler(third, inherit=False)
        assert (manager.handlers, manager.inheritable_handlers) == ([second, first, third], [second])
        manager.remove_handler(first)
        manager.remove_handler(second)
        assert (manager.handlers, manager.inheritable_handlers) == ([third], [])
        manager.set_handlers([first])
        assert (manager.handlers, manager.inheritable_handlers) == ([first], [first])
        manager.set_handlers([second, second], inherit=False)
        assert (manager.handlers, manager.inheritable_handlers) == ([second], [])
        manager.add_tags(["below"])
        manager.add_tags(["below", "here"], inherit=False)
        assert (manager.tags, manager.inheritable_tags) == (["here", "below"], ["below"])
        manager.add_metadata({"a": 1, "b": 1})
        manager.add_metadata({"a": 2}, inherit=False)
        assert (manager.metadata, manager.inheritable_metadata) == ({"a": 2, "b": 1}, {"a": 1, "b": 1})
        assert manager.parent_run_id is None
        assert CallbackManager([], parent_run_id=uuid.UUID(int=1)).parent_run_id == uuid.UUID(int=1)

    def test_a_manager_can_be_merged_with_another_or_a_list_and_neither_is_changed(self) -> None:
        handlers = [Plain() for _ in range(4)]
        left = CallbackManager([handlers[0]], [handlers[1]], tags=["l"], inheritable_tags=["L"], metadata={"l": 1})
        right = CallbackManager(
            [handlers[2]], [handlers[1], handlers[3]], tags=["r"], inheritable_tags=["R"], inheritable_metadata={"R": 1}
        )
        both = left.merge(right)
        assert sorted(map(id, both.inheritable_handlers)) == sorted(map(id, (handlers[1], handlers[3])))
        assert sorted(map(id, both.handlers)) == sorted(map(id, handlers))
        assert sorted(both.tags) == ["L", "R", "l", "r"]
        assert both.inheritable_tags == ["L", "R"]
        assert both.metadata == {"l": 1, "R": 1}
        assert both.inheritable_metadata == {"R": 1}
        assert left.handlers == [handlers[1], handlers[0]]
        assert (left.tags, left.metadata, right.metadata) == (["l", "L"], {"l": 1}, {"R": 1})
        assert left.merge([handlers[3]]).inheritable_handlers == [handlers[1], handlers[3]]

    def test_of_two_managers_the_one_deeper_in_the_tree_says_whose_child_the_next_run_is(self) -> None:
        handler = Plain()
        managers: list[Any] = []

        def outer(x: str, run_manager: Any) -> str:
            managers.append(run_manager.get_child())
            return x

        chain = RunnableLambda(outer) | RunnableLambda(outer)
        chain.invoke("x", {"callbacks": [handler]})
        first, second = managers
        around = first.copy()
        around.parent = first.parent.parent
        for left, right, wanted in (
            (around, first, first),
            (first, around, first),
            (first, second, first),
            (CallbackManager(), second, second),
            (first, CallbackManager(), first),
        ):
            assert left.merge(right).parent_run_id == wanted.parent_run_id

    def test_a_run_manager_shows_its_run(self) -> None:
        handler, seen = Plain(), []

        def outer(x: str, run_manager: Any) -> str:
            seen.append(run_manager)
            return x

        run_id = uuid.uuid4()
        RunnableLambda(outer).invoke("x", {"callbacks": [handler], "run_id": run_id})
        (manager,) = seen
        assert (manager.run_id, manager.parent_run_id) == (run_id, None)
        assert manager.handlers == manager.inheritable_handlers == [handler]

    def test_an_asynchronous_run_manager_gives_a_synchronous_one_of_the_same_run(self) -> None:
        seen = []

        class Texts(BaseCallbackHandler):
            def on_text(self, text: str, *, run_id: Any, **more: Any) -> None:
                seen.append((text, run_id))

        async def outer(x: str, run_manager: Any) -> Any:
            manager = run_manager.get_sync()
            manager.on_text("told")
            return type(manager), manager.run_id == run_manager.run_id

        run_id = uuid.uuid4()
        config: RunnableConfig = {"callbacks": [Texts()], "run_id": run_id}
        assert asyncio.run(RunnableLambda(outer).ainvoke("x", config)) == (RunManager, True)
        assert seen == [("told", run_id)]
        assert asyncio.run(RunnableLambda(outer).ainvoke("x")) == (RunManager, True)

    @in_every_verb
    def test_where_nobody_listens_it_does_nothing(self, verb: str) -> None:
        def plain(x: str, run_manager: Any) -> str:
            run_manager.on_text("a")
            run_manager.on_custom_event("a", 1)
            assert isinstance(run_manager.run_id, uuid.UUID)
            assert (run_manager.handlers, run_manager.parent_run_id) == ([], None)
            return RunnableLambda(one).invoke(x, {"callbacks": run_manager.get_child()})

        async def waiting(x: str, run_manager: Any) -> str:
            await run_manager.on_text("a")
            await run_manager.on_custom_event("a", 1)
            return x

        VERBS[verb](RunnableLambda(plain) | waiting, "x")

    @in_every_verb
    def test_texts_reach_the_handlers(self, verb: str) -> None:
        texts = []

        class Texts(BaseCallbackHandler):
            def on_text(self, text: str, *, run_id: Any, **more: Any) -> None:
                texts.append(text)

        def plain(x: str, run_manager: Any) -> str:
            return run_manager.on_text("plain") or x

        async def waiting(x: str, run_manager: Any) -> str:
            await run_manager.on_text("waiting")
            return x

        VERBS[verb](RunnableLambda(plain) | waiting, "x", {"callbacks": [Texts()]})
        assert texts == ["plain", "waiting"]


class TestIds:
    def test_they_are_random_uuids_as_the_standard_says(self) -> None:
        ids = [new_id() for _ in range(200)]
        assert {(each.version, each.variant) for each in ids} == {(4, uuid.RFC_4122)}
        assert len(set(ids)) == 200
        once, never = (functools.reduce(act, (each.int for each in ids)) for act in (operator.or_, operator.and_))
        assert once == uuid.UUID("ffffffff-ffff-4fff-bfff-ffffffffffff").int
        assert never == uuid.UUID("00000000-0000-4000-8000-000000000000").int

    @in_every_verb
    def test_a_run_id_is_that_of_the_root(self, verb: str) -> None:
        handler, run_id = Plain(), uuid.uuid4()
        VERBS[verb](RunnableLambda(one) | two, "x", {"callbacks": [handler], "run_id": run_id})
        assert handler.notes.names[run_id] == "RunnableSequence"

    @in_every_verb
    def test_an_id_that_stands_twice_in_a_tree_is_an_error(self, verb: str) -> None:
        run_id = uuid.uuid4()
        inner = RunnableLambda(one, name="inner")

        def as_its_own(x: str) -> str:
            return inner.invoke(x, {"run_id": run_id})

        def twice(x: str) -> str:
            other = uuid.uuid4()
            inner.invoke(x, {"run_id": other})
            return inner.invoke(x, {"run_id": other})

        for function in (as_its_own, twice):
            handler = Plain()
            with pytest.raises(ConfigError, match="'inner'"):
                VERBS[verb](RunnableLambda(function), "x", {"callbacks": [handler], "run_id": run_id})
            assert runs_are_whole(handler.notes)

    def test_two_trees_may_each_have_it(self) -> None:
        handler, run_id = Plain(), uuid.uuid4()
        for _ in range(2):
            RunnableLambda(one).invoke("x", {"callbacks": [handler], "run_id": run_id})
        assert runs_are_whole(handler.notes)


class TestWhatIsNoHandler:
    @pytest.mark.parametrize("wrong", ["x", None, print, 5, object()])
    def test_is_an_error_of_the_call(self, wrong: Any) -> None:
        with pytest.raises(ConfigError, match=r"callbacks: expected handlers, got .*on_chain_start"):
            RunnableLambda(one).invoke("x", {"callbacks": [wrong]})

    def test_a_class_is_told_from_its_objects(self) -> None:
        with pytest.raises(ConfigError, match=r"the class Plain\. Put an object of it there: Plain\(\)"):
            RunnableLambda(one).with_config(callbacks=[Plain]).invoke("x")

    def test_any_object_with_some_of_the_methods_will_do(self) -> None:
        heard: list[str] = []

        def hear(*args: Any, **kwargs: Any) -> None:
            heard.append(kwargs["name"])

        class Proxy:
            def __getattr__(self, name: str) -> Any:
                return getattr(namespace, name)

        namespace = SimpleNamespace(on_chain_start=hear)
        RunnableLambda(one).invoke("x", {"callbacks": [namespace, Proxy()]})
        assert heard == ["one", "one"]
