"""Writes a run into the picture of its chain: states, times, chunks, attempts, errors and the critical path."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import fields
from itertools import pairwise

from anabranch.viz.critical_paths import critical_path
from anabranch.viz.pictures import Cluster, Edge, Part, Picture, Seen, State, Vertex
from anabranch.viz.step_runs import RunRecord, StepRun

_WORST: tuple[State, ...] = ("failed", "running", "cancelled", "done")

MOST_NOTE = 400


def show_run(picture: Picture, record: RunRecord) -> Picture:
    """Fill the state slots of a picture, and answer it.

    What several runs stand for (the inputs of a batch, the elements of a list) has the worst of their states, and their
    times together. What no run stands for was skipped; or it waits, as long as what is around it goes on.
    """
    by_key = record.by_key()
    parts: list[Part] = [*picture.clusters.values(), *picture.vertices.values()]
    runs = {id(part): by_key.get(part.keys[0], []) for part in parts if part.keys}
    critical = critical_path(record)
    on_path = critical.ids
    for part in parts:
        if found := runs.get(id(part)):
            _fill(part, found, [run for key in part.keys for run in by_key.get(key, ())])
            part.thick = any(run.id in on_path for run in found)
        elif part.keys:
            part.state = "waiting" if _may_come(part, picture, runs, record) else "skipped"
    _note_errors(picture, runs)
    for id_, vertex in picture.vertices.items():
        if not vertex.keys and (around := picture.clusters.get(id_)) is not None:  # the point of a call step
            for each in fields(Seen):
                setattr(vertex, each.name, getattr(around, each.name))
            runs[id(vertex)] = runs.get(id(around), [])
    _mark_path(picture, critical.runs, runs)
    return picture


Runs = dict[int, list[StepRun]]


def _fill(part: Seen, runs: list[StepRun], all_runs: list[StepRun]) -> None:
    states = {run.state for run in runs}
    part.state = next((state for state in _WORST if state in states), "done")
    times = [run.duration for run in runs if run.duration is not None]
    part.time = sum(times) if times else None
    part.badge = ", ".join(_said(runs, all_runs))


def _said(runs: list[StepRun], all_runs: list[StepRun]) -> Iterable[str]:
    if len(runs) > 1:
        bad = sum(run.state == "failed" for run in runs)
        yield f"{len(runs)} runs" if not bad else f"{bad} of {len(runs)} failed"
    chunks = max(sum(run.chunks or 0 for run in runs), sum(run.chunks or 0 for run in all_runs if run not in runs))
    if chunks:
        yield f"{chunks} chunk{'s' * (chunks > 1)}"
    if (attempts := max(run.attempts for run in runs)) > 1:
        yield f"{attempts} attempts"


def _may_come(part: Part, picture: Picture, runs: Runs, record: RunRecord) -> bool:
    """Whether what is around a part goes on."""
    for cluster in picture.around(part):
        if found := runs.get(id(cluster)):
            return any(run.state == "running" for run in found)
    return not record.is_over


def _note_errors(picture: Picture, runs: Runs) -> None:
    """Give the message of an error to where it came from, and not to all that failed with it."""
    drawn = {run.id for found in runs.values() for run in found}
    for part in (*picture.vertices.values(), *picture.clusters.values()):
        for run in runs.get(id(part), ()):
            below = [each for each in run.children if each.id in drawn]
            came_up = isinstance(part, Cluster) and any(each.error == run.error for each in below)
            if run.state == "failed" and not came_up:
                part.note = part.note or run.error[:MOST_NOTE]


def _mark_path(picture: Picture, path: list[StepRun], runs: Runs) -> None:
    """Make the arrows between the steps of the critical path thick."""
    after: dict[str, list[Edge]] = {}
    for edge in picture.edges:
        after.setdefault(edge.source, []).append(edge)
    vertex_of = {run.id: vertex for vertex in picture.vertices.values() for run in runs.get(id(vertex), ())}
    steps = [vertex_of[run.id] for run in path if run.id in vertex_of]
    if not steps:
        return
    ends = [vertex for vertex in picture.vertices.values() if vertex.kind in ("input", "output")]
    route = [*ends[:1], *steps, *ends[1:]]
    choices: list[Vertex] = []
    for source, target in pairwise(route):
        choices += [source] if source.kind == "choice" else []
        ways = (_way(picture, after, each, target) for each in (source, *reversed(choices)))
        for edge in next(filter(None, ways), ()):  # what a condition leads to may start at the point before it
            edge.thick = True


def _way(picture: Picture, after: dict[str, list[Edge]], source: Vertex, target: Vertex) -> list[Edge]:
    """The arrows from a step to another through what is no step: joins, choices, and where alternatives meet."""
    reached: dict[str, Edge] = {}
    queue = deque([source.id])
    while queue:
        for edge in after.get(queue.popleft(), ()):
            if edge.target in reached:
                continue
            reached[edge.target] = edge
            if edge.target == target.id:
                way = [edge]
                while way[-1].source != source.id:
                    way.append(reached[way[-1].source])
                return way
            if not picture.vertices[edge.target].keys:
                queue.append(edge.target)
    return []
