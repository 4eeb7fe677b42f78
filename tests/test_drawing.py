"""`draw`: a chain as a picture, in each format."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from contrasts import LEGIBLE, contrast

from anabranch.engine.errors import ConfigError, StepInputError
from anabranch.nodes import RunnableLambda, RunnablePassthrough
from anabranch.viz import draw
from anabranch.viz.styles import DARK, LIGHT, Palette

CHAIN = {"size": len, "text": RunnablePassthrough()} | RunnableLambda(repr)


def test_an_svg_is_a_fragment_for_a_page() -> None:
    svg = draw(CHAIN)
    assert svg.startswith('<svg class="anabranch"')
    assert "RunnablePassthrough" in svg


def test_pictures_are_written_by_the_ending_of_the_path(tmp_path: Path) -> None:
    for name, start in {"a.svg": b"<svg", "a.png": b"\x89PNG", "a.pdf": b"%PDF", "a.mmd": b"flowchart"}.items():
        draw(CHAIN, path=tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)


BARE = """
import sys

class NoGraphviz:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pygraphviz":
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, NoGraphviz())
from anabranch.nodes import RunnableLambda
from anabranch.viz import RenderingError, RunRecorder, draw, timeline

chain, recorder = RunnableLambda(len) | str, RunRecorder()
chain.invoke("four", {"callbacks": [recorder]})
for format in ("svg", "png", "pdf"):
    try:
        draw(chain, format)
    except RenderingError as error:
        print("len" in error.dot, error)
for drawn in (draw(chain, "dot"), draw(chain, "mermaid"), draw(recorder, "text"), chain.get_graph().draw_mermaid()):
    assert "len" in drawn
assert "len" in timeline(recorder, "svg")
print(*chain._repr_mimebundle_())
"""


def test_where_there_is_no_graphviz_the_error_names_both_ways_and_has_the_dot() -> None:
    """In a process that has neither the program nor the package, so nothing is pretended."""
    made = subprocess.run([sys.executable, "-I", "-c", BARE], env={"PATH": ""}, capture_output=True, text=True)
    *refused, shown = made.stdout.splitlines()
    assert (made.stderr, shown) == ("", "text/plain")
    for line, format in zip(refused, ("svg", "png", "pdf"), strict=True):
        assert re.match(rf"True drawing {format} needs Graphviz: .*pygraphviz.*anabranch\[viz\].*dot on PATH", line)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_all_that_is_written_can_be_read(palette: Palette) -> None:
    told = [paint for state, paint in palette.states.items() if state not in ("waiting", "skipped")]
    written = [(ink, paper) for ink in (palette.ink, palette.faint) for paper in (palette.paper, palette.inside)]
    written += [(ink, paint.fill) for ink in (palette.ink, palette.faint) for paint in palette.kinds.values()]
    written += [(ink, paint.fill) for paint in told for ink in (palette.ink, palette.faint, paint.line)]
    written += [(paint.line, palette.inside) for paint in told]  # at frames
    assert min(contrast(*each) for each in [*written, (palette.wrong, palette.paper)]) >= LEGIBLE


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(StepInputError, match="draw takes a runnable or its graph, or a run, got int"):
        draw(3)
    with pytest.raises(ConfigError, match="format must be one of svg, dot, mermaid, text, png, pdf, got 'gif'"):
        draw(CHAIN, "gif")  # type: ignore[call-overload]
    with pytest.raises(ConfigError, match=r"give a format, or an ending of \.svg"):
        draw(CHAIN, path="picture.gif")
    with pytest.raises(ConfigError, match="depth must be an int of at least 0"):
        draw(CHAIN, depth=-1)
