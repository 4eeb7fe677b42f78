"""A leaf of a user's own: the operator of a subclass, from the verbs that it wrote."""

from __future__ import annotations

from functools import partial
from typing import Any

from anabranch.engine.operators import Operator

FORMS = ("invoke", "ainvoke", "stream", "astream", "transform", "atransform", "batch", "abatch")


def operator_of(leaf: Any, base: type, kwargs: dict[str, Any]) -> Operator:
    """The operator of a runnable whose class overrides verbs of `base`.

    Raises:
        TypeError: when it overrides none.
    """
    written = {form: getattr(leaf, form) for form in FORMS if getattr(type(leaf), form) is not getattr(base, form)}
    if not written:
        raise TypeError(
            f"{type(leaf).__name__} has nothing to run: a subclass of Runnable writes `invoke` (or `ainvoke`), "
            "or `transform` (or `atransform`) if it maps chunks"
        )
    forms = {name: partial(form, **kwargs) if kwargs else form for name, form in written.items()}
    return Operator(name=leaf.get_name(), wants_config=True, **forms)
