"""A small server that speaks OpenAI's chat protocol on loopback, for tests of the real client."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class ChatServer(ThreadingHTTPServer):
    """Answers every request with `words`; streams them for ever when `endless`, or up to an error.

    Attributes:
        requests: the bodies that came in.
        headers: the headers that came with them, by lower-case name.
        status: the status of the next answers.
        hung_up: set when a client has closed its connection in the middle of a stream.
    """

    daemon_threads = False  # so that closing the server waits for them

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), ChatHandler)
        self.words = ["Bears", " like", " honey."]
        self.endless = False
        self.breaks_off = False
        self.status = 200
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.hung_up = threading.Event()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def answer_words(self) -> Iterator[str]:
        yield from self.words
        while self.endless:
            yield " more"


class ChatHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ChatServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        self.close_connection = True
        if self.path != "/v1/chat/completions":
            self.send_json(404, {"error": {"message": f"no such path: {self.path}"}})
        elif self.server.status != 200:
            self.send_json(self.server.status, {"error": {"message": "not today"}})
        elif body.get("stream"):
            self.send_stream(body)
        else:
            text = "".join(self.server.words)
            choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            self.send_json(200, completion("chat.completion", body, choice))

    def send_json(self, status: int, value: dict[str, Any]) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)

    def send_stream(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            self.send_choice(body, {"delta": {"role": "assistant", "content": ""}, "finish_reason": None})
            for word in self.server.answer_words():
                self.send_choice(body, {"delta": {"content": word}, "finish_reason": None})
            if self.server.breaks_off:
                self.wfile.write(b'data: {"error": {"message": "out of honey"}}\n\n')
            self.send_choice(body, {"delta": {}, "finish_reason": "stop"})
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            self.server.hung_up.set()

    def send_choice(self, body: dict[str, Any], choice: dict[str, Any]) -> None:
        event = completion("chat.completion.chunk", body, choice)
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are quiet."""


def completion(kind: str, body: dict[str, Any], choice: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": kind,
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, **choice}],
    }


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """A server that runs while the context is open."""
    with ChatServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
