"""Connections that are shut down when the call in which they are read is stopped.

A thread that waits for a server sees nothing of a stop. Shutting the connection down wakes it.
"""

from __future__ import annotations

import socket
import ssl
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from anabranch.engine.errors import Stopped
from anabranch.scheduler.sites import SITE


def make_stoppable(client: Any) -> None:
    """Have a stop end every wait of a client of httpx for a server, but for that until it is connected.

    Only the HTTP library below httpx can be given a network of one's own; if it isn't where it is known to be, nothing
    is changed, and `shut_down_on_stop` still serves for streams.
    """
    for transport in (getattr(client, "_transport", None), *getattr(client, "_mounts", {}).values()):
        pool: Any = getattr(transport, "_pool", None)
        if (network := getattr(pool, "_network_backend", None)) is not None:
            pool._network_backend = _Network(network)


@contextmanager
def shut_down_on_stop(response: Any) -> Iterator[None]:
    """Shut the connection of a response of httpx down if the call around this is stopped, by another thread.

    Raises:
        Stopped: in the place of what then goes wrong with the connection.
    """
    with _stoppable(response.extensions.get("network_stream")):
        yield


@contextmanager
def _stoppable(stream: Any) -> Iterator[None]:
    """The same for a network stream of httpcore."""
    site = SITE.get()
    connection = stream.get_extra_info("socket") if stream is not None and site is not None else None
    if site is None or not isinstance(connection, socket.socket):
        yield
        return
    stop = _Stop(connection)
    site.hook(stop, stop.act)
    try:
        yield
    except Exception:
        if stop.has_acted:
            raise Stopped(_STOPPED) from None
        raise
    finally:
        site.unhook(stop)
        stop.over()
    if stop.has_acted:
        raise Stopped(_STOPPED)


_AT_ONCE = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
_STOPPED = "the call around this step was stopped"


class _Stop:
    """The shutting down, which may come at the very moment in which the connection is given back."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection: socket.socket | None = connection
        self._lock = threading.Lock()
        self.has_acted = False

    def act(self) -> None:
        with self._lock:
            if self._connection is not None:
                self.has_acted = True
                with suppress(OSError):  # it may be closed already
                    # Closing it will reset it. A server that waits to send would otherwise not hear of it for a minute.
                    self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                    # Not that of an encrypted connection, which would change it while it is being read.
                    socket.socket.shutdown(self._connection, socket.SHUT_RDWR)

    def over(self) -> None:
        with self._lock:
            self._connection = None


def read_what_came(response: Any, pieces: Iterator[bytes]) -> None:
    """Read the end of a response of httpx if it is there, so that its connection can be used again. Doesn't wait."""
    stream = response.extensions.get("network_stream")
    if isinstance(stream, _Stream):
        stream.may_wait = False
        try:
            next(pieces, None)
        except Exception:  # it isn't, and the connection is closed
            return
        finally:
            stream.may_wait = True


class _Network:
    """A network backend of httpcore whose streams are stoppable."""

    def __init__(self, network: Any) -> None:
        self._network = network

    def connect_tcp(self, *args: Any, **kwargs: Any) -> Any:
        return self._connected(self._network.connect_tcp, *args, **kwargs)

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> Any:
        return self._connected(self._network.connect_unix_socket, *args, **kwargs)

    def _connected(self, connect: Any, *args: Any, **kwargs: Any) -> Any:
        site = SITE.get()
        if site is not None and site.stopped:  # the SDK tries again after a failure
            raise Stopped(_STOPPED)
        return _Stream(connect(*args, **kwargs))

    def sleep(self, seconds: float) -> None:
        self._network.sleep(seconds)


class _Stream:
    """A network stream of httpcore, each wait of which a stop ends."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.may_wait = True

    def read(self, *args: Any, **kwargs: Any) -> Any:
        if not self.may_wait and not self._has_come():
            raise BlockingIOError("nothing has come")
        with _stoppable(self._stream):
            return self._stream.read(*args, **kwargs)

    def _has_come(self) -> bool:
        connection = self._stream.get_extra_info("socket")
        if isinstance(connection, ssl.SSLSocket) and connection.pending():
            return True
        return bool(self._stream.get_extra_info("is_readable"))

    def write(self, *args: Any, **kwargs: Any) -> None:
        with _stoppable(self._stream):
            self._stream.write(*args, **kwargs)

    def start_tls(self, *args: Any, **kwargs: Any) -> Any:
        with _stoppable(self._stream):
            return _Stream(self._stream.start_tls(*args, **kwargs))

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
