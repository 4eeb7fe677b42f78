"""What the page that shows a run is told: a short fact for each line of a record.

| `do` | and besides |
|---|---|
| `start` | `parent`, `name`, `type`, `input`; `part` and `level`, where it stands in the picture: elements of the SVG |
| `chunk` | `text` |
| `end` | `output`, and `input` |
| `error` | `error`, its type and text, and `input` |
| `say` | `name` and `text` of a custom event |

Each has its `run`, a number, and `at`, in seconds since the epoch. Values are text, and long ones are cut.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from anabranch.viz.dot_text import svg_ids
from anabranch.viz.pictures import Picture
from anabranch.viz.run_places import Finder, places_of, root_place
from anabranch.viz.step_runs import STOPS

LONGEST = 20_000
"""Characters of a value."""

LONGEST_NAME = 200

Fact = dict[str, Any]


@dataclass(slots=True)
class _Known:
    number: int
    inside: Finder | None


class Facts:
    """Makes facts of the lines of a record, in their order.

    Args:
        picture: of what ran, if there is one.
    """

    def __init__(self, picture: Picture | None = None) -> None:
        graph = None if picture is None else picture.graph
        self._tops = [] if graph is None else places_of(graph)
        self._elements = {} if picture is None else _elements(picture)
        self._runs: dict[str, _Known] = {}
        self._count = 0

    def of(self, line: dict[str, Any]) -> Fact | None:
        """The fact that a line tells; None where the page has no use for it."""
        event, id, data = line.get("event"), str(line["run_id"]), line["data"]
        if event is None:
            return None
        what = "say" if event == "on_custom_event" else event.rpartition("_")[2]
        if what == "start":
            return self._start(line, id)
        known = self._runs.get(id)
        if known is None:
            return None
        fact: Fact = {"run": known.number, "at": line.get("time")}
        if what == "stream":
            return {"do": "chunk", **fact, "text": text_of_chunk(data.get("chunk"))}
        if what == "say":
            return {"do": "say", **fact, "name": line["name"][:LONGEST_NAME], "text": text_of(data)}
        del self._runs[id]
        if "input" in data:
            fact["input"] = text_of(data["input"])
        if what == "error":
            error = data.get("error")
            stopped = isinstance(error, dict) and error.get("type") in STOPS
            return {"do": "error", **fact, "error": _error_text(error), "stopped": stopped}
        return {"do": "end", **fact, "output": text_of(data.get("output"))}

    def _start(self, line: dict[str, Any], id: str) -> Fact:
        parents = [self._runs[each] for each in line.get("parent_ids") or () if each in self._runs]
        around = parents[-1] if parents else None
        name, tags = str(line["name"]), line.get("tags") or ()
        if around is None:
            place = root_place(self._tops, name, tags)
        else:
            place = around.inside.take(name, tags) if around.inside is not None else None
        self._runs[id] = _Known(self._count, None if place is None else Finder(place.inside))
        self._count += 1
        fact: Fact = {"do": "start", "run": self._count - 1, "parent": around and around.number}
        fact |= {"at": line.get("time"), "name": name[:LONGEST_NAME], "type": line["event"][3:-6]}
        if place is not None and place.key in self._elements:
            fact["part"], fact["level"] = self._elements[place.key]
        if line["data"].get("input") is not None:
            fact["input"] = text_of(line["data"]["input"])
        return fact


def _elements(picture: Picture) -> dict[str, tuple[str, int]]:
    """For the key of a run the ids of elements in the SVG, and which of the runs it is that these stand for."""
    ids = svg_ids(picture)
    found = {key: ("", level) for level, key in enumerate(picture.keys)}
    for cluster in picture.clusters.values():
        element = ids[cluster.id, "cluster"]
        if cluster.id in picture.vertices:  # the point from which all in it goes out
            element += f" {ids[cluster.id, 'vertex']}"
        found |= {key: (element, level) for level, key in enumerate(cluster.keys)}
    for vertex in picture.vertices.values():
        element = ids[vertex.id, "vertex"]
        found |= dict.fromkeys(vertex.within, (element, 0))
        found |= {key: (element, level) for level, key in enumerate(vertex.keys)}
    return found


def text_of(value: Any) -> str:
    """A JSON value as text; a message or a prompt value as what it says."""
    if value is None:
        return ""
    said = _said(value)
    return cut(said if said is not None else json.dumps(value, ensure_ascii=False, indent=1))


def text_of_chunk(chunk: Any) -> str:
    """A chunk as text that makes sense when it follows that of the one before."""
    if chunk is None:
        return ""
    said = _said(chunk)
    return cut(said if said is not None else json.dumps(chunk, ensure_ascii=False) + "\n")


def _said(value: Any) -> str | None:
    """The text of what is a text, or a message."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and isinstance(value.get("content"), str) and "type" in value:
        return str(value["content"])
    return None


def _error_text(error: Any) -> str:
    if not isinstance(error, dict):
        return cut(str(error))
    message, kind = str(error.get("message") or ""), str(error.get("type") or "Exception")
    return cut(f"{kind}: {message}" if message else kind)


def cut(text: str) -> str:
    """A text, its end left out where it is too long."""
    more = len(text) - LONGEST
    return text if more <= 0 else f"{text[:LONGEST]}\n… and {more} more characters"
