"""Folds frames with very many parts that don't repeat themselves: what stands together in some layers becomes a box.

The layer of a unit is the length of the longest way to it inside its frame. Arrows lead from earlier layers to later
ones, so boxes that each take some layers make no circle.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import networkx as nx

from anabranch.viz.pictures import Picture
from anabranch.viz.units import Group, Unit, Units, grouped

MOST_UNITS = 60
"""Of a frame that are left as they are."""


def in_layers(picture: Picture) -> Picture:
    """The picture with boxes for some layers each, in frames with too many parts."""
    return grouped(picture, _boxes)


def _boxes(units: Units) -> Iterator[Group]:
    for frame, inside in units.of.items():
        if len(inside) > MOST_UNITS:
            yield from ((frame, box) for box in _boxes_of(units, inside) if len(box) > 1)


def _boxes_of(units: Units, inside: list[Unit]) -> list[list[Unit]]:
    """The units of a frame in boxes, as few layers to a box as will do."""
    ways: nx.DiGraph[Unit] = nx.DiGraph()
    ways.add_nodes_from(unit for unit in inside if not units.is_end(unit))
    for unit in list(ways):
        ways.add_edges_from((unit, after) for after in units.after[unit] if isinstance(after, tuple) and after in ways)
    order = {unit: at for at, unit in enumerate(inside)}
    layers = list(nx.topological_generations(ways))
    height, boxes = 1, [list(ways)]
    while height < len(layers):
        height *= 2
        bands = [
            sorted(chain.from_iterable(layers[first : first + height]), key=order.__getitem__)
            for first in range(0, len(layers), height)
        ]
        boxes = [
            sorted(box, key=order.__getitem__)
            for band in bands
            for box in nx.weakly_connected_components(ways.subgraph(band))
        ]
        if len(boxes) <= MOST_UNITS:
            return boxes
        if len(bands) <= MOST_UNITS // 4:
            return bands
    return boxes
