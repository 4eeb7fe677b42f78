"""How a store compares vectors."""

from __future__ import annotations

from enum import StrEnum


class DistanceStrategy(StrEnum):
    """How vectors are compared.

    `EUCLIDEAN_DISTANCE`: the square of their distance, less is nearer. `MAX_INNER_PRODUCT` and `DOT_PRODUCT`: their
    product, more is nearer. `COSINE`: the product of the vectors at length 1.

    Example:
        >>> texts = ["bears like honey", "cats"]
        >>> store = FAISS.from_texts(texts, HashingEmbeddings(), distance_strategy=DistanceStrategy.COSINE)
        >>> round(store.similarity_search_with_score("bears like honey", k=1)[0][1], 3)
        1.0
    """

    EUCLIDEAN_DISTANCE = "EUCLIDEAN_DISTANCE"
    MAX_INNER_PRODUCT = "MAX_INNER_PRODUCT"
    DOT_PRODUCT = "DOT_PRODUCT"
    COSINE = "COSINE"
