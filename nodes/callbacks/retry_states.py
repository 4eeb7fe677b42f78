"""What is told of an attempt that has failed and is to be repeated."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any


class Attempt(Future[Any]):
    """An attempt that is over: `exception()` tells what it failed with."""

    def __init__(self, attempt_number: int, error: BaseException) -> None:
        super().__init__()
        self.attempt_number = attempt_number
        self.set_exception(error)

    @property
    def failed(self) -> bool:
        """Whether it has failed."""
        return self.exception() is not None


@dataclass(frozen=True, slots=True)
class RetryState:
    """What `on_retry` gets. Its names are those of tenacity's `RetryCallState`.

    Attributes:
        attempt_number: of the attempt that has failed, from 1 on.
        exception: what it failed with.
        upcoming_sleep: how long the next one is put off, in seconds.
        outcome: the attempt as a future; `outcome.exception()` is the exception.

    Example:
        >>> class Attempts(BaseCallbackHandler):
        ...     def on_retry(self, retry_state, **kwargs):
        ...         print(retry_state.attempt_number, repr(retry_state.exception))
        >>> answers = iter([[], ["yes"]])
        >>> first = RunnableLambda(lambda _: next(answers)[0]).with_retry(wait_exponential_jitter=False)
        >>> first.invoke("Well?", {"callbacks": [Attempts()]})
        1 IndexError('list index out of range')
        'yes'
    """

    attempt_number: int
    exception: BaseException
    upcoming_sleep: float = 0.0
    outcome: Attempt = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "outcome", Attempt(self.attempt_number, self.exception))
