"""Whatever stands in a name, each format carries it."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anabranch.nodes import RunnableBranch, RunnableLambda, RunnableParallel
from anabranch.viz import draw
from anabranch.viz.labels import shortened

HOSTILE = {
    "quotes": "a \"quoted\" 'name' `code`",
    "newlines": "two\nlines\r\nand\ttabs",
    "html": '<b>bold</b> & <script>alert("1")</script> &amp; <BR/>',
    "all of it in angles": "<i>x</i>",
    "backslashes": r"\N \G \l C:\new",
    "braces": "{a|b} [c] (d) #1; %% --> ;",
    "emoji": "👩‍👩‍👧 family 🎉",
    "right to left": "שלום עולם مرحبا \u202eevil",
    "combining": "Z̷̡̢a͜͝lgo" * 20,
    "controls": "nul \x00 bell \x07 escape \x1b[31m delete \x7f",
    "no characters": "\ud800 \ufffe \uffff",
    "empty": "",
    "blank": "  ",
    "long": "x" * 10_000,
    "long and escaped": '\\"\n' * 5_000,
    "long in words": "ab " * 5_000,
    "keywords": "digraph { node -> edge } end subgraph graph",
}


def chain_of(name: str) -> Any:
    step: Any = RunnableLambda(len).with_config(run_name=name)
    inner = RunnableParallel({name: step, f"{name}2": step}, name=name) | step
    return inner | RunnableBranch((step, inner), inner.with_retry(), name=name)


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_every_format_carries_any_name(name: str) -> None:
    chain = chain_of(name)
    svg = draw(chain, "svg", types=True)
    written = "".join(ElementTree.fromstring(svg).itertext())
    assert shortened(name).strip().replace(" ", "") in written.replace("\xa0", "").replace(" ", "")
    assert draw(chain, "png").startswith(b"\x89PNG")
    assert draw(chain, "pdf").startswith(b"%PDF")
    for text in (draw(chain, "text"), draw(chain, "mermaid"), draw(chain, "dot"), svg):
        text.encode()
        assert not any(ord(character) < 32 and character not in "\n\t" for character in text)
    assert max(map(len, draw(chain, "text").splitlines())) < 1_000
    assert max(map(len, draw(chain, "mermaid").splitlines())) < 1_000
    if "\x00" in name or "\ud800" in name:
        return  # a pydantic model, which its nodes hold, can't be called so
    graph = chain.get_graph()
    assert graph.draw_ascii()
    assert graph.draw_mermaid_png().startswith(b"\x89PNG")
    graph.draw_mermaid().encode()


def test_the_whole_of_a_long_name_is_in_the_tooltip() -> None:
    name = "".join(f"{number} " for number in range(2_000)).strip()
    svg = draw(RunnableLambda(len).with_config(run_name=name))
    assert name in "".join(svg.replace("&#160;", " "))


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=60))
def test_any_text_goes_through_dot_into_xml(name: str) -> None:
    chain = RunnableLambda(len).with_config(run_name=name) | RunnableParallel({name: len})
    ElementTree.fromstring(draw(chain, "svg"))


@given(st.text(), st.integers(3, 50))
def test_a_shortened_name_is_one_line_and_no_longer(name: str, longest: int) -> None:
    made = shortened(name, longest)
    assert len(made) <= longest
    assert "\n" not in made
