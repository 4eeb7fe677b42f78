"""What may be chosen when a graph of `get_graph()` is drawn: its lines, colours and labels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypedDict


class CurveStyle(Enum):
    """How Mermaid draws its lines: an argument of `draw_mermaid`.

    Example:
        >>> text = RunnableLambda(len).get_graph().draw_mermaid(curve_style=CurveStyle.STEP)
        >>> [line.strip() for line in text.splitlines() if "curve" in line]
        ['curve: step']
    """

    BASIS = "basis"
    BUMP_X = "bumpX"
    BUMP_Y = "bumpY"
    CARDINAL = "cardinal"
    CATMULL_ROM = "catmullRom"
    LINEAR = "linear"
    MONOTONE_X = "monotoneX"
    MONOTONE_Y = "monotoneY"
    NATURAL = "natural"
    STEP = "step"
    STEP_AFTER = "stepAfter"
    STEP_BEFORE = "stepBefore"


class MermaidDrawMethod(Enum):
    """Who made a picture of Mermaid text in LangChain. Here it is always made in this process.

    Example:
        >>> graph = RunnableLambda(len).get_graph()
        >>> graph.draw_mermaid_png(draw_method=MermaidDrawMethod.API)[1:4]
        b'PNG'
    """

    PYPPETEER = "pyppeteer"
    API = "api"


@dataclass
class NodeStyles:
    """Styles of nodes in Mermaid: of the first, the last, and all others, each as CSS.

    Example:
        >>> text = RunnableLambda(len).get_graph().draw_mermaid(node_colors=NodeStyles(first="fill:#ffdfba"))
        >>> [line.strip() for line in text.splitlines() if "classDef first" in line]
        ['classDef first fill:#ffdfba']
    """

    default: str = "fill:#f2f0ff,line-height:1.2"
    first: str = "fill-opacity:0"
    last: str = "fill:#bfb6fc"


class LabelsDict(TypedDict, total=False):
    """What to write in place of the names of nodes and the data of edges, in `draw_png`.

    Keys:
        nodes: for names of nodes.
        edges: for labels of edges.

    Example:
        >>> labels = LabelsDict(nodes={"len_input": "a text", "len_output": "its length"})
        >>> RunnableLambda(len).get_graph().draw_png(labels=labels)[1:4]
        b'PNG'
    """

    nodes: dict[str, str]
    edges: dict[str, str]
