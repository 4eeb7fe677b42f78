"""The run of a step: told of once, with what went in and came out, whatever form the step has, and what it calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

import pytest
from verbs import PATIENCE, VERBS

from anabranch.engine.trace_laws import Recorder, one_start_and_one_end, well_nested
from anabranch.nodes import (
    Runnable,
    RunnableBranch,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
)

of_values = pytest.mark.parametrize("verb", ["invoke", "batch", "ainvoke", "abatch"])


def louder(text: str) -> str:
    return text + "!"


inner = RunnableLambda(louder, name="inner")


def plain(text: str) -> str:
    return inner.invoke(text)


def with_config(text: str, config: RunnableConfig) -> str:
    assert config["tags"] == ["T"]
    return inner.invoke(text)


async def waiting(text: str) -> str:
    return await inner.ainvoke(text)


async def waiting_with_config(text: str, config: RunnableConfig) -> str:
    assert config["tags"] == ["T"]
    return await inner.ainvoke(text, config)


def chunks(source: Iterator[str]) -> Iterator[str]:
    for chunk in source:
        yield inner.invoke(chunk)


async def achunks(source: AsyncIterator[str]) -> AsyncIterator[str]:
    async for chunk in source:
        yield await inner.ainvoke(chunk)


def returning(text: str) -> Any:
    return inner


class Many(Runnable[str, str]):
    """Takes many inputs at once, but none of a kind."""

    def __init__(self, refused: str = "") -> None:
        self.refused, self.asked = refused, list[list[str]]()

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        return self._made([input])[0]

    def batch(self, inputs: Sequence[str], config: Any = None, **kwargs: Any) -> list[str]:
        return self._made(inputs)

    def _made(self, inputs: Sequence[str]) -> list[str]:
        self.asked.append(list(inputs))
        if self.refused in inputs:
            raise ValueError(f"refused {self.refused}")
        return [each + "!" for each in inputs]


STEPS: dict[str, Any] = {
    "plain": RunnableLambda(plain),
    "with_config": RunnableLambda(with_config),
    "waiting": RunnableLambda(waiting),
    "waiting_with_config": RunnableLambda(waiting_with_config),
    "chunks": RunnableGenerator(chunks),
    "achunks": RunnableGenerator(achunks),
    "returning": RunnableLambda(returning),
    "RunnableBranch": RunnableBranch((lambda text: False, RunnableLambda(len)), inner),
}


@of_values
@pytest.mark.parametrize("name", STEPS)
def test_a_step_s_run_has_its_input_and_output_and_what_it_calls_is_inside(verb: str, name: str) -> None:
    for step in (STEPS[name], STEPS[name] | RunnableLambda(str), RunnableParallel(k=STEPS[name])):
        recorder = Recorder()
        config: Any = {"callbacks": [recorder], "tags": ["T"]}
        VERBS[verb](RunnableLambda(str, name="first") | step, "x", config)
        one_start_and_one_end(recorder.facts)
        well_nested(recorder.facts)
        runs = {run.name: run for _, run, _ in recorder.facts}
        assert (runs[name].input, runs[name].output) == ("x", "x!")
        assert runs["inner"].parent is runs[name]
        assert (runs["inner"].input, runs["inner"].output) == ("x", "x!")
        assert ("branch:default" in runs["inner"].tags) == (name == "RunnableBranch")
        names = [run.name for what, run, _ in recorder.facts if what == "started"]
        assert names.count(name) == names.count("inner") == 1


@of_values
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("takes_config", [False, True])
def test_a_step_that_fails_has_its_error_with_the_place_and_the_run(
    verb: str, is_async: bool, takes_config: bool
) -> None:
    def fails(text: str) -> str:
        raise ValueError(text)

    def fails_with_config(text: str, config: RunnableConfig) -> str:
        raise ValueError(text)

    async def afails(text: str) -> str:
        raise ValueError(text)

    async def afails_with_config(text: str, config: RunnableConfig) -> str:
        raise ValueError(text)

    step: Any = {
        (False, False): fails,
        (False, True): fails_with_config,
        (True, False): afails,
        (True, True): afails_with_config,
    }[is_async, takes_config]
    failing: Runnable[Any, Any] = RunnableLambda(step, name="failing")
    for chain, names in (
        (RunnableLambda(str) | failing, ["failing", "root"]),
        (RunnableLambda(str) | {"a": failing, "b": str}, ["failing", "RunnableParallel<a,b>", "root"]),
        (RunnableLambda(lambda _: failing, name="around") | str, ["failing", "around", "root"]),
    ):
        recorder = Recorder()
        with pytest.raises(ValueError, match="x") as caught:
            VERBS[verb](chain.with_config(run_name="root"), "x", {"callbacks": [recorder]})
        one_start_and_one_end(recorder.facts)
        failed = [run for what, run, _ in recorder.facts if what == "failed"]
        assert [run.name for run in failed] == names
        assert all(run.error is caught.value for run in failed)
        assert str(failed[0].id) in caught.value.__notes__[0]


class TestManyInputsAtOnce:
    def told(self, verb: str, step: Any, inputs: list[str]) -> tuple[Recorder, Any]:
        recorder = Recorder()
        chain = (RunnableLambda(str, name="first") | step).with_config(run_name="root")
        config: Any = {"callbacks": [recorder], "max_concurrency": 1}
        made = (
            chain.batch(inputs, config, return_exceptions=True)
            if verb == "batch"
            else asyncio.run(chain.abatch(inputs, config, return_exceptions=True))
        )
        one_start_and_one_end(recorder.facts)
        return recorder, made

    @pytest.mark.parametrize("verb", ["batch", "abatch"])
    def test_are_a_run_each_which_begin_and_end_together(self, verb: str) -> None:
        many = Many()
        recorder, made = self.told(verb, many, ["a", "b", "c"])
        assert made == ["a!", "b!", "c!"]
        assert many.asked == [["a", "b", "c"]]
        facts = [(what, run.input) for what, run, _ in recorder.facts if run.name == "Many"]
        assert facts == [(what, text) for what in ("started", "ended") for text in "abc"]
        outputs = [run.output for what, run, _ in recorder.facts if what == "ended" and run.name == "Many"]
        assert outputs == ["a!", "b!", "c!"]

    @pytest.mark.parametrize("verb", ["batch", "abatch"])
    def test_of_which_one_is_refused_go_on_one_by_one_in_the_runs_that_have_begun(self, verb: str) -> None:
        many = Many("b")
        recorder, made = self.told(verb, many, ["a", "b", "c"])
        assert [made[0], made[2]] == ["a!", "c!"]
        assert isinstance(made[1], ValueError)
        assert many.asked == [["a", "b", "c"], ["a"], ["b"], ["c"]]
        facts = [(what, run.input) for what, run, _ in recorder.facts if run.name == "Many"]
        starts = [("started", text) for text in "abc"]
        assert facts == [*starts, ("ended", "a"), ("failed", "b"), ("ended", "c")]

    @pytest.mark.parametrize("verb", ["batch", "abatch"])
    def test_where_nobody_listens_are_the_same(self, verb: str) -> None:
        many = Many()
        chain = RunnableLambda(str) | many
        config: Any = {"max_concurrency": 1}
        made = chain.batch(["a", "b"], config) if verb == "batch" else asyncio.run(chain.abatch(["a", "b"], config))
        assert made == ["a!", "b!"]
        assert many.asked == [["a", "b"]]


@of_values
def test_a_call_step_whose_answer_is_an_error_has_failed(verb: str) -> None:
    def fails(text: str) -> str:
        raise ValueError(text)

    branch = RunnableBranch((bool, RunnableLambda(fails)), inner)
    recorder = Recorder()
    with pytest.raises(ValueError, match="x") as caught:
        VERBS[verb](RunnableLambda(str) | branch | str, "x", {"callbacks": [recorder]})
    failed = [run for what, run, _ in recorder.facts if what == "failed"]
    assert [run.name for run in failed] == ["fails", "RunnableBranch", "RunnableSequence"]
    (note,) = caught.value.__notes__
    assert note == f"raised in step RunnableSequence > RunnableBranch > fails (run {failed[0].id})"


@pytest.mark.parametrize("verb", ["stream", "astream"])
def test_what_is_stopped_because_its_stream_is_closed_has_ended(verb: str) -> None:
    began = threading.Event()

    def after(text: str) -> str:
        assert began.wait(PATIENCE)
        return text

    async def endless(text: str) -> str:
        began.set()
        await asyncio.Event().wait()
        return text

    async def pieces(source: AsyncIterator[str]) -> AsyncIterator[str]:
        async for chunk in source:
            began.set()
            yield chunk
            await asyncio.Event().wait()

    for branch in (RunnableLambda(endless, name="branch"), RunnableGenerator(pieces, name="branch")):
        recorder = Recorder()
        began.clear()
        fork = RunnableParallel(a=RunnableLambda(after), b=branch)
        config: Any = {"callbacks": [recorder]}

        async def main(fork: Any = fork, config: Any = config) -> None:
            async with fork.astream("x", config) as chunks:
                await anext(aiter(chunks))

        if verb == "astream":
            asyncio.run(main())
        else:
            with fork.stream("x", config) as chunks:
                next(iter(chunks))
        one_start_and_one_end(recorder.facts)
        over = [(what, run.name) for what, run, _ in recorder.facts if what in ("ended", "failed")]
        assert set(over) - {("ended", "after")} == {("ended", "branch"), ("ended", "RunnableParallel<a,b>")}
        assert over[-1] == ("ended", "RunnableParallel<a,b>")


def calls(text: str) -> None:
    RunnableLambda(louder, name=text).invoke("x")


def calling(chunks: Iterator[str], name: str) -> Iterator[str]:
    try:
        for chunk in chunks:
            calls(f"{name} before")
            yield chunk
            calls(f"{name} after")
    finally:
        calls(f"{name} finally")


def generator(name: str) -> Runnable[Any, Any]:
    def transform(chunks: Iterator[str]) -> Iterator[str]:
        yield from calling(chunks, name)

    return RunnableGenerator(transform, name=name)


def agenerator(name: str) -> Runnable[Any, Any]:
    async def acalling(chunks: AsyncIterator[str]) -> AsyncIterator[str]:
        try:
            async for chunk in chunks:
                calls(f"{name} before")
                yield chunk
                calls(f"{name} after")
        finally:
            calls(f"{name} finally")

    return RunnableGenerator(acalling, name=name)


def whole(name: str) -> Runnable[Any, Any]:
    class Whole(Runnable[Any, Any]):
        def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
            return input

        def stream(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
            return calling(iter([str(input)] * 2), name)

    return Whole().with_config(run_name=name)


def tried(name: str) -> Runnable[Any, Any]:
    return generator(name).with_retry(stop_after_attempt=1)


KINDS: dict[str, Callable[[str], Runnable[Any, Any]]] = {
    "generator": generator,
    "async generator": agenerator,
    "whole": whole,
    "tried": tried,
}
CHAINS: dict[str, Callable[[Any, Any], Any]] = {
    "in line": lambda one, two: one | two,
    "with maps": lambda one, two: one | RunnableLambda(str) | two | RunnableLambda(str),
    "in a dict": lambda one, two: one | RunnableParallel(k=two),
    "branches": lambda one, two: RunnableParallel(a=one, b=two),
}


def stop_at_the_first(made: Any, config: Any) -> None:
    with made.stream("x", config) as chunks:
        next(chunks)


def astop_at_the_first(made: Any, config: Any) -> None:
    async def main() -> None:
        async with made.astream("x", config) as chunks:
            await anext(chunks)

    asyncio.run(main())


STREAMED: dict[str, Callable[[Any, Any], Any]] = {
    "all": lambda made, config: VERBS["stream"](made, "x", config),
    "all on a loop": lambda made, config: VERBS["astream"](made, "x", config),
    "stopped": stop_at_the_first,
    "stopped on a loop": astop_at_the_first,
}


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_streamed_step_calls_between_its_chunks_and_when_it_is_closed_is_inside_its_run(
    kind: str, chain: str
) -> None:
    for run in STREAMED.values():
        for other in KINDS:
            recorder = Recorder()
            run(CHAINS[chain](KINDS[kind]("one"), KINDS[other]("two")), {"callbacks": [recorder]})
            well_nested(recorder.facts)
            called = [run for what, run, _ in recorder.facts if what == "started" and " " in run.name]
            assert called
            if chain in ("in line", "with maps"):  # a fork that is stopped may not have begun, and calls nothing more
                assert {"one before", "one finally"} <= {run.name for run in called}
            assert [run.name for run in called if run.parent is None or run.parent.name != run.name[:3]] == []
