"""What models for tests have in common that say some responses in turn."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field, PrivateAttr


class InTurn(BaseModel):
    """The part of a model that says the responses in turn, over and over.

    Args:
        responses: what to say.
        sleep: how long to wait, in seconds.
        i: the place of the next response.
    """

    responses: Any = Field(min_length=1)
    sleep: float | None = None
    i: int = Field(default=0, exclude=True)
    _turns: Iterator[int] = PrivateAttr()

    def model_post_init(self, context: Any) -> None:
        self._turns = iter(range(self.i, sys.maxsize))  # threads may share it, and it can be copied

    def _next(self) -> Any:
        """The response whose turn it is; `i` tells which comes next."""
        turn, count = next(self._turns), len(self.responses)
        self.__dict__["i"] = (turn + 1) % count  # past the fields' own setting, which would forget the graph
        return self.responses[turn % count]

    def _sleep(self) -> None:
        if self.sleep is not None:
            time.sleep(self.sleep)

    async def _asleep(self) -> None:
        if self.sleep is not None:
            await asyncio.sleep(self.sleep)
