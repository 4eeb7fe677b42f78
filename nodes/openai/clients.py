"""Clients of the openai package: one for threads, and one for each event loop.

Connections are kept open for the next call: those of threads as long as the model is there, those of a loop until it
ends, for all models that ask on it.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from operator import attrgetter
from typing import Any
from weakref import WeakKeyDictionary, finalize

from anabranch.nodes.extras import import_extra
from anabranch.nodes.in_thread import in_thread
from anabranch.nodes.openai.loop_connections import client_of_loop
from anabranch.nodes.openai.stopping_connections import make_stoppable


class OpenAIClients:
    """The clients of one model. A copy starts without connections.

    Args:
        options: what `openai.OpenAI` is made with.
        needed_by: who asks, for the error.
        proxy: the address of a proxy.
        given: HTTP clients to use, for threads and for loops; `None` where there is none.

    Raises:
        MissingExtraError: an `ImportError`, when openai isn't installed.
        openai.OpenAIError: when there is no key, neither given nor in OPENAI_API_KEY.
    """

    def __init__(
        self,
        options: dict[str, Any],
        needed_by: str,
        proxy: str | None = None,
        given: tuple[Any, Any] = (None, None),
    ) -> None:
        self._made_of = (options, needed_by, proxy, given)
        self._options = options
        # Imports and certificates are files: read now, they don't hold up a loop later.
        self.library = import_extra("openai", "openai", needed_by)
        for resource in ("chat", "completions", "embeddings"):
            import_extra(f"openai.resources.{resource}", "openai", needed_by)
        self._http: dict[str, Any] = {"verify": _certificates(_http_library(self.library)), "proxy": proxy}
        self._given_async = given[1]
        self._of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Any] = WeakKeyDictionary()
        http = given[0]
        if http is None:
            http = self.library.DefaultHttpxClient(**self._http)
            make_stoppable(http)
            finalize(self, http.close)
        options = {**options, "api_key": _for_threads(options.get("api_key"))}
        self.sync = self.library.OpenAI(**options, http_client=http)

    def __reduce__(self) -> tuple[type[OpenAIClients], tuple[Any, ...]]:
        return OpenAIClients, self._made_of

    def __deepcopy__(self, memo: Any) -> OpenAIClients:
        return OpenAIClients(*self._made_of)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OpenAIClients) and self._made_of == other._made_of

    def of_loop(self) -> Any:
        """The client of the running loop."""
        loop = asyncio.get_running_loop()
        client = self._of_loops.get(loop)
        if client is None or client.is_closed():
            client = self._of_loops[loop] = self._new_client()
        return client

    def _new_client(self) -> Any:
        http = self._given_async
        if http is None:
            http = client_of_loop(self._http["proxy"], lambda: self.library.DefaultAsyncHttpxClient(**self._http))
        options = {**self._options, "api_key": _for_loops(self._options.get("api_key"))}
        return self.library.AsyncOpenAI(**options, http_client=http)

    @contextmanager
    def failures(self, request: Any) -> Iterator[None]:
        """Raise what goes wrong with a connection as the error that the SDK has for it."""
        try:
            yield
        except _http_errors("TimeoutException") as error:
            raise self.library.APITimeoutError(request=request) from error
        except _http_errors("RequestError") as error:
            raise self.library.APIConnectionError(message=f"Connection error: {error}", request=request) from error


def parameters_of(resource: str, needed_by: str) -> set[str]:
    """The names of the parameters that a request to a resource such as `chat.completions` may have."""
    library = import_extra("openai", "openai", needed_by)
    client = library.OpenAI(api_key="-", base_url="http://localhost")
    with client:
        create = attrgetter(resource)(client).create
    return set(inspect.signature(create).parameters)


def _for_threads(key: Any) -> Any:
    """A key as the synchronous client takes it. A coroutine function can't be called there."""
    if not inspect.iscoroutinefunction(key):
        return key

    def refuse() -> str:
        raise TypeError("the function that gives api_key is asynchronous; use the asynchronous verbs")

    return refuse


def _for_loops(key: Any) -> Any:
    """A key as the asynchronous client takes it: a function may block, so it runs in a thread."""
    if not callable(key) or inspect.iscoroutinefunction(key):
        return key

    async def ask() -> Any:
        return await in_thread(key)

    return ask


@cache
def _certificates(http: Any) -> Any:
    """The certificates that servers are checked with. Reading them takes long, so it is done once."""
    return http.create_ssl_context()


def _http_library(library: Any) -> Any:
    """The HTTP library under openai: httpx, or what has taken its place."""
    base = library.DefaultHttpxClient.__mro__[1]
    return sys.modules[base.__module__.partition(".")[0]]


def _http_errors(name: str) -> tuple[type[Exception], ...]:
    """The errors of that name of all HTTP libraries that a client may be made with."""
    return tuple(getattr(sys.modules[library], name) for library in ("httpx", "httpx2") if library in sys.modules)
