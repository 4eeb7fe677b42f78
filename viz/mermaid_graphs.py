"""The graph of `get_graph()` as Mermaid, in the form that LangChain gives it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from anabranch.nodes.drawable_graphs import Edge, Graph, Node
from anabranch.nodes.drawing_styles import NodeStyles
from anabranch.viz.labels import clean, one_line

_PLAIN = re.compile(r"[\w -]+", re.ASCII)


def mermaid_of_graph(
    graph: Graph, *, with_styles: bool, curve: str, styles: NodeStyles, words: int, settings: Mapping[str, Any]
) -> str:
    """The graph as Mermaid text; what the arguments mean stands at `Graph.draw_mermaid`."""
    named = graph.reid()
    lines = ["graph TD;", *_Flowchart(named, with_styles, words).lines()]
    if with_styles:
        config = settings.get("config", {})
        flowchart = {"curve": curve, **config.get("flowchart", {})}
        head = {**settings, "config": {**config, "flowchart": flowchart}}
        lines = ["---", *_yaml(head, ""), "---", *lines]
        lines += [f"\tclassDef {name} {getattr(styles, name)}" for name in ("default", "first", "last")]
    return "\n".join(lines) + "\n"


class _Flowchart:
    """Writes nodes and edges; those whose ids share a prefix stand in a frame."""

    def __init__(self, graph: Graph, with_styles: bool, words: int) -> None:
        self.words = max(words, 1)
        self.classes: dict[str, str] = {}
        first, last = graph.first_node(), graph.last_node()
        if first is not None:
            self.classes[first.id] = "first"
        if last is not None:
            self.classes[last.id] = "last"
        self.with_styles = with_styles
        self.nodes: dict[str, list[Node]] = {"": []}
        self.edges: dict[str, list[Edge]] = {"": []}
        self.frames: dict[str, list[str]] = {"": []}
        for node in graph.nodes.values():
            self._frame(_prefix(node.id)).append(node)
        for edge in graph.edges:
            common = _common(_prefix(edge.source), _prefix(edge.target))
            self._frame(common)
            self.edges.setdefault(common, []).append(edge)

    def _frame(self, prefix: str) -> list[Node]:
        """The nodes of a frame, which is made, with those around it, if it isn't there."""
        at = prefix
        while at not in self.nodes:
            self.nodes[at] = []
            self.frames.setdefault(at, [])
            self.frames.setdefault(_prefix(at), []).append(at)
            at = _prefix(at)
        return self.nodes[prefix]

    def lines(self, prefix: str = "") -> Iterator[str]:
        """The lines of a frame."""
        yield from map(self._node, self.nodes[prefix])
        yield from map(self._edge, self.edges.get(prefix, ()))
        for inner in self.frames[prefix]:
            yield f"\tsubgraph {_safe(inner.rpartition(':')[2])}"
            yield from self.lines(inner)
            yield "\tend"

    def _node(self, node: Node) -> str:
        label = _escaped(one_line(node.name.rpartition(":")[2] or node.name))
        if label.startswith(tuple("*_`")) and label.endswith(tuple("*_`")):
            label = f"<p>{label}</p>"
        if node.metadata:
            told = "\n".join(f"{_escaped(str(key))} = {_escaped(str(value))}" for key, value in node.metadata.items())
            label += f"<hr/><small><em>{told}</em></small>"
        kind = self.classes.get(node.id) if self.with_styles else None
        return f"\t{_safe(node.id)}([{label}]):::{kind}" if kind else f"\t{_safe(node.id)}({label})"

    def _edge(self, edge: Edge) -> str:
        plain, opening, closing = ("-.->", "-.", ".->") if edge.conditional else ("-->", "--", "-->")
        arrow = plain
        if edge.data is not None:
            words = _escaped(clean(str(edge.data))).split()
            rows = [" ".join(words[at : at + self.words]) for at in range(0, len(words), self.words)]
            arrow = f"{opening} &nbsp;{'&nbsp;<br>&nbsp;'.join(rows)}&nbsp; {closing}"
        return f"\t{_safe(edge.source)} {arrow} {_safe(edge.target)};"


def _prefix(id: str) -> str:
    return id.rpartition(":")[0]


def _common(a: str, b: str) -> str:
    """The prefix that two prefixes share."""
    shared: list[str] = []
    for left, right in zip(a.split(":"), b.split(":"), strict=False):
        if left != right:
            break
        shared.append(left)
    return ":".join(shared)


def _safe(id: str) -> str:
    """An id that Mermaid takes: any other character than a letter, digit, `_` or `-` is written by its number."""
    return re.sub(r"[^a-zA-Z0-9_-]", lambda found: f"\\{ord(found[0]):x}", id)


def _escaped(text: str) -> str:
    """A label in which Mermaid finds nothing special."""
    return re.sub(r"[\"'<>\[\](){}|#&;\\]", lambda found: f"#{ord(found[0])};", text)


def _yaml(settings: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield f"{indent}{key}:"
            yield from _yaml(value, indent + "  ")
        else:
            plain = isinstance(value, str) and _PLAIN.fullmatch(value)
            yield f"{indent}{key}: {value if plain else json.dumps(value)}"
