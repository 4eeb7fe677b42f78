"""A picture as Mermaid, which GitHub and many editors show."""

from __future__ import annotations

from anabranch.viz.labels import clean, seconds, shortened
from anabranch.viz.pictures import Cluster, Edge, Picture, Seen, Vertex
from anabranch.viz.styles import LIGHT, look_of

SHAPES = {
    "chain": ("(", ")"),
    "prompt": (">", "]"),
    "model": ("{{", "}}"),
    "parser": ("[", "]"),
    "retriever": ("[(", ")]"),
    "tool": ("[[", "]]"),
    "choice": ("{", "}"),
    "input": ("([", "])"),
    "output": ("([", "])"),
    "join": ("((", "))"),
    "merge": ("((", "))"),
}
ARROWS = {"data": "-->", "choice": "-.->", "fallback": "-.->", "call": "-.->"}


def mermaid_of(picture: Picture, direction: str = "TB") -> str:
    """The picture as a Mermaid flowchart.

    Vertices are called `v0`, `v1` and so on in the order of the picture, clusters `c0`, `c1`.
    """
    return "\n".join(_Flowchart(picture, direction).lines()) + "\n"


class _Flowchart:
    """Writes the lines."""

    def __init__(self, picture: Picture, direction: str) -> None:
        self.picture = picture
        self.direction = direction
        self.vertices = {id: f"v{number}" for number, id in enumerate(picture.vertices)}
        self.clusters = {id: f"c{number}" for number, id in enumerate(picture.clusters)}
        self.used: set[str] = set()

    def lines(self) -> list[str]:
        """All lines."""
        title = shortened(self.picture.title, 80).replace('"', "'").replace("\\", "/")
        lines = ["---", f'title: "{title}"', "---"] if title else []
        lines += [f"flowchart {self.direction}", *(f"    %% {clean(note)}" for note in self.picture.notes)]
        inside: dict[str | None, list[Vertex | Cluster]] = {None: [], **{id: [] for id in self.picture.clusters}}
        for cluster in self.picture.clusters.values():
            if cluster.bare:
                inside[cluster.id] = inside[cluster.parent]
            else:
                inside[cluster.parent].append(cluster)
        for vertex in self.picture.vertices.values():
            inside[vertex.cluster].append(vertex)
        stack = [inside[None][::-1]]
        while stack:
            indent = "    " * min(len(stack), 20)
            if not stack[-1]:
                stack.pop()
                if stack:
                    lines.append(f"{indent[4:]}end")
                continue
            part = stack[-1].pop()
            if isinstance(part, Vertex):
                lines.append(indent + self._vertex(part))
            else:
                lines.append(f"{indent}subgraph {self.clusters[part.id]}[{self._cluster(part)}]")
                stack.append(inside[part.id][::-1])
        lines += [f"    {self._edge(edge)}" for edge in self.picture.edges]
        return [*lines, *self._styles()]

    def _vertex(self, vertex: Vertex) -> str:
        look = vertex.kind if vertex.kind in SHAPES else look_of(vertex.run_type)
        opening, closing = SHAPES[look]
        lines = [shortened(vertex.label)]
        about = list(vertex.policy)
        if vertex.kind == "step" and vertex.run_type not in ("", "chain"):
            about.insert(0, vertex.run_type.replace("_", " "))
        if vertex.kind == "fold":
            about.insert(0, f"{vertex.count:,} step{'s' * (vertex.count != 1)}")
        if vertex.kind == "again":
            about.insert(0, "drawn above")
        lines += filter(None, [" · ".join(about), *_seen(vertex)])
        style = vertex.state or (look if look in LIGHT.kinds else "plain")
        self.used.add(style)
        return f"{self.vertices[vertex.id]}{opening}{_quoted(lines)}{closing}:::{style}"

    def _cluster(self, cluster: Cluster) -> str:
        lines = [" · ".join(filter(None, [shortened(cluster.label, 60), *cluster.policy]))]
        return _quoted(lines if cluster.id in self.vertices else lines + _seen(cluster))  # a point tells the same

    def _edge(self, edge: Edge) -> str:
        source, target = self.vertices[edge.source], self.vertices[edge.target]
        lines = [shortened(edge.label)] if edge.label else []
        if edge.type:
            lines.append(shortened(edge.type))
        if edge.channel:
            lines.append("∞ chunks" if edge.channel < 0 else f"{edge.channel} chunks")
        if edge.misfit:
            lines.append("does not fit")
        arrow = "==>" if edge.thick else ARROWS[edge.kind]
        label = f"|{_quoted(lines)}|" if lines else ""
        return f"{source} {arrow}{label} {target}"

    def _styles(self) -> list[str]:
        paints = {**LIGHT.kinds, **LIGHT.states}
        return [
            f"    classDef {name} fill:{paint.fill},stroke:{paint.line},color:{LIGHT.ink}"
            for name, paint in paints.items()
            if name in self.used
        ]


def _seen(part: Seen) -> list[str]:
    """What a run shows."""
    if part.state is None:
        return []
    said = [part.state, "" if part.time is None else seconds(part.time), part.badge]
    return [" · ".join(filter(None, said)), *([shortened(part.note, 48)] if part.note else [])]


def _quoted(lines: list[str]) -> str:
    """A text in quotes in which Mermaid finds nothing special: all but letters, digits and spaces is escaped."""
    text = "<br/>".join("".join(map(_escaped, line)) for line in lines if line)
    return f'"{text or " "}"'


def _escaped(character: str) -> str:
    plain = character.isalnum() or character in " .,:-_=·…/?!'" or not character.isascii()
    return character if plain else f"#{ord(character)};"
