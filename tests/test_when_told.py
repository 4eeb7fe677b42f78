"""When listeners are told: of a step before its code runs, of its end before the next, of a chunk before its reader."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from verbs import PATIENCE, VERBS, aiterate, alist, awaited, in_every_verb, until

from anabranch.engine.runs import MISSING, Listener, RunInfo
from anabranch.engine.trace_laws import Recorder
from anabranch.nodes import RunnableGenerator, RunnableLambda, RunnableParallel, RunnablePassthrough


class Blocks(Listener):
    """Notes what it is told, in a thread where a loop runs."""

    def __init__(self) -> None:
        self.facts: list[tuple[Any, ...]] = []

    def _note(self, *fact: Any) -> Any:
        self.facts.append(fact)

    def started(self, run: RunInfo) -> Any:
        return self._note("started", run.name)

    def chunk(self, run: RunInfo, chunk: Any) -> Any:
        return self._note("chunk", run.name, chunk)

    def ended(self, run: RunInfo) -> Any:
        return self._note("ended", run.name)

    def failed(self, run: RunInfo) -> Any:
        return self._note("failed", run.name)


class Inline(Blocks):
    inline = True


class Awaits(Blocks):
    is_async = True

    async def _note(self, *fact: Any) -> Any:
        await asyncio.sleep(0)
        self.facts.append(fact)


of_every_kind = pytest.mark.parametrize("kind", [Blocks, Inline, Awaits])
in_streams = pytest.mark.parametrize("verb", ["stream", "transform", "astream", "atransform"])


def one(x: Any) -> str:
    return f"{x}1"


async def two(x: Any) -> str:
    await asyncio.sleep(0)
    return f"{x}2"


@pytest.mark.parametrize("verb", ["invoke", "batch", "ainvoke", "abatch"])
@of_every_kind
def test_a_step_s_code_runs_when_its_start_and_the_ends_before_were_told(verb: str, kind: Any) -> None:
    listener, seen = kind(), []

    def looks(x: Any) -> Any:
        seen.append(list(listener.facts))
        return x

    async def alooks(x: Any) -> Any:
        return looks(x)

    def calls(x: Any) -> Any:
        looks(x)
        return RunnableLambda(looks, name="called")

    chain = RunnableLambda(looks) | alooks | calls | alooks
    VERBS[verb](chain.with_config(run_name="root"), "x", {"callbacks": [listener]})
    whole = [
        *[("started", "root"), ("started", "looks"), ("ended", "looks"), ("started", "alooks"), ("ended", "alooks")],
        *[("started", "calls"), ("started", "called"), ("ended", "called"), ("ended", "calls")],
        *[("started", "alooks"), ("ended", "alooks"), ("ended", "root")],
    ]
    assert listener.facts == whole
    assert seen == [whole[:count] for count in (2, 4, 6, 7, 10)]


@pytest.mark.parametrize("verb", ["invoke", "batch", "ainvoke", "abatch"])
@of_every_kind
def test_whoever_gets_the_error_was_told_of_it(verb: str, kind: Any) -> None:
    def fails(x: Any) -> Any:
        raise ValueError(x)

    async def afails(x: Any) -> Any:
        raise ValueError(x)

    def calls(x: Any) -> Any:
        return RunnableLambda(fails, name="called")

    def handled(x: Any) -> Any:
        return "handled"

    for step, called in ((fails, []), (afails, []), (calls, ["called"])):
        listener = kind()
        chain = (RunnableLambda(one) | step).with_config(run_name="root")
        with pytest.raises(ValueError, match="x1"):
            VERBS[verb](chain, "x", {"callbacks": [listener]})
        failed = [("failed", name) for name in (*called, step.__name__, "root")]
        assert listener.facts[-len(failed) :] == failed
        assert [fact for fact in listener.facts if fact[0] == "ended"] == [("ended", "one")]
        listener.facts.clear()
        assert VERBS[verb](chain.with_fallbacks([RunnableLambda(handled)]), "x", {"callbacks": [listener]})
        assert ("failed", "root") in listener.facts
        assert listener.facts[-2:] == [("ended", "handled"), ("ended", "RunnableWithFallbacks")]


@in_streams
@of_every_kind
def test_a_chunk_of_a_sequence_is_told_before_it_is_read(verb: str, kind: Any) -> None:
    def letters(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            yield from chunk

    async def aletters(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        async for chunk in chunks:
            for letter in chunk:
                yield letter

    for step in (letters, aletters):
        listener = kind()
        read: list[tuple[Any, ...]] = []
        chain = (RunnableLambda(one) | RunnableGenerator(step)).with_config(run_name="root")
        given: Any = {"callbacks": [listener]}

        def reads(chunk: str, listener: Any = listener, read: list[Any] = read) -> None:
            read.append(("chunk", "root", chunk))
            assert [fact for fact in listener.facts if fact[:2] == ("chunk", "root")] == read

        if verb in ("stream", "transform"):
            for chunk in chain.stream("ab", given) if verb == "stream" else chain.transform(iter(["ab"]), given):
                reads(chunk)
        else:

            async def main(chain: Any = chain, given: Any = given, reads: Any = reads) -> None:
                a = chain.astream("ab", given) if verb == "astream" else chain.atransform(aiterate(["ab"]), given)
                async for chunk in a:
                    reads(chunk)

            asyncio.run(main())
        assert len(read) == 3
        assert listener.facts[-1] == ("ended", "root")


class TestTheInputOfAStream:
    def runs(self, chain: Any, chunks: Sequence[Any], verb: str, take: int | None = None) -> dict[str, RunInfo]:
        """The runs by their names, when so many chunks were taken."""
        recorder = Recorder()
        config: Any = {"callbacks": [recorder]}
        closed: list[str] = []

        def source() -> Iterator[Any]:
            try:
                yield from chunks
            finally:
                closed.append("source")

        async def asource() -> AsyncIterator[Any]:
            try:
                for chunk in chunks:
                    yield chunk
            finally:
                closed.append("source")

        if verb == "transform":
            given = source()
            with chain.transform(given, config) as made:
                self.facts = [chunk for _, chunk in zip(range(take or 99), made, strict=False)]
        else:

            async def main() -> None:
                async with chain.atransform(asource(), config) as made:
                    self.facts = []
                    async for chunk in made:
                        self.facts.append(chunk)
                        if len(self.facts) == take:
                            break

            asyncio.run(main())
        assert closed == ["source"]
        self.chunks: dict[str, list[Any]] = {}
        for what, run, data in recorder.facts:
            if what == "chunk":
                self.chunks.setdefault(run.name, []).append(data[0])
        assert {what for what, *_ in recorder.facts} <= {"started", "chunk", "ended"}
        return {run.name: run for what, run, _ in recorder.facts if what == "ended"}

    @pytest.mark.parametrize("verb", ["transform", "atransform"])
    def test_is_known_in_the_end(self, verb: str) -> None:
        def passes(chunks: Iterator[str]) -> Iterator[str]:
            yield from chunks

        chain = (RunnableGenerator(passes) | RunnableLambda(len)).with_config(run_name="root")
        runs = self.runs(chain, ["a", "b", "c"], verb)
        assert (runs["root"].input, runs["root"].output) == ("abc", 3)
        assert runs["root"].came_late
        assert (runs["passes"].input, runs["passes"].output) == ("abc", "abc")
        assert (runs["len"].input, runs["len"].output) == ("abc", 3)

    @pytest.mark.parametrize("verb", ["transform", "atransform"])
    def test_is_what_was_taken_where_the_stream_is_closed_early(self, verb: str) -> None:
        def passes(chunks: Iterator[str]) -> Iterator[str]:
            yield from chunks

        chain = (RunnablePassthrough() | RunnableGenerator(passes)).with_config(run_name="root")
        runs = self.runs(chain, ["a", "b", "c"], verb, take=2)
        assert self.facts == ["a", "b"]
        assert (runs["root"].input, runs["root"].output) == ("ab", "ab")
        assert runs["passes"].output == "ab"

    @pytest.mark.parametrize("verb", ["transform", "atransform"])
    def test_is_passed_on_by_what_adds_to_it(self, verb: str) -> None:
        chain = RunnablePassthrough.assign(n=RunnableLambda(lambda given: given["a"] + "!")) | RunnablePassthrough()
        runs = self.runs(chain, [{"a": "x"}], verb)
        assert self.chunks["RunnableAssign<n>"] == [{"a": "x"}, {"n": "x!"}]
        assert runs["RunnableAssign<n>"].input == {"a": "x"}
        assert runs["RunnableAssign<n>"].output == {"a": "x", "n": "x!"}


@pytest.mark.parametrize("verb", ["stream", "astream"])
def test_an_input_that_is_there_is_passed_on_by_what_adds_to_it(verb: str) -> None:
    recorder = Recorder()
    chain = RunnablePassthrough.assign(n=RunnableLambda(lambda given: given["a"] + "!")) | RunnablePassthrough()
    made = VERBS[verb](chain.with_config(run_name="root"), {"a": "x"}, {"callbacks": [recorder]})
    assert made == [{"a": "x"}, {"n": "x!"}]
    chunks = [data[0] for what, run, data in recorder.facts if what == "chunk" and run.name == "RunnableAssign<n>"]
    assert chunks == made
    runs = {run.name: run for what, run, _ in recorder.facts if what == "ended"}
    assert runs["RunnableAssign<n>"].input == runs["root"].input == {"a": "x"}
    assert runs["RunnableAssign<n>"].output == runs["root"].output == {"a": "x", "n": "x!"}
    starts = {run.name: run.came_late for what, run, _ in recorder.facts if what == "started"}
    assert starts["root"] is False


@pytest.mark.parametrize("verb", ["stream", "astream"])
def test_the_output_of_what_failed_is_not_known(verb: str) -> None:
    def halting(chunks: Iterator[str]) -> Iterator[str]:
        yield from chunks
        raise ValueError("halted")

    recorder = Recorder()
    chain = (RunnableLambda(one) | RunnableGenerator(halting)).with_config(run_name="root")
    with pytest.raises(ValueError, match="halted") as caught:
        VERBS[verb](chain, "x", {"callbacks": [recorder]})
    (root,) = [run for what, run, _ in recorder.facts if what == "failed" and run.name == "root"]
    assert root.error is caught.value
    assert root.output is MISSING


@in_every_verb
def test_a_run_that_a_step_waits_for_is_told_inside_it(verb: str) -> None:
    recorder = Recorder()

    def calls(x: Any) -> Any:
        return RunnableLambda(one) | two

    VERBS[verb](RunnableParallel(a=calls, b=one) | str, "x", {"callbacks": [recorder]})
    order = [(what, run.name) for what, run, _ in recorder.facts if what != "chunk"]
    began, over = order.index(("started", "calls")), order.index(("ended", "calls"))
    inside = order.index(("started", "two"))
    assert began < inside < over < order.index(("ended", "RunnableParallel<a,b>"))
    (run,) = {run for _, run, _ in recorder.facts if run.name == "calls"}
    assert run.output == "x12"
    assert {run.name: run.parent and run.parent.name for _, run, _ in recorder.facts}["two"] == "RunnableSequence"


def test_a_handler_may_be_told_in_any_thread_of_a_blocking_call() -> None:
    listener = Blocks()
    started = threading.Barrier(2)

    def meets(x: Any) -> Any:
        started.wait(20)
        return x

    chain = RunnableParallel(a=meets, b=RunnableLambda(meets, name="other"))
    chain.invoke("x", {"callbacks": [listener], "max_concurrency": 2})
    assert sorted(listener.facts) == sorted(
        [(what, name) for what in ("started", "ended") for name in ("RunnableParallel<a,b>", "meets", "other")]
    )


def test_an_asynchronous_stream_of_which_nothing_was_read_is_told_of_no_run() -> None:
    recorder = Recorder()

    async def main() -> None:
        async with (RunnableLambda(one) | two).astream("x", {"callbacks": [recorder]}):
            pass

    asyncio.run(main())
    assert recorder.facts == []
    with (RunnableLambda(one) | two).stream("x", {"callbacks": [recorder]}):
        pass
    assert recorder.facts == []
    assert awaited(lambda: alist((RunnableLambda(one) | two).astream("x"))) == ["x12"]


@pytest.mark.parametrize("verb", ["stream", "astream"])
@of_every_kind
def test_whoever_gets_the_error_of_a_stream_or_closes_it_was_told_what_came_of_it(verb: str, kind: Any) -> None:
    def halting(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            yield from chunk
        raise ValueError("halted")

    chain = (RunnableLambda(one) | RunnableGenerator(halting)).with_config(run_name="root")
    failed, closed = kind(), kind()

    async def main() -> None:
        with pytest.raises(ValueError, match="halted"):
            await alist(chain.astream("ab", {"callbacks": [failed]}))
        assert failed.facts[-2:] == [("failed", "halting"), ("failed", "root")]
        async with chain.astream("ab", {"callbacks": [closed]}) as chunks:
            assert await anext(aiter(chunks)) == "a"
        assert closed.facts[-1] == ("ended", "root")

    if verb == "astream":
        asyncio.run(main())
    else:
        with pytest.raises(ValueError, match="halted"):
            list(chain.stream("ab", {"callbacks": [failed]}))
        with chain.stream("ab", {"callbacks": [closed]}) as chunks:
            assert next(iter(chunks)) == "a"
    assert failed.facts[-2:] == [("failed", "halting"), ("failed", "root")]
    assert closed.facts[-1] == ("ended", "root")
    assert ("ended", "halting") in closed.facts
    assert not [fact for fact in closed.facts if fact[0] == "failed"]


@in_streams
def test_a_stream_waits_after_each_chunk_of_a_step_and_of_itself_for_whoever_is_full(verb: str) -> None:
    class Full(Inline):
        full = True

        async def room(self) -> None:
            self.facts.append(("waited",))

        def wait_for_room(self) -> None:
            self.facts.append(("waited",))

    def letters(chunks: Iterator[str]) -> Iterator[str]:
        for chunk in chunks:
            yield from chunk

    listener = Full()
    chain = (RunnableLambda(one) | RunnableGenerator(letters)).with_config(run_name="root")
    assert VERBS[verb](chain, "a", {"callbacks": [listener]}) == ["a", "1"]
    told = [fact for fact in listener.facts if fact[0] in ("chunk", "waited")]
    chunks = [("chunk", "one", "a1")]
    chunks += [("chunk", name, letter) for letter in "a1" for name in ("letters", "root")]
    assert told == [fact for chunk in chunks for fact in (chunk, ("waited",))]


@pytest.mark.parametrize("verb", ["transform", "atransform"])
def test_an_input_without_chunks_is_none(verb: str) -> None:
    recorder = Recorder()
    chain = (RunnablePassthrough() | RunnableLambda(one)).with_config(run_name="root")
    config: Any = {"callbacks": [recorder]}
    if verb == "transform":
        assert list(chain.transform(iter([]), config)) == ["None1"]
    else:
        assert awaited(lambda: alist(chain.atransform(aiterate([]), config))) == ["None1"]
    (root,) = [run for what, run, _ in recorder.facts if what == "ended" and run.name == "root"]
    assert (root.input, root.output) == (None, "None1")


@pytest.mark.parametrize("kind", [Blocks, Awaits])
@pytest.mark.parametrize("is_async", [False, True])
def test_what_came_of_a_step_is_told_while_others_still_run(kind: Any, is_async: bool) -> None:
    listener = kind()

    def done(x: Any) -> Any:
        if x == "fails":
            raise ValueError(x)
        return x

    async def adone(x: Any) -> Any:
        return done(x)

    async def waits(x: Any) -> Any:
        wanted = {("failed" if x == "waits" else "ended", "done")}
        async with asyncio.timeout(PATIENCE):
            await until(lambda: wanted <= set(listener.facts))
        return x

    step = RunnableLambda(adone if is_async else done, name="done")
    fork = RunnableParallel(a=step, b=waits)
    assert awaited(lambda: fork.ainvoke("x", {"callbacks": [listener]})) == {"a": "x", "b": "x"}
    listener.facts.clear()
    routed = RunnableLambda(lambda x: step if x == "fails" else RunnableLambda(waits), name="routed")
    made = awaited(lambda: routed.abatch(["fails", "waits"], {"callbacks": [listener]}, return_exceptions=True))
    assert isinstance(made[0], ValueError)
    assert made[1] == "waits"
