"""A server on loopback that speaks OpenAI's protocol, for tests of the real client.

It answers each request with the next of `replies`, and when there is none left with its `answer`. A reply is a function
of the `Exchange`: it may answer in any way, break the protocol, or wait, for an event or for the client to hang up.
"""

from __future__ import annotations

import base64
import json
import select
import socket
import struct
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from openai_answers import Answer, completion_of, completion_pieces, vector_of

PATIENCE = 30.0
"""Seconds after which the server gives up waiting."""


class OpenAIServer(ThreadingHTTPServer):
    """What it has seen, and what it says.

    Attributes:
        answer: the model's answer to every chat request that no reply is left for.
        replies: what to do with the next requests instead.
        requests: the bodies that came in, and `headers`, with names in lower case, and `paths` with queries.
        connections: how many connections were opened.
        hung_up: set when a client has closed its connection before its answer was whole.
    """

    daemon_threads = False  # so that closing the server waits for them
    request_queue_size = 100

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.answer = Answer({"content": "Bears like honey."})
        self.replies: deque[Reply] = deque()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.connections = 0
        self.hung_up = threading.Event()
        self.closes = threading.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def get_request(self) -> tuple[socket.socket, Any]:
        self.connections += 1
        return super().get_request()


class Exchange(BaseHTTPRequestHandler):
    """One connection, with the request on it."""

    protocol_version = "HTTP/1.1"
    server: OpenAIServer
    body: dict[str, Any]

    def do_POST(self) -> None:
        self.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(self.body)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.server.paths.append(self.path)
        path = self.path.partition("?")[0]
        reply = self.server.replies.popleft() if self.server.replies else DEFAULTS.get(path, no_such_path)
        try:
            reply(self)
        except TimeoutError:  # the client has not hung up
            self.close_connection = True
        except OSError:
            self.server.hung_up.set()
            self.close_connection = True

    def handle(self) -> None:
        """Requests on the connection, one after the other; between them the server may close."""
        self.close_connection = False
        while not self.close_connection and self.wait_for_bytes():
            self.handle_one_request()

    def wait_for_bytes(self) -> bool:
        while not self.server.closes.is_set():
            if select.select([self.connection], [], [], 0.02)[0]:
                return True
        return False

    def send_json(self, value: Any, status: int = 200, **headers: str) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(data)

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def send(self, data: bytes) -> None:
        """Bytes of the stream, in one piece."""
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def send_event(self, event: dict[str, Any]) -> None:
        self.send(f"data: {json.dumps(event)}\n\n".encode())

    def end_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def cut(self) -> None:
        """Break the connection off, as a crash would."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def wait_for_hang_up(self) -> None:
        """Wait until the client closes the connection."""
        self.connection.settimeout(PATIENCE)
        self.close_connection = True
        if self.connection.recv(1) == b"":
            self.server.hung_up.set()

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are quiet."""


ENVIRONMENT = (
    "OPENAI_API_KEY",
    "OPENAI_ADMIN_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
)

Reply = Callable[[Exchange], None]


def chat(exchange: Exchange) -> None:
    """The server's answer, streamed if asked so."""
    answering(exchange.server.answer)(exchange)


def answering(answer: Answer) -> Reply:
    """Give an answer, as a whole or in pieces, as the request wants it."""

    def reply(exchange: Exchange) -> None:
        if exchange.body.get("stream"):
            streaming(*answer.pieces(exchange.body), b"data: [DONE]\n\n")(exchange)
        else:
            exchange.send_json(answer.whole(exchange.body))

    return reply


def streaming(*steps: Any, end: bool = True) -> Reply:
    """A stream: dicts are events, bytes are sent as they are; an event of threads is waited for, a function called."""

    def reply(exchange: Exchange) -> None:
        exchange.begin_stream()
        for step in steps:
            if isinstance(step, dict):
                exchange.send_event(step)
            elif isinstance(step, bytes):
                exchange.send(step)
            elif isinstance(step, threading.Event):
                step.wait(PATIENCE)
            else:
                step(exchange)
        if end and not exchange.close_connection:
            exchange.end_stream()

    return reply


def endless(exchange: Exchange) -> None:
    """A stream that goes on until the client hangs up."""
    answer = Answer({"content": "Bears"})
    begin, more, *_ = answer.pieces(exchange.body)

    def forever(exchange: Exchange) -> None:
        while True:
            exchange.send_event(more)

    streaming(begin, forever)(exchange)


def refusing(status: int, message: str = "not today", **headers: str) -> Reply:
    """Answer with an error; headers with `_` for `-`."""

    def reply(exchange: Exchange) -> None:
        exchange.send_json({"error": {"message": message, "type": "test", "code": None}}, status, **headers)

    return reply


def silent(exchange: Exchange) -> None:
    """Say nothing until the client gives up."""
    exchange.wait_for_hang_up()


def no_such_path(exchange: Exchange) -> None:
    exchange.send_json({"error": {"message": f"no such path: {exchange.path}"}}, 404)


def complete(exchange: Exchange) -> None:
    """What the completions API says to the prompts."""
    if exchange.body.get("stream"):
        streaming(*completion_pieces(exchange.body), b"data: [DONE]\n\n")(exchange)
    else:
        exchange.send_json(completion_of(exchange.body))


def embed(exchange: Exchange) -> None:
    """The vectors of the texts, in base64 if asked so."""
    texts = exchange.body["input"]
    data = []
    for index, text in enumerate([texts] if isinstance(texts, str) else texts):
        vector: Any = vector_of(text, exchange.body.get("dimensions", 3))
        if exchange.body.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": vector})
    usage = {"prompt_tokens": len(data), "total_tokens": len(data)}
    exchange.send_json({"object": "list", "data": data, "model": exchange.body["model"], "usage": usage})


DEFAULTS: dict[str, Reply] = {
    "/v1/chat/completions": chat,
    "/v1/completions": complete,
    "/v1/embeddings": embed,
}


@contextmanager
def openai_server(monkeypatch: pytest.MonkeyPatch | None = None) -> Iterator[OpenAIServer]:
    """A server that runs while the context is open. Settings in the environment are hidden from its clients."""
    if monkeypatch:
        for name in ENVIRONMENT:
            monkeypatch.delenv(name, raising=False)
    with OpenAIServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.closes.set()
            server.shutdown()
            thread.join()
