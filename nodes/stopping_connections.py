"""Connections that are shut down when the call in which they are read is stopped.

A thread that waits for a server sees nothing of a stop. Shutting the connection down wakes it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from anabranch.engine.errors import Stopped
from anabranch.scheduler.sites import SITE


@contextmanager
def shut_down_on_stop(response: Any) -> Iterator[None]:
    """Shut the connection of a response of httpx down if the call around this is stopped, by another thread.

    Raises:
        Stopped: in the place of what then goes wrong with the connection.
    """
    site, stream = SITE.get(), response.extensions.get("network_stream")
    connection = stream.get_extra_info("socket") if stream is not None else None
    if site is None or not isinstance(connection, socket.socket):
        yield
        return
    stop = _Stop(connection)
    site.hook(stop, stop.act)
    try:
        yield
    except Exception:
        if stop.has_acted:
            raise Stopped("the call around this step was stopped") from None
        raise
    finally:
        site.unhook(stop)
        stop.over()


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
                    # Not that of an encrypted connection, which would change it while it is being read.
                    socket.socket.shutdown(self._connection, socket.SHUT_RDWR)

    def over(self) -> None:
        with self._lock:
            self._connection = None
