"""What the tests of wrong input share: a look at a message, and things to be wrong about."""

from __future__ import annotations

from typing import Any

import pytest

from anabranch.nodes import Runnable, RunnableLambda

number: Any = 3
upper: Runnable[Any, Any] = RunnableLambda(lambda text: text.upper(), name="upper")


def says(error: pytest.ExceptionInfo[BaseException], *words: str) -> None:
    """See that a message has these words."""
    text = str(error.value)
    missing = [word for word in words if word not in text]
    assert not missing, f"{missing} not in: {text}"
