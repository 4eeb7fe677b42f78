"""Arithmetic of vectors, by numpy."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any

from anabranch.nodes.extras import import_extra

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.floating[Any]]


def numpy_for(needed_by: str) -> Any:
    """The library numpy.

    Raises:
        MissingExtraError: an `ImportError`, when it isn't installed.
    """
    return import_extra("numpy", "vectors", needed_by)


def matrix_of(vectors: Sequence[Any], needed_by: str, length: int | None = None) -> Array:
    """The vectors as rows of a matrix of floats.

    Args:
        vectors: the vectors.
        needed_by: who asks, for errors.
        length: how long they must be, if that is known; otherwise they only need to be of one length.

    Raises:
        ValueError: when they have other lengths, or hold what is no finite number.
    """
    numpy = numpy_for(needed_by)
    lengths = {len(vector) for vector in vectors}
    if len(lengths) > 1 or (length is not None and lengths - {length}):
        wanted = "vectors of one length" if length is None else f"vectors of length {length}"
        raise ValueError(f"{needed_by} expected {wanted}, got some of {', '.join(map(str, sorted(lengths)))}")
    made: Array = numpy.asarray(vectors, dtype=float).reshape(len(vectors), max(lengths, default=length or 0))
    if not numpy.isfinite(made).all():
        at = int((~numpy.isfinite(made)).any(axis=1).argmax())
        raise ValueError(f"{needed_by} got a vector with a number that isn't finite, at index {at}")
    return made


def unit(rows: Array) -> Array:
    """The rows at length 1. A row of zeros stays one: it is like nothing."""
    numpy = numpy_for("unit")
    lengths = numpy.linalg.norm(rows, axis=1, keepdims=True)
    made: Array = numpy.divide(rows, lengths, out=numpy.zeros_like(rows), where=lengths > 0)
    return made


def check_k(k: int, name: str = "k") -> int:
    """How many to find at most.

    Raises:
        ValueError: when that is no number from 0.
    """
    try:
        number = index(k)
    except TypeError:
        number = -1
    if number < 0:
        raise ValueError(f"{name} says how many to find at most, a number from 0, got {k!r:.80}")
    return number


def maximal_marginal_relevance(
    query_embedding: Sequence[float], embedding_list: Sequence[Any], lambda_mult: float = 0.5, k: int = 4
) -> list[int]:
    """Which vectors to take so that they are near to one and unlike each other; the nearest is the first.

    Each next one has the greatest `lambda_mult * (likeness to the query) - (1 - lambda_mult) * (likeness to the
    one taken that is most like it)`; likeness is the cosine. Of equals the first is taken.

    Args:
        query_embedding: the vector to be near to.
        embedding_list: those to choose from.
        lambda_mult: what counts: 1 only nearness, 0 only that they are unlike.
        k: how many to take at most.

    Raises:
        ValueError: when `lambda_mult` isn't between 0 and 1, or the vectors have several lengths.

    Example:
        >>> vectors = [[1.0, 0.1], [1.0, 0.0], [0.8, 0.6]]
        >>> [maximal_marginal_relevance([1.0, 0.2], vectors, lambda_mult=each, k=2) for each in (1.0, 0.3)]
        [[0, 1], [0, 2]]
    """
    numpy = numpy_for("maximal_marginal_relevance")
    if not 0 <= lambda_mult <= 1:
        raise ValueError(f"lambda_mult weighs nearness against variety, a number from 0 to 1, got {lambda_mult!r:.80}")
    if not check_k(k) or len(embedding_list) == 0:
        return []
    rows = unit(matrix_of(embedding_list, "maximal_marginal_relevance", len(query_embedding)))
    nearness = rows @ unit(matrix_of([query_embedding], "maximal_marginal_relevance"))[0]
    taken = [int(nearness.argmax())]
    likeness = rows @ rows[taken[0]]
    while len(taken) < min(k, len(rows)):
        worth = lambda_mult * nearness - (1 - lambda_mult) * likeness
        worth[taken] = -numpy.inf
        taken.append(int(worth.argmax()))
        likeness = numpy.maximum(likeness, rows @ rows[taken[-1]])
    return taken
