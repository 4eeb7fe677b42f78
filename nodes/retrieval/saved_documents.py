"""Documents in files: as JSON, and written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4


def text_of(told: Any, id: str | None) -> str:
    """What is told of a document, as JSON.

    Raises:
        TypeError: when its metadata hold what JSON can't.
    """
    try:
        return json.dumps(told)
    except (TypeError, ValueError) as error:
        raise TypeError(f"the metadata of document {id!r} can't be written as JSON: {error}") from error


def write_whole(files: Mapping[Path, bytes]) -> None:
    """Write files: what was there stays until all are written. Folders are made."""
    written: dict[Path, Path] = {}
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            written[path] = path.with_name(f".{path.name}.{uuid4().hex}")
            written[path].write_bytes(content)
        for path, beside in written.items():
            os.replace(beside, path)
    finally:
        for beside in written.values():
            beside.unlink(missing_ok=True)
