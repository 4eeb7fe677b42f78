"""DOT to SVG, PNG and PDF, by whichever Graphviz there is.

That is the program `dot`, or the package pygraphviz, which has the library inside. Nothing is sent anywhere.
"""

from __future__ import annotations

import importlib
import threading
import warnings
from typing import Literal

import graphviz

from anabranch.engine.errors import AnabranchError

RenderedFormat = Literal["svg", "png", "pdf"]

_lock = threading.Lock()  # the library inside pygraphviz is not for several threads at once


class RenderingError(AnabranchError, RuntimeError):
    """Raised when DOT can't be rendered.

    Attributes:
        dot: the DOT, which may be rendered elsewhere.

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> from anabranch.viz import draw
        >>> try:
        ...     picture = draw(RunnableLambda(len), "png")
        ... except RenderingError as error:  # there is no Graphviz here
        ...     picture = error.dot.encode()
        >>> len(picture) > 100
        True
    """

    def __init__(self, message: str, dot: str) -> None:
        super().__init__(message)
        self.dot = dot


def rendered(dot: str, format: RenderedFormat) -> bytes:
    """The rendered picture.

    Raises:
        RenderingError: when there is no Graphviz, or it fails.
    """
    try:
        return bytes(graphviz.Source(dot).pipe(format=format, engine="dot", quiet=True))
    except graphviz.ExecutableNotFound:
        pass
    except graphviz.CalledProcessError as error:
        raise RenderingError(f"dot could not render the picture: {error}", dot) from error
    return _by_package(dot, format)


def _by_package(dot: str, format: RenderedFormat) -> bytes:
    try:
        pygraphviz = importlib.import_module("pygraphviz")
    except ImportError as error:
        raise RenderingError(
            f"drawing {format} needs Graphviz: the package pygraphviz, which brings it along "
            '(pip install "anabranch[viz]"), or the program dot on PATH (https://graphviz.org/download). '
            f"There is no dot, and: {error}. "
            "The formats text, mermaid and dot need neither; the attribute `dot` of this error has the DOT",
            dot,
        ) from error
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Graphviz' own, such as of a font that it has not got
        try:
            made = pygraphviz.AGraph(string=dot).draw(format=format, prog="dot")
        except Exception as error:
            raise RenderingError(f"pygraphviz could not render the picture: {error}", dot) from error
    return bytes(made)
