"""What a notebook shows of a chain."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from anabranch.viz.drawing import draw
from anabranch.viz.rendering import RenderingError


def mime_bundle(what: Any) -> dict[str, str]:
    """The picture as SVG where there is a Graphviz, and as text always."""
    bundle = {"text/plain": draw(what, "text")}
    with suppress(RenderingError):
        bundle["image/svg+xml"] = draw(what, "svg")
    return bundle
