"""Rate limiters: how often something may begin.

What waits for one holds no permit. With `InMemoryRateLimiter`, which can say how long the wait is, it holds no thread
either, and nobody asks again and again: each waits for a moment of its own.
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod

from anabranch.engine.errors import ConfigError
from anabranch.engine.graphs import INPUT_SLOT, Graph
from anabranch.nodes.in_thread import in_thread
from anabranch.scheduler.clocks import CLOCK
from anabranch.scheduler.napping import nap, nap_async
from anabranch.scheduler.sites import SITE, Site


class BaseRateLimiter(ABC):
    """A rate limiter of one's own: write `acquire`.

    Write `aacquire` too where there is a way without a thread; otherwise it runs the blocking one in one.

    Example:
        >>> class Doorman(BaseRateLimiter):
        ...     def acquire(self, *, blocking=True):
        ...         print("after you")
        ...         return True
        >>> RunnableLambda(str.upper).with_rate_limiter(Doorman()).invoke("a")
        after you
        'A'
    """

    @abstractmethod
    def acquire(self, *, blocking: bool = True) -> bool:
        """Take leave to begin.

        Args:
            blocking: wait until it is given; otherwise answer at once.

        Returns:
            Whether it was given.
        """

    async def aacquire(self, *, blocking: bool = True) -> bool:
        """`acquire` on an event loop."""
        given: bool = await in_thread(lambda: self.acquire(blocking=blocking))
        return given


class InMemoryRateLimiter(BaseRateLimiter):
    """Lets so many begin a second, those first who came first. For the threads and loops of one process.

    It is a bucket of tokens, empty at first, into which they drip evenly. Whoever begins takes one, or the next to
    drip in that nobody waits for. Time is that of the driver: a virtual clock in tests that set one.

    Args:
        requests_per_second: how many tokens drip in a second.
        check_every_n_seconds: not needed, for nobody has to look whether there is a token. LangChain's has it.
        max_bucket_size: how many tokens may gather, that is, how many may begin at once after a quiet time.

    Raises:
        ConfigError: a `ValueError`, when nothing could ever begin.

    Example:
        >>> limiter = InMemoryRateLimiter(requests_per_second=1000, max_bucket_size=10)
        >>> model = FakeListChatModel(responses=["yes", "no"], rate_limiter=limiter)
        >>> [answer.content for answer in model.batch(["Well?"], {"max_concurrency": 1})]
        ['yes']
    """

    def __init__(
        self, *, requests_per_second: float = 1, check_every_n_seconds: float = 0.1, max_bucket_size: float = 1
    ) -> None:
        if not requests_per_second > 0:
            raise ConfigError(f"InMemoryRateLimiter: requests_per_second must be above 0, got {requests_per_second!r}")
        if not max_bucket_size >= 1:
            raise ConfigError(
                f"InMemoryRateLimiter: max_bucket_size must be at least 1, for one begins with a whole token; "
                f"got {max_bucket_size!r}"
            )
        self.requests_per_second = requests_per_second
        self.check_every_n_seconds = check_every_n_seconds
        self.max_bucket_size = max_bucket_size
        self._tokens = 0.0  # below zero: so many are waited for
        self._last: float | None = None
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take the next token that nobody waits for; answer how long it takes to come, in seconds."""
        with self._lock:
            self._drip()
            self._tokens -= 1
            return max(0.0, -self._tokens / self.requests_per_second)

    def give_back(self) -> None:
        """The token that was taken isn't needed."""
        with self._lock:
            self._drip()
            self._tokens += 1

    def _drip(self) -> None:
        now = _now()
        passed = 0.0 if self._last is None else max(0.0, now - self._last)
        self._last = now
        self._tokens = min(self._tokens + passed * self.requests_per_second, self.max_bucket_size)

    def _take_now(self) -> bool:
        with self._lock:
            self._drip()
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def acquire(self, *, blocking: bool = True) -> bool:
        """See `BaseRateLimiter`."""
        if not blocking:
            return self._take_now()
        wait = self.reserve()
        if wait > 0:
            try:
                nap(SITE.get() or _nowhere(), wait)
            except BaseException:
                self.give_back()
                raise
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        """See `BaseRateLimiter`."""
        if not blocking:
            return self._take_now()
        wait = self.reserve()
        if wait > 0:
            try:
                await nap_async(SITE.get() or _nowhere(), wait)
            except BaseException:
                self.give_back()
                raise
        return True

    def __repr__(self) -> str:
        rate, size = self.requests_per_second, self.max_bucket_size
        return f"InMemoryRateLimiter(requests_per_second={rate}, max_bucket_size={size})"

    def __deepcopy__(self, memo: dict[int, object]) -> InMemoryRateLimiter:
        return self  # a copy of a model keeps to the same rate

    def __reduce__(self) -> tuple[object, ...]:
        return _new_limiter, (self.requests_per_second, self.check_every_n_seconds, self.max_bucket_size)


def _new_limiter(rate: float, check: float, size: float) -> InMemoryRateLimiter:
    return InMemoryRateLimiter(requests_per_second=rate, check_every_n_seconds=check, max_bucket_size=size)


def _now() -> float:
    """The time of the driver at work."""
    loop = asyncio._get_running_loop()
    return CLOCK.get().now() if loop is None else loop.time()


def _nowhere() -> Site:
    """Where code runs that no step has called."""
    return Site(None, Graph((), (), INPUT_SLOT))
