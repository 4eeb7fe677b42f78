"""What there is of a JSON text is a value already."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from anabranch.nodes import parse_partial_json

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
)


@given(VALUES)
def test_a_whole_text_gives_its_value(value: object) -> None:
    assert parse_partial_json(json.dumps(value)) == value
