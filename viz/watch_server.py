"""The page that shows a run, served to browsers of this machine.

Whoever asks must know the token in the address, so that no other user and no page of the web can look or stop the run,
and must ask for this host by name, so that no other name can be made to mean it (DNS rebinding). What the page gets of
the run is data, shown as text; the policy that it comes with lets it run no script and load nothing but its own files.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from collections.abc import AsyncIterator, Callable
from importlib.resources import files
from typing import Any

from anabranch.nodes.extras import import_extra
from anabranch.viz.watched_runs import WatchedRun

NEEDED_BY = "anabranch watch"
PAUSE = 0.03
"""Seconds after which a reader looks again for what has happened."""

PAGE = "watch.html"
SCRIPTS = ("watch.js", "runs.js", "timeline.js", "picture.js")
FILES = {"": PAGE, **{name: name for name in ("watch.css", "icon.svg", *SCRIPTS)}}
TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

Scope = Any
Receive = Any
Send = Any


class WatchServer:
    """Serves a run on a loopback address.

    Args:
        run: what is shown.
        host: `127.0.0.1`, `localhost` or `::1`; the caller has seen to it that it is one of these.
        port: 0 for any that is free.

    Attributes:
        url: of the page, with its token.

    Raises:
        MissingExtraError: an `ImportError`, when Starlette or uvicorn isn't installed.
        OSError: when the port can't be had.
    """

    def __init__(self, run: WatchedRun, host: str = "127.0.0.1", port: int = 0) -> None:
        uvicorn = import_extra("uvicorn", "serve", NEEDED_BY)
        self._token = secrets.token_urlsafe(24)
        app = _app(run, self._token, lambda: self._server.should_exit)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        port = self._socket.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        self._hosts = {f"{name}:{port}" for name in (shown, "localhost", "127.0.0.1", "[::1]")}
        self.url = f"http://{shown}:{port}/{self._token}/"
        self._server: Any = uvicorn.Server(
            uvicorn.Config(
                self._guarded(app),
                lifespan="off",
                ws="none",
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=2,
            )
        )

    def serve(self) -> None:
        """Serve until Ctrl-C.

        Raises:
            KeyboardInterrupt: then.
        """
        with self._socket:
            self._server.run(sockets=[self._socket])

    def discard(self) -> None:
        """Let go of the port without having served."""
        self._socket.close()

    def close(self) -> None:
        """Make `serve` return. From any thread."""
        self._server.should_exit = True

    def _guarded(self, app: Any) -> Callable[[Scope, Receive, Send], Any]:
        """The application, for those only who may ask; with the policy for all that it answers."""
        responses = import_extra("starlette.responses", "serve", NEEDED_BY)

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return
            headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}

            async def with_policy(message: Any) -> None:
                if message["type"] == "http.response.start":
                    more = [(key.encode(), value.encode()) for key, value in HEADERS.items()]
                    message = {**message, "headers": [*message["headers"], *more]}
                await send(message)

            answer = app
            if refused := self._refusal(scope, headers):
                answer = responses.PlainTextResponse(*refused)
            await answer(scope, receive, with_policy)

        return guarded

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[str, int] | None:
        """Why somebody may not ask; None if they may."""
        host = headers.get("host", "")
        if host.lower() not in self._hosts:
            return "this page has another name", 421
        token = scope["path"].split("/")[1]
        if not secrets.compare_digest(token.encode(), self._token.encode()):
            return "there is nothing here; the address has a token, which 'anabranch watch' prints", 404
        if "origin" in headers and headers["origin"].lower() != f"http://{host.lower()}":
            return "another page may not ask", 403
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") and scope["method"] != "GET":
            return "another page may not ask", 403
        return None


def _app(run: WatchedRun, token: str, is_closing: Callable[[], bool]) -> Any:
    """What answers to those who may ask."""
    applications = import_extra("starlette.applications", "serve", NEEDED_BY)
    responses = import_extra("starlette.responses", "serve", NEEDED_BY)
    routing = import_extra("starlette.routing", "serve", NEEDED_BY)
    folder = files("anabranch.viz") / "watch_page"
    content = {name: (folder / file).read_bytes() for name, file in FILES.items()}

    async def page(request: Any) -> Any:
        name = request.path_params.get("name", "")
        if name not in content:
            return responses.PlainTextResponse("there is no such file", 404)
        suffix = FILES[name].rpartition(".")[2]
        return responses.Response(content[name], media_type=f"{TYPES[suffix]}; charset=utf-8")

    async def about(request: Any) -> Any:
        return responses.JSONResponse(
            {"title": run.title, "picture": run.svg is not None, "why": run.why_no_picture, "live": run.is_live}
        )

    async def picture(request: Any) -> Any:
        return responses.Response(run.svg or "", media_type="image/svg+xml")

    async def facts(request: Any) -> Any:
        return responses.StreamingResponse(_events(run, is_closing), media_type="text/event-stream")

    async def stop(request: Any) -> Any:
        run.stop()
        return responses.Response(status_code=204)

    return applications.Starlette(
        routes=[
            routing.Route(f"/{token}/about", about),
            routing.Route(f"/{token}/picture", picture),
            routing.Route(f"/{token}/facts", facts),
            routing.Route(f"/{token}/stop", stop, methods=["POST"]),
            routing.Route(f"/{token}/", page),
            routing.Route(f"/{token}/{{name}}", page),
        ]
    )


async def _events(run: WatchedRun, is_closing: Callable[[], bool]) -> AsyncIterator[str]:
    """The facts of a run as server-sent events, some at a time, at the reader's pace."""
    reader = run.reader()
    yield "event: begin\ndata: {}\n\n"
    while not is_closing():
        found, over = await asyncio.to_thread(reader.read)
        if found:
            yield f"data: {json.dumps(found, ensure_ascii=False, separators=(',', ':'))}\n\n"
        elif over:
            yield f"event: over\ndata: {json.dumps({'failure': run.failure})}\n\n"
            return
        else:
            await asyncio.sleep(PAUSE)
