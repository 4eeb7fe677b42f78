"""Streams of OpenAI's protocol: the events of a response, read from threads and on loops.

What has come apart in mid-stream is an error of the SDK, as is what it refuses to begin with. Leaving a stream, in
whatever way, closes its connection.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import suppress
from operator import attrgetter
from typing import Any

from anabranch.nodes.openai.clients import OpenAIClients
from anabranch.nodes.openai.server_sent_events import EventDecoder
from anabranch.nodes.openai.stopping_connections import read_what_came, shut_down_on_stop

DONE = "[DONE]"

TURNS = 20
"""Turns of the loop in which what has come with the last event can be read."""


def events_of(clients: OpenAIClients, resource: str, request: dict[str, Any]) -> Generator[dict[str, Any], None, None]:
    """The events that answer a request to a resource such as `chat.completions`."""
    create = attrgetter(resource)(clients.sync).with_streaming_response.create
    with create(**request, stream=True) as response:
        events = _Events(clients.library, response.http_request)
        with shut_down_on_stop(response.http_response), clients.failures(response.http_request):
            pieces = response.iter_bytes()
            for piece in pieces:
                yield from events.push(piece)
                if events.is_done:
                    read_what_came(response.http_response, pieces)
                    return
        yield from events.end()


async def aevents_of(
    clients: OpenAIClients, resource: str, request: dict[str, Any]
) -> AsyncGenerator[dict[str, Any], None]:
    """The same on the running loop."""
    create = attrgetter(resource)(clients.of_loop()).with_streaming_response.create
    async with create(**request, stream=True) as response:
        events = _Events(clients.library, response.http_request)
        pieces = response.iter_bytes()
        try:
            with clients.failures(response.http_request):
                async for piece in pieces:
                    for event in events.push(piece):
                        yield event
                    if events.is_done:
                        await _read_what_came(pieces)
                        return
            for event in events.end():
                yield event
        finally:
            await response.close()
            await _unwind(pieces)


def answer_of(clients: OpenAIClients, resource: str, request: dict[str, Any]) -> dict[str, Any]:
    """The whole answer to a request."""
    response = attrgetter(resource)(clients.sync).with_raw_response.create(**request)
    return _object(clients.library, response)


async def aanswer_of(clients: OpenAIClients, resource: str, request: dict[str, Any]) -> dict[str, Any]:
    """The same on the running loop."""
    response = await attrgetter(resource)(clients.of_loop()).with_raw_response.create(**request)
    return _object(clients.library, response)


class _Events:
    """The events in the bytes of a response, up to the one that says so."""

    def __init__(self, library: Any, request: Any) -> None:
        self._library = library
        self._request = request
        self._decoder = EventDecoder()
        self._is_settled = False
        self.is_done = False

    def push(self, piece: bytes) -> Iterator[dict[str, Any]]:
        for data in self._decoder.push(piece):
            yield from self._read(data)

    def end(self) -> Iterator[dict[str, Any]]:
        """What is left at the end of the response, which must not come before that of the answer."""
        for data in self._decoder.end():
            yield from self._read(data)
        if not self.is_done and not self._is_settled:
            raise self._library.APIConnectionError(
                message="the stream ended before the answer did: there was neither a finish_reason nor [DONE]",
                request=self._request,
            )

    def _read(self, data: str) -> Iterator[dict[str, Any]]:
        if self.is_done or not data.strip():
            return
        if data.strip() == DONE:
            self.is_done = True
            return
        event = self._event(data)
        if event.get("error"):
            raise _said(self._library, self._request, event["error"])
        for choice in event.get("choices") or []:
            self._is_settled = self._is_settled or bool(choice.get("finish_reason"))
        yield event

    def _event(self, data: str) -> dict[str, Any]:
        try:
            event = json.loads(data)
        except ValueError as error:
            raise self._malformed(data) from error
        if not isinstance(event, dict):
            raise self._malformed(data)
        return event

    def _malformed(self, data: str) -> Exception:
        message = f"the stream has an event that is not a JSON object: {data:.80}"
        made: Exception = self._library.APIError(message, self._request, body=data)
        return made


def _object(library: Any, response: Any) -> dict[str, Any]:
    """The JSON object that is the body of a response."""
    http = response.http_response
    try:
        value = json.loads(http.content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise library.APIResponseValidationError(
            http, None, message=f"the answer is not a JSON object: {http.content[:80]!r}"
        )
    if value.get("error"):
        raise _said(library, http.request, value["error"])
    return value


def _said(library: Any, request: Any, error: Any) -> Exception:
    """The error that a server tells of in a response that is none by its status."""
    message = error.get("message") if isinstance(error, dict) else error
    made: Exception = library.APIError(str(message or "the server tells of an error"), request, body=error)
    return made


async def _read_what_came(pieces: AsyncIterator[bytes]) -> None:
    """Read the end of a response if it is there, so that its connection can be used again. Waits some turns at most."""
    reading = asyncio.ensure_future(anext(pieces, None))
    try:
        for _ in range(TURNS):
            if reading.done():
                return
            await asyncio.sleep(0)
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        if not reading.cancelled():
            reading.exception()  # the answer is whole, whatever becomes of its connection


async def _unwind(pieces: AsyncIterator[bytes]) -> None:
    """Read what is left of a closed response, so that its failure ends all generators that it goes through.

    Closing the outermost would leave those below to the loop, which closes each in a later turn.
    """
    with suppress(Exception):
        async for _ in pieces:
            pass
