"""What a user needs comes from `anabranch.nodes`, and asking for a part of it loads no more than that."""

from __future__ import annotations

import subprocess
import sys

import pytest
from exports_stub import STUB, stub

from anabranch import nodes


def test_every_name_can_be_had() -> None:
    assert len(nodes.__all__) == len(set(nodes.__all__)) == sum(len(names.split()) for names in nodes._EXPORTS.values())
    for name in nodes.__all__:
        assert getattr(nodes, name) is not None, name
    assert set(nodes.__all__) <= set(dir(nodes))


def test_type_checkers_know_what_is_exported_and_no_more() -> None:
    assert STUB.read_text(encoding="utf-8") == stub(), "call `make stub`"


def test_no_name_is_also_a_module_which_would_take_its_place() -> None:
    assert not {path.stem for path in STUB.parent.iterdir()}.intersection(nodes.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'anabranch.nodes' has no attribute 'Nothing'"):
        nodes.Nothing  # type: ignore[attr-defined] # noqa: B018
    with pytest.raises(ImportError):
        from anabranch.nodes import Nothing  # type: ignore[attr-defined] # noqa: F401


def test_importing_runnables_defines_no_pydantic_model() -> None:
    code = "from anabranch.nodes import RunnableLambda; import sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "anabranch.nodes.functions" in loaded
    models = ("anabranch.engine.schemas", "anabranch.nodes.serializable", "anabranch.nodes.messages", "pydantic.main")
    assert not set(models).intersection(loaded)
