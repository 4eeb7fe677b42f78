"""Chunks across the border between blocking and asynchronous code, one at a time, as they are pulled.

`portal_bridges` let blocking code pull from an asynchronous generator that runs on the portal; `thread_bridges` let
asynchronous code pull from a blocking generator that runs in threads of the pool. Either way the generator's own
input stays on the other side: when it wants a chunk, the side that waits for it makes one.
"""

from __future__ import annotations

from enum import Enum
from typing import Any


class Word(Enum):
    """What one side tells the other."""

    NEED = "a chunk of the input is needed"
    CHUNK = "here is a chunk"
    END = "there is no more"
    ERROR = "here is an error"


Message = tuple[Word, Any]
