"""Rate limiters: nothing begins before its time, and what waits holds nothing that others need."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jumping_loop import run_in_no_time
from verbs import VERBS, alist, in_every_verb

from anabranch.nodes import (
    BaseRateLimiter,
    FakeListChatModel,
    FakeListLLM,
    FakeStreamingListLLM,
    InMemoryCache,
    InMemoryRateLimiter,
    RunnableLambda,
    RunnablePassthrough,
)
from anabranch.scheduler.clocks import CLOCK, VirtualClock
from anabranch.scheduler.pools import POOL


@pytest.fixture
def clock() -> Iterator[VirtualClock]:
    virtual = VirtualClock()
    before = CLOCK.set(virtual)
    yield virtual
    CLOCK.reset(before)


def starts_of(limiter: InMemoryRateLimiter, clock: VirtualClock, count: int) -> list[float]:
    """When each of some inputs began."""
    limited = RunnableLambda(lambda _: clock.now()).with_rate_limiter(limiter)
    return sorted(limited.batch([None] * count))


class TestTime:
    def test_so_many_begin_a_second(self, clock: VirtualClock) -> None:
        assert starts_of(InMemoryRateLimiter(requests_per_second=2), clock, 4) == [0.5, 1.0, 1.5, 2.0]

    def test_after_a_quiet_time_some_begin_at_once(self, clock: VirtualClock) -> None:
        limiter = InMemoryRateLimiter(requests_per_second=1, max_bucket_size=2)
        assert starts_of(limiter, clock, 1) == [1.0]
        clock.call_at(100.0, lambda: None)
        clock.jump()
        assert starts_of(limiter, clock, 4) == [100.0, 100.0, 101.0, 102.0]

    def test_whoever_comes_first_begins_first(self, clock: VirtualClock) -> None:
        order: list[int] = []
        limiter = InMemoryRateLimiter(requests_per_second=10)
        limited = RunnableLambda(order.append).with_rate_limiter(limiter)
        limited.batch(list(range(20)), {"max_concurrency": 1})
        assert order == list(range(20))

    def test_several_runnables_may_share_one(self, clock: VirtualClock) -> None:
        limiter = InMemoryRateLimiter(requests_per_second=1)
        first, second = (RunnableLambda(lambda _: clock.now()).with_rate_limiter(limiter) for _ in range(2))
        assert sorted(({"a": first, "b": second} | RunnablePassthrough()).invoke(None).values()) == [1.0, 2.0]

    @given(
        st.lists(st.integers(0, 40), max_size=30),
        st.sampled_from([0.5, 1.0, 4.0]),
        st.sampled_from([1.0, 2.0, 2.5]),
    )
    def test_in_no_stretch_of_time_begin_more_than_drip_and_fit_the_bucket(
        self, pauses: list[int], rate: float, size: float
    ) -> None:
        virtual = VirtualClock()
        before = CLOCK.set(virtual)
        limiter = InMemoryRateLimiter(requests_per_second=rate, max_bucket_size=size)
        begun = []
        for pause in pauses:
            virtual.call_at(virtual.now() + pause / 8, lambda: None)
            virtual.jump()
            begun.append(virtual.now() + limiter.reserve())
        CLOCK.reset(before)
        assert begun == sorted(begun)
        for first, start in enumerate(begun):
            for last in range(first, len(begun)):
                assert last - first + 1 <= (begun[last] - start) * rate + size + 1e-6

    def test_without_waiting_there_is_a_token_or_none(self, clock: VirtualClock) -> None:
        limiter = InMemoryRateLimiter(requests_per_second=1, max_bucket_size=2)
        assert not limiter.acquire(blocking=False)
        clock.call_at(2.0, lambda: None)
        clock.jump()
        assert [limiter.acquire(blocking=False) for _ in range(3)] == [True, True, False]

    def test_it_can_be_asked_by_hand(self, clock: VirtualClock) -> None:
        limiter = InMemoryRateLimiter(requests_per_second=4)
        assert limiter.acquire()
        assert clock.now() == 0.25

        async def main() -> float:
            assert not await limiter.aacquire(blocking=False)
            assert await limiter.aacquire()
            return asyncio.get_running_loop().time()

        limiter = InMemoryRateLimiter(requests_per_second=4)
        assert run_in_no_time(main()) == 0.25


class TestWaiting:
    @in_every_verb
    def test_it_gives_what_the_runnable_gives(self, verb: str) -> None:
        limiter = InMemoryRateLimiter(requests_per_second=100_000)
        for plain in (RunnableLambda(len), FakeStreamingListLLM(responses=["abc"]), RunnablePassthrough() | len):
            assert VERBS[verb](plain.with_rate_limiter(limiter), "abc") == VERBS[verb](plain, "abc")

    def test_what_waits_holds_no_permit(self, clock: VirtualClock) -> None:
        order: list[str] = []
        slow = RunnableLambda(lambda _: order.append("limited")).with_rate_limiter(InMemoryRateLimiter())
        quick = RunnableLambda(lambda _: order.append("other"))
        (RunnablePassthrough() | {"a": slow, "b": quick}).invoke(None, {"max_concurrency": 1})
        assert order == ["other", "limited"]
        assert clock.now() == 1.0

    def test_what_waits_holds_no_thread(self, clock: VirtualClock) -> None:
        threads: set[int] = set()
        busiest = 0

        def look(_: Any) -> None:
            nonlocal busiest
            threads.add(threading.get_ident())
            busiest = max(busiest, POOL.statistics()["busy"])

        RunnableLambda(look).with_rate_limiter(InMemoryRateLimiter(requests_per_second=5)).batch([None] * 300)
        assert clock.now() == pytest.approx(60.0)
        assert busiest <= 40

    def test_what_waits_on_a_loop_lets_others_go_on(self) -> None:
        async def main() -> tuple[list[float], list[float]]:
            loop = asyncio.get_running_loop()

            async def when(_: Any) -> float:
                return loop.time()

            limited = RunnableLambda(when).with_rate_limiter(InMemoryRateLimiter(requests_per_second=2))
            ticks: list[float] = []

            async def tick() -> None:
                for _ in range(3):
                    await asyncio.sleep(0.4)
                    ticks.append(loop.time())

            began, _ = await asyncio.gather(limited.abatch([None] * 3), tick())
            return began, ticks

        began, ticks = run_in_no_time(main())
        assert (sorted(began), ticks) == ([0.5, 1.0, 1.5], pytest.approx([0.4, 0.8, 1.2]))

    def test_streams_wait_too(self, clock: VirtualClock) -> None:
        model = FakeStreamingListLLM(responses=["ab"]).with_rate_limiter(InMemoryRateLimiter(requests_per_second=2))
        assert list(model.stream("?")) == ["a", "b"]
        assert clock.now() == 0.5

        async def main() -> tuple[list[str], float]:
            limited = FakeStreamingListLLM(responses=["ab"]).with_rate_limiter(InMemoryRateLimiter())
            return await alist(limited.astream("?")), asyncio.get_running_loop().time()

        assert run_in_no_time(main()) == (["a", "b"], 1.0)

    def test_a_timeout_ends_the_wait_and_the_token_goes_back(self, clock: VirtualClock) -> None:
        limiter = InMemoryRateLimiter(requests_per_second=1)
        limited = RunnableLambda(lambda _: clock.now()).with_rate_limiter(limiter)
        for call in (limited.invoke, lambda x, config: list(limited.stream(x, config))):
            with pytest.raises(TimeoutError):
                call(None, {"timeout": 0.25})
        assert clock.now() == 0.5
        assert limited.invoke(None) == 1.0

    def test_when_another_branch_fails_the_token_goes_back(self, clock: VirtualClock) -> None:
        def fail(_: Any) -> None:
            raise ValueError("no")

        limited = RunnableLambda(lambda _: clock.now()).with_rate_limiter(InMemoryRateLimiter())
        for chain in (RunnablePassthrough() | {"a": limited, "b": fail},) * 2:
            with pytest.raises(ValueError, match="no"):
                chain.invoke(None, {"max_concurrency": 1})
        assert limited.invoke(None) == 1.0

    @pytest.mark.parametrize("streamed", [False, True])
    def test_a_cancelled_task_gives_its_token_back(self, streamed: bool) -> None:
        async def main() -> float:
            async def when(_: Any) -> float:
                return asyncio.get_running_loop().time()

            limited = RunnableLambda(when).with_rate_limiter(InMemoryRateLimiter(requests_per_second=1))
            waiting = asyncio.create_task(alist(limited.astream(None)) if streamed else limited.ainvoke(None))
            await asyncio.sleep(0.5)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            began: float = await limited.ainvoke(None)
            return began

        assert run_in_no_time(main()) == 1.0

    def test_a_retry_waits_each_time(self, clock: VirtualClock) -> None:
        began: list[float] = []

        def fail(_: Any) -> None:
            began.append(clock.now())
            raise ValueError("not yet")

        limited = RunnableLambda(fail).with_rate_limiter(InMemoryRateLimiter(requests_per_second=2))
        with pytest.raises(ValueError, match="not yet"):
            limited.with_retry(stop_after_attempt=3, wait_exponential_jitter=False).invoke(None)
        assert began == [0.5, 1.0, 1.5]


class TestOnesOwn:
    class Doorman(BaseRateLimiter):
        def __init__(self) -> None:
            self.asked: list[str] = []

        def acquire(self, *, blocking: bool = True) -> bool:
            self.asked.append("acquire")
            return True

    class AsyncDoorman(Doorman):
        async def aacquire(self, *, blocking: bool = True) -> bool:
            self.asked.append("aacquire")
            return True

    @in_every_verb
    def test_it_is_asked_once_by_the_form_that_fits(self, verb: str) -> None:
        doorman, both = self.Doorman(), self.AsyncDoorman()
        VERBS[verb](RunnableLambda(len).with_rate_limiter(doorman), "ab")
        VERBS[verb](RunnableLambda(len).with_rate_limiter(both), "ab")
        assert doorman.asked == ["acquire"]
        assert both.asked == ["aacquire" if verb.startswith("a") else "acquire"]

    def test_it_waits_without_a_permit(self) -> None:
        opened = threading.Event()

        class Gate(BaseRateLimiter):
            def acquire(self, *, blocking: bool = True) -> bool:
                return opened.wait(20)

        limited = RunnableLambda(lambda _: "through").with_rate_limiter(Gate())
        chain = RunnablePassthrough() | {"a": limited, "b": RunnableLambda(lambda _: opened.set())}
        assert chain.invoke(None, {"max_concurrency": 1})["a"] == "through"

    def test_the_blocking_form_serves_the_other_in_a_thread(self) -> None:
        assert asyncio.run(self.Doorman().aacquire())


class TestModels:
    def test_a_model_may_have_one(self, clock: VirtualClock) -> None:
        limiter = InMemoryRateLimiter(requests_per_second=1)
        for model in (
            FakeListChatModel(responses=["ab"], rate_limiter=limiter),
            FakeListLLM(responses=["ab"], rate_limiter=limiter),
        ):
            before = clock.now()
            model.invoke("?")
            list(model.stream("?"))
            model.generate_prompt([])
            (model | str).batch(["?"] * 2)
            assert clock.now() == before + 4

    def test_its_run_begins_when_it_may(self, clock: VirtualClock) -> None:
        model = FakeListChatModel(responses=["ab"], rate_limiter=InMemoryRateLimiter())
        events = [(event["event"], event["name"]) for event in model.stream_events("?")]
        assert events == [
            ("on_chat_model_start", "FakeListChatModel"),
            ("on_chat_model_stream", "FakeListChatModel"),
            ("on_chat_model_stream", "FakeListChatModel"),
            ("on_chat_model_end", "FakeListChatModel"),
        ]

    @pytest.mark.parametrize("verb", ["invoke", "stream", "batch"])
    def test_an_answer_from_the_cache_needs_no_token(self, verb: str, clock: VirtualClock) -> None:
        model = FakeListChatModel(responses=["a"], rate_limiter=InMemoryRateLimiter(), cache=InMemoryCache())
        for _ in range(3):
            VERBS[verb](model, "?")
        assert clock.now() == 1.0
        VERBS[verb](model, "another")
        assert clock.now() == 2.0

    def test_copies_keep_to_the_same_rate(self) -> None:
        limiter = InMemoryRateLimiter(requests_per_second=3)
        assert copy.deepcopy(FakeListLLM(responses=["a"], rate_limiter=limiter)).rate_limiter is limiter
        assert repr(pickle.loads(pickle.dumps(limiter))) == repr(limiter)
        assert repr(limiter) == "InMemoryRateLimiter(requests_per_second=3, max_bucket_size=1)"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"requests_per_second": 0}, "requests_per_second must be above 0, got 0"),
        ({"requests_per_second": float("nan")}, "requests_per_second must be above 0, got nan"),
        ({"max_bucket_size": 0.5}, "max_bucket_size must be at least 1"),
    ],
)
def test_a_limiter_that_would_let_nothing_begin_is_refused(settings: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        InMemoryRateLimiter(**settings)


def test_what_is_no_limiter_is_refused() -> None:
    with pytest.raises(TypeError, match="takes a rate limiter, such as InMemoryRateLimiter"):
        RunnableLambda(len).with_rate_limiter(2)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rate_limiter takes a rate limiter"):
        FakeListLLM(responses=["a"], rate_limiter=2)
