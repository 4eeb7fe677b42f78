"""The graph of `get_graph()` drawn with letters: boxes in layers, and lines between them.

The method is Sugiyama's: each node goes one layer below the lowest of those before it; an edge that spans several
layers gets a bend in each; layers are put in an order with few crossings, and placed near what they are joined with.
Between two layers each source has a row of its own, along which its lines run to where they go down.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from unicodedata import combining, east_asian_width

import networkx as nx

from anabranch.nodes.drawable_graphs import Graph
from anabranch.viz.labels import shortened

GAP = 3
LONGEST = 60
SWEEPS = 8


def ascii_of(graph: Graph) -> str:
    """The graph in letters. Edges that close a circle are drawn as if they led the other way."""
    layers = _layers(graph)
    _order(layers)
    _place(layers)
    return _paint(layers)


@dataclass(eq=False, slots=True)
class _Box:
    """A node, or the bend of a long edge (which has no label)."""

    label: str | None
    width: int
    left: int = 0
    above: list[_Box] = field(default_factory=list)
    below: list[_Box] = field(default_factory=list)

    @property
    def middle(self) -> int:
        return self.left + self.width // 2


def _layers(graph: Graph) -> list[list[_Box]]:
    """The boxes, layer by layer, with bends where an edge passes through."""
    dag: nx.DiGraph[str] = nx.DiGraph()
    dag.add_nodes_from(graph.nodes)
    for edge in graph.edges:
        if edge.source != edge.target:
            dag.add_edge(edge.source, edge.target)
    _break_circles(dag)
    boxes = {}
    for id, node in graph.nodes.items():
        label = shortened(node.name, LONGEST)
        label += " " * (_width(label) % 2 == 0)  # so that every box has a middle
        boxes[id] = _Box(label, _width(label) + 4)
    depth: dict[str, int] = {}
    for id in nx.lexicographical_topological_sort(dag, key={id: at for at, id in enumerate(dag)}.__getitem__):
        depth[id] = max((depth[before] + 1 for before in dag.pred[id]), default=0)
    layers: list[list[_Box]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for id, at in depth.items():
        layers[at].append(boxes[id])
    for source, target in dag.edges:
        before = boxes[source]
        for at in range(depth[source] + 1, depth[target]):
            bend = _Box(None, 1)
            layers[at].append(bend)
            before = _join(before, bend)
        _join(before, boxes[target])
    return layers


def _join(above: _Box, below: _Box) -> _Box:
    above.below.append(below)
    below.above.append(above)
    return below


def _break_circles(dag: nx.DiGraph[str]) -> None:
    """Turn edges round until there is no circle."""
    while True:
        try:
            circle = nx.find_cycle(dag)
        except nx.NetworkXNoCycle:
            return
        source, target = circle[-1][:2]
        dag.remove_edge(source, target)
        if not dag.has_edge(target, source):
            dag.add_edge(target, source)


def _order(layers: list[list[_Box]]) -> None:
    """Put each box of a layer near the middle of what it is joined with."""
    place: dict[_Box, float] = {box: at for layer in layers for at, box in enumerate(layer)}

    def mean(boxes: list[_Box], otherwise: _Box) -> float:
        return sum(place[box] for box in boxes) / len(boxes) if boxes else place[otherwise]

    for sweep in range(SWEEPS):
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            layer.sort(key=lambda box: mean(box.above if sweep % 2 == 0 else box.below, box))
            place.update({box: at for at, box in enumerate(layer)})


def _place(layers: list[list[_Box]]) -> None:
    """Give each box its column: as near as can be to the middle of what it is joined with, in the layer's order."""
    for layer in layers:
        _spread(layer, [0] * len(layer))
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else layers[::-1]:
            wanted = []
            for box in layer:
                joined = (box.above if down else box.below) or [box]
                wanted.append(sum(each.middle for each in joined) // len(joined) - box.width // 2)
            _spread(layer, wanted)
    leftmost = min((box.left for layer in layers for box in layer), default=0)
    for layer in layers:
        for box in layer:
            box.left -= leftmost


def _spread(layer: list[_Box], wanted: Sequence[int]) -> None:
    """Place a layer in order without overlap, each box near its wish: what collides moves as a block, by its mean."""
    blocks: list[tuple[float, int, list[_Box]]] = []  # the wished left of a block, its boxes' count, and they
    for box, wish in zip(layer, wanted, strict=True):
        blocks.append((float(wish), 1, [box]))
        while len(blocks) > 1 and blocks[-2][0] + _length(blocks[-2][2]) + GAP > blocks[-1][0]:
            left, count, boxes = blocks.pop()
            before, others, first = blocks.pop()
            shifted = left - _length(first) - GAP
            mean = (before * others + shifted * count) / (others + count)
            blocks.append((mean, others + count, first + boxes))
    for left, _, boxes in blocks:
        at = round(left)
        for box in boxes:
            box.left = at
            at += box.width + GAP


def _length(boxes: list[_Box]) -> int:
    return sum(box.width for box in boxes) + GAP * (len(boxes) - 1)


def _paint(layers: list[list[_Box]]) -> str:
    lines: list[str] = []
    for at, layer in enumerate(layers):
        rows: list[dict[int, str]] = [{}, {}, {}]
        for box in layer:
            if box.label is None:
                for row in rows:
                    row[box.left] = "|"
            else:
                rows[0][box.left] = rows[2][box.left] = f"+{'-' * (box.width - 2)}+"
                rows[1][box.left] = f"| {box.label} |"
        lines += map(_line, rows)
        if at + 1 < len(layers):
            lines += _between(layer)
    return "\n".join(lines)


def _line(pieces: dict[int, str]) -> str:
    line, column = "", 0
    for left, piece in sorted(pieces.items()):
        line += " " * (left - column) + piece
        column = left + _width(piece)
    return line.rstrip()


def _between(layer: list[_Box]) -> list[str]:
    """The lines from a layer to the next: for each source that goes aside a row, and at the end the arrows."""
    aside = [box for box in layer if any(each.middle != box.middle for each in box.below)]
    down = {box.middle for box in layer if box.below}  # the columns in which lines go down just now
    rows: list[dict[int, str]] = [dict.fromkeys(down, "|")]
    for number, box in enumerate(aside):
        ends = [each.middle for each in box.below]
        row = dict.fromkeys(range(min(*ends, box.middle), max(*ends, box.middle) + 1), "-")
        row.update(dict.fromkeys(down - {box.middle}, "|"))
        row.update(dict.fromkeys([*ends, box.middle], "+"))
        rows.append(row)
        still = {each.middle for each in aside[number + 1 :]}
        straight = {other.middle for other in layer if other not in aside and other.below}
        landed = {each.middle for other in aside[: number + 1] for each in other.below}
        down = still | straight | landed
    targets = {each.middle: "v" if each.label is not None else "|" for box in layer for each in box.below}
    rows.append(targets)
    return [_line(row) for row in rows]


def _width(text: str) -> int:
    """Columns that a text takes in a terminal."""
    return sum(0 if combining(each) else 2 if east_asian_width(each) in "WF" else 1 for each in text)
