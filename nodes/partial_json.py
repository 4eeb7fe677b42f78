"""JSON that is not all there yet: what has come of it so far is a value already."""

from __future__ import annotations

import re
from typing import Any

from pydantic_core import from_json

_CUT_NUMBER = re.compile(r"(?<=\d)(?:\.|\.?\d*[eE][-+]?)\Z")


def parse_partial_json(text: str, *, strict: bool = False) -> Any:
    """The value of a JSON text of which the end may be missing.

    A text that is cut in a string gives what there is of it. A key without a value is left out, and so is a word such
    as `true` that is not whole. A number is taken as far as it goes.

    Args:
        text: the JSON so far.
        strict: refuse control characters, such as a line break, inside strings.

    Raises:
        ValueError: it isn't the beginning of JSON, or there is no value yet.

    Example:
        >>> parse_partial_json('{"name": "France", "cities": ["Par')
        {'name': 'France', 'cities': ['Par']}
    """
    return from_json(_CUT_NUMBER.sub("", text), allow_partial="trailing-strings")
