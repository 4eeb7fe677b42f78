"""How well two colours can be told apart, as the web's guidelines for accessibility have it."""

from __future__ import annotations

import re

LEGIBLE = 4.5
"""The least for text."""


def contrast(one: str, other: str) -> float:
    """The ratio of two colours, each as `#1b1f24` or `rgb(27, 31, 36)`.

    >>> round(contrast("#ffffff", "rgb(0, 0, 0)"))
    21
    """
    low, high = sorted(map(_luminance, (one, other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    if colour.startswith("#"):
        numbers = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    else:
        numbers = [int(each) for each in re.findall(r"\d+", colour)[:3]]
    parts = [number / 255 for number in numbers]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
