"""What is done when a callback handler raises: it is logged, or breaks the run if the handler wants that."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

logger = logging.getLogger("anabranch")

_LOGGED: WeakValueDictionary[int, Any] = WeakValueDictionary()


def tolerate(handler: Any, error: Exception, what: str, name: str | None = None) -> None:
    """Log, once for a handler, that it has raised. Raises the error if the handler wants that."""
    if getattr(handler, "raise_error", False):
        raise error
    if id(handler) in _LOGGED:
        return
    with suppress(TypeError):  # it can't be referred to weakly, and is logged each time
        _LOGGED[id(handler)] = handler
    logger.warning(
        "callback handler %s raised %s, told of %r; the run goes on, and this is logged once",
        name or type(handler).__name__,
        repr(error),  # not the error itself, which would keep all that its traceback refers to
        what,
    )
