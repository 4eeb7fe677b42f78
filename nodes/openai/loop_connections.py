"""HTTP clients of event loops: their connections are kept open from call to call, and closed when the loop ends.

The connections of an async client belong to the loop that opened them. Each loop has one client for each way to the
net, whichever models ask by it. A loop tells of its end only to its asynchronous generators, which
`loop.shutdown_asyncgens` closes (`asyncio.run` and `asyncio.Runner` call it). So what keeps the clients is registered
with the loop as one of them.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any


def client_of_loop(way: Hashable, make: Callable[[], Any]) -> Any:
    """The client of the running loop.

    Args:
        way: tells by what way it reaches servers.
        make: makes one, if there is none yet.
    """
    loop = asyncio.get_running_loop()
    kept = _KEPT.get(loop)
    if kept is None:
        for each in [each for each in tuple(_KEPT) if each.is_closed()]:  # without having been shut down
            _KEPT.pop(each, None)
        kept = _KEPT[loop] = _Kept(loop)
        if register := sys.get_asyncgen_hooks().firstiter:
            register(kept)  # type: ignore[arg-type]
    if way not in kept.clients:
        kept.clients[way] = make()
    return kept.clients[way]


class _Kept:
    """The clients of a loop. To the loop it is an asynchronous generator that has nothing more to yield."""

    ag_frame = None

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.clients: dict[Hashable, Any] = {}

    async def aclose(self) -> None:
        """Close all. The loop calls this when it ends."""
        _KEPT.pop(self._loop, None)
        for client in self.clients.values():
            with suppress(Exception):
                await client.aclose()


_KEPT: dict[asyncio.AbstractEventLoop, _Kept] = {}
