"""`draw`: a chain as a picture, in each format."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from anabranch.engine.errors import ConfigError, StepInputError
from anabranch.nodes import RunnableLambda, RunnablePassthrough
from anabranch.viz import RenderingError, draw, rendering

CHAIN = {"size": len, "text": RunnablePassthrough()} | RunnableLambda(repr)


def test_an_svg_is_a_fragment_for_a_page() -> None:
    svg = draw(CHAIN)
    assert svg.startswith('<svg class="anabranch"')
    assert "RunnablePassthrough" in svg


def test_pictures_are_written_by_the_ending_of_the_path(tmp_path: Path) -> None:
    for name, start in {"a.svg": b"<svg", "a.png": b"\x89PNG", "a.pdf": b"%PDF", "a.mmd": b"flowchart"}.items():
        draw(CHAIN, path=tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)


def test_where_there_is_no_graphviz_the_error_names_both_ways_and_has_the_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(rendering, "find_spec", lambda name: None)
    assert shutil.which("dot") is None
    with pytest.raises(RenderingError, match=r"pygraphviz.*anabranch\[viz\].*dot on PATH") as raised:
        draw(CHAIN)
    assert raised.value.dot == draw(CHAIN, "dot")
    assert "flowchart" in draw(CHAIN, "mermaid")


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(StepInputError, match="draw takes a runnable or its graph, or a run, got int"):
        draw(3)
    with pytest.raises(ConfigError, match="format must be one of svg, dot, mermaid, text, png, pdf, got 'gif'"):
        draw(CHAIN, "gif")  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match=r"give a format, or an ending of \.svg"):
        draw(CHAIN, path="picture.gif")
    with pytest.raises(ConfigError, match="depth must be an int of at least 0"):
        draw(CHAIN, depth=-1)
