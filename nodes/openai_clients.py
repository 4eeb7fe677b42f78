"""Clients of the openai package: one for threads, and one for each event loop while calls are under way on it.

The connections of an async client belong to the loop that opened them. So each loop has a client of its own,
which all calls share that run at the same time, and which the last of them closes: nothing outlives the calls,
whatever the loop does next. Calls one after the other pay with a new connection each.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, finalize

from anabranch.nodes.extras import import_extra


@dataclass(slots=True)
class _Shared:
    client: Any
    users: int = 0


class OpenAIClients:
    """The clients of one model. A copy starts without connections.

    Args:
        options: what `openai.OpenAI` is made with.
        needed_by: who asks, for the error.

    Raises:
        MissingExtraError: an `ImportError`, when openai isn't installed.
        openai.OpenAIError: when there is no key, neither given nor in OPENAI_API_KEY.
    """

    def __init__(self, options: dict[str, Any], needed_by: str) -> None:
        self._options = options
        self._needed_by = needed_by
        # Imports and certificates are files: read now, they don't hold up a loop later.
        self.library = import_extra("openai", "openai", needed_by)
        import_extra("openai.resources.chat", "openai", needed_by)
        self._certificates = _http_library(self.library).create_ssl_context()
        self._of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Shared] = WeakKeyDictionary()
        http = self.library.DefaultHttpxClient(verify=self._certificates)
        self.sync = self.library.OpenAI(**options, http_client=http)
        finalize(self, http.close)

    def __reduce__(self) -> tuple[type[OpenAIClients], tuple[dict[str, Any], str]]:
        return OpenAIClients, (self._options, self._needed_by)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OpenAIClients) and self._options == other._options

    @asynccontextmanager
    async def of_loop(self) -> AsyncIterator[Any]:
        """The client of the running loop, for a call."""
        loop = asyncio.get_running_loop()
        shared = self._of_loops.get(loop)
        if shared is None:
            shared = self._of_loops[loop] = _Shared(self._new_client())
        shared.users += 1
        try:
            yield shared.client
        finally:
            shared.users -= 1
            if not shared.users:
                del self._of_loops[loop]  # before the wait: who comes meanwhile makes a new one
                await shared.client.close()

    def _new_client(self) -> Any:
        http = self.library.DefaultAsyncHttpxClient(verify=self._certificates)
        return self.library.AsyncOpenAI(**self._options, http_client=http)


def _http_library(library: Any) -> Any:
    """The HTTP library under openai: httpx, or what has taken its place."""
    base = library.DefaultHttpxClient.__mro__[1]
    return sys.modules[base.__module__.partition(".")[0]]
