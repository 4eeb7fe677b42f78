"""What a user needs comes from `anabranch.nodes`, and asking for a part of it loads no more than that."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import anabranch.nodes
from anabranch import nodes

SOURCE = Path(anabranch.nodes.__file__ or "")


def test_every_name_can_be_had() -> None:
    assert list(nodes.__all__) == sorted(set(nodes.__all__), key=nodes.__all__.index)
    for name in nodes.__all__:
        assert getattr(nodes, name) is not None, name
    assert set(nodes.__all__) <= set(dir(nodes))


def test_what_is_imported_later_is_known_to_type_checkers() -> None:
    deferred = {
        name: f"anabranch.nodes.{module}" for module, names in nodes._DEFERRED.items() for name in names.split()
    }
    typed: dict[str, str | None] = {}
    for node in ast.parse(SOURCE.read_text(encoding="utf-8")).body:
        for each in node.body if isinstance(node, ast.If) else ():
            if isinstance(each, ast.ImportFrom):
                typed |= {alias.name: each.module for alias in each.names}
    assert typed == deferred
    assert set(deferred) <= set(nodes.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'anabranch.nodes' has no attribute 'Nothing'"):
        nodes.Nothing  # type: ignore[attr-defined] # noqa: B018
    with pytest.raises(ImportError):
        from anabranch.nodes import Nothing  # type: ignore[attr-defined] # noqa: F401


def test_importing_runnables_defines_no_pydantic_model() -> None:
    code = "from anabranch.nodes import RunnableLambda; import sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "anabranch.nodes.functions" in loaded
    models = {"anabranch.engine.schemas", "anabranch.nodes.serializable", "anabranch.nodes.messages", "pydantic.main"}
    assert not models.intersection(loaded)
