"""What `get_graph()` gives: a chain as nodes and edges, to be walked, changed and drawn.

It says what a chain is made of, in LangChain's form. The graph that runs is `runnable.graph`, which
`anabranch.viz.draw` draws.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from uuid import UUID

from anabranch.engine.errors import GraphError
from anabranch.engine.runs import new_id
from anabranch.nodes.drawing_styles import CurveStyle, LabelsDict, MermaidDrawMethod, NodeStyles
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.views import viewer

if TYPE_CHECKING:
    from os import PathLike


class Node(NamedTuple):
    """A node: a runnable, or the schema of an input or output.

    Attributes:
        id: what edges know it by.
        name: what is drawn.
        data: the runnable, or the pydantic model; None for a node made by hand.
        metadata: whatever was said of it.

    Example:
        >>> node = Graph().add_node(RunnableLambda(len), id="size", metadata={"cost": 1})
        >>> node.name, node.data, node.metadata
        ('size', RunnableLambda(len), {'cost': 1})
    """

    id: str
    name: str
    data: Any
    metadata: dict[str, Any] | None = None

    def copy(self, *, id: str | None = None, name: str | None = None) -> Node:
        """The same with another id or name."""
        return self._replace(id=id or self.id, name=name or self.name)


class Edge(NamedTuple):
    """An edge between two nodes.

    Attributes:
        source, target: the ids of the nodes.
        data: its label.
        conditional: whether it may not be taken.

    Example:
        >>> graph = (RunnableLambda(len) | str).get_graph().reid()
        >>> sorted((edge.source, edge.target) for edge in graph.edges)
        [('len', 'str'), ('len_input', 'len'), ('str', 'str_output')]
    """

    source: str
    target: str
    data: Any = None
    conditional: bool = False

    def copy(self, *, source: str | None = None, target: str | None = None) -> Edge:
        """The same between other nodes."""
        return self._replace(source=source or self.source, target=target or self.target)


@dataclass
class Graph:
    """Nodes by id, and edges.

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> graph = (RunnableLambda(len) | str).get_graph()
        >>> [node.name for node in graph.nodes.values()]
        ['len_input', 'len', 'str', 'str_output']
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.nodes)

    # To change it

    def next_id(self) -> str:
        """An id that no node has."""
        return new_id().hex

    def add_node(self, data: Any, id: str | None = None, *, metadata: dict[str, Any] | None = None) -> Node:
        """Add a node for a runnable or a schema.

        Args:
            data: the runnable, or the class.
            id: by default a random one; any other is the node's name as well.
            metadata: whatever is to be known of it.

        Raises:
            GraphError: a `ValueError`, when there is a node of that id.
        """
        if id is not None and id in self.nodes:
            raise GraphError(f"there is a node with the id {id!r:.80} already")
        node_id = id or self.next_id()
        node = Node(node_id, _name_of(node_id, data), data, metadata)
        self.nodes[node_id] = node
        return node

    def remove_node(self, node: Node) -> None:
        """Remove a node, and the edges that touch it."""
        self.nodes.pop(node.id)
        self.edges = [edge for edge in self.edges if node.id not in (edge.source, edge.target)]

    def add_edge(self, source: Node, target: Node, data: Any = None, conditional: bool = False) -> Edge:
        """Add an edge.

        Raises:
            GraphError: a `ValueError`, when one of the nodes isn't in the graph.
        """
        for node, which in ((source, "source"), (target, "target")):
            if node.id not in self.nodes:
                raise GraphError(f"the {which} {node.id!r:.80} is no node of the graph; add it first")
        edge = Edge(source.id, target.id, data, conditional)
        self.edges.append(edge)
        return edge

    def extend(self, graph: Graph, *, prefix: str = "") -> tuple[Node | None, Node | None]:
        """Add the nodes and edges of another graph, and answer its first and last node, as they are here.

        Args:
            graph: the other graph.
            prefix: stands before its ids, with a colon. Nodes of one prefix are drawn in a frame.
        """
        if all(_is_uuid(id) for id in graph.nodes):
            prefix = ""

        def prefixed(id: str) -> str:
            return f"{prefix}:{id}" if prefix else id

        self.nodes.update({prefixed(id): node.copy(id=prefixed(id)) for id, node in graph.nodes.items()})
        self.edges += [edge.copy(source=prefixed(edge.source), target=prefixed(edge.target)) for edge in graph.edges]
        first, last = graph.first_node(), graph.last_node()
        return (
            first.copy(id=prefixed(first.id)) if first else None,
            last.copy(id=prefixed(last.id)) if last else None,
        )

    def reid(self) -> Graph:
        """The same with names for ids; nodes of one name are numbered."""
        names = {id: node.name if _is_uuid(id) else id for id, node in self.nodes.items()}
        counts = Counter(names.values())
        numbers: Counter[str] = Counter()
        ids: dict[str, str] = {}
        for id, name in names.items():
            numbers[name] += 1
            ids[id] = name if counts[name] == 1 else f"{name}_{numbers[name]}"
        return Graph(
            {ids[id]: node.copy(id=ids[id]) for id, node in self.nodes.items()},
            [edge.copy(source=ids[edge.source], target=ids[edge.target]) for edge in self.edges],
        )

    # To walk it

    def first_node(self) -> Node | None:
        """The only node into which no edge leads; None where there are several."""
        return self._only({edge.target for edge in self.edges})

    def last_node(self) -> Node | None:
        """The only node from which no edge leads; None where there are several."""
        return self._only({edge.source for edge in self.edges})

    def _only(self, excluded: set[str]) -> Node | None:
        found = [node for id, node in self.nodes.items() if id not in excluded]
        return found[0] if len(found) == 1 else None

    def trim_first_node(self) -> None:
        """Remove the first node, if a single edge leads from it."""
        first = self.first_node()
        if first is not None and sum(edge.source == first.id for edge in self.edges) == 1:
            self.remove_node(first)

    def trim_last_node(self) -> None:
        """Remove the last node, if a single edge leads to it."""
        last = self.last_node()
        if last is not None and sum(edge.target == last.id for edge in self.edges) == 1:
            self.remove_node(last)

    def to_json(self, *, with_schemas: bool = False) -> dict[str, list[dict[str, Any]]]:
        """The graph as plain data: `nodes` and `edges`. Random ids become numbers.

        Args:
            with_schemas: write out the JSON schemas, of which otherwise only the names are told.
        """
        ids: dict[str, Any] = {id: number if _is_uuid(id) else id for number, id in enumerate(self.nodes)}
        nodes: list[dict[str, Any]] = []
        for node in self.nodes.values():
            told = {"id": ids[node.id], **_data_of(node, with_schemas)}
            nodes.append(told if node.metadata is None else {**told, "metadata": node.metadata})
        edges: list[dict[str, Any]] = []
        for edge in self.edges:
            link: dict[str, Any] = {"source": ids[edge.source], "target": ids[edge.target]}
            if edge.data is not None:
                link["data"] = edge.data
            if edge.conditional:
                link["conditional"] = True
            edges.append(link)
        return {"nodes": nodes, "edges": edges}

    # To see it

    def draw_ascii(self) -> str:
        """The graph drawn with letters."""
        return cast(str, viewer("ascii_art", "ascii_of")(self))

    def print_ascii(self) -> None:
        """Print it drawn with letters."""
        print(self.draw_ascii())

    def draw_mermaid(
        self,
        *,
        with_styles: bool = True,
        curve_style: CurveStyle = CurveStyle.LINEAR,
        node_colors: NodeStyles | None = None,
        wrap_label_n_words: int = 9,
        frontmatter_config: Mapping[str, Any] | None = None,
    ) -> str:
        """The graph as Mermaid text.

        Args:
            with_styles: with colours, and with the settings at its head.
            curve_style: how lines run.
            node_colors: the colours.
            wrap_label_n_words: begin a new line in the label of an edge after so many words.
            frontmatter_config: more settings for the head, such as `{"config": {"theme": "neutral"}}`.
        """
        text = viewer("mermaid_graphs", "mermaid_of_graph")(
            self,
            with_styles=with_styles,
            curve=curve_style.value,
            styles=node_colors or NodeStyles(),
            words=wrap_label_n_words,
            settings=frontmatter_config or {},
        )
        return cast(str, text)

    def draw_mermaid_png(
        self,
        *,
        curve_style: CurveStyle = CurveStyle.LINEAR,
        node_colors: NodeStyles | None = None,
        wrap_label_n_words: int = 9,
        output_file_path: str | PathLike[str] | None = None,
        draw_method: MermaidDrawMethod = MermaidDrawMethod.API,
        background_color: str = "white",
        padding: int = 10,
        **ignored: Any,
    ) -> bytes:
        """The graph as PNG.

        Nothing is sent anywhere: the picture is made by Graphviz in this process, with the same nodes, labels and
        frames as the Mermaid text. What only says how Mermaid or a service would make it is taken and ignored.

        Args:
            curve_style, node_colors, draw_method, ignored: ignored.
            wrap_label_n_words: begin a new line in the label of an edge after so many words.
            output_file_path: a file to write it to, besides.
            background_color: of the paper.
            padding: around the picture, in pixels.

        Raises:
            RenderingError: when there is no Graphviz; see `anabranch.viz`.
        """
        png = viewer("graph_pictures", "png_of")
        made: bytes = png(self, words=wrap_label_n_words, paper=background_color, padding=padding)
        if output_file_path is not None:
            Path(output_file_path).write_bytes(made)
        return made

    def draw_png(
        self,
        output_file_path: str | PathLike[str] | None = None,
        fontname: str | None = None,
        labels: LabelsDict | None = None,
    ) -> bytes | None:
        """The graph as PNG.

        Args:
            output_file_path: where to write it; then nothing is returned.
            fontname: of the labels.
            labels: what to write in place of the names of nodes and the data of edges.

        Raises:
            RenderingError: when there is no Graphviz; see `anabranch.viz`.
        """
        made: bytes = viewer("graph_pictures", "png_of")(self, font=fontname, labels=labels or {})
        if output_file_path is None:
            return made
        Path(output_file_path).write_bytes(made)
        return None


def _name_of(id: str, data: Any) -> str:
    """An id that isn't random is a name; otherwise that of the runnable or class, without the common beginning."""
    if data is None or not _is_uuid(id):
        return id
    name = data.get_name() if isinstance(data, Runnable) else getattr(data, "__name__", None) or repr(data)[:80]
    return name.removeprefix("Runnable") or name


def _data_of(node: Node, with_schemas: bool) -> dict[str, Any]:
    data = node.data
    if isinstance(data, Runnable):
        cls = type(data)
        return {"type": "runnable", "data": {"id": [*cls.__module__.split("."), cls.__name__], "name": node.name}}
    if inspect.isclass(data) and hasattr(data, "model_json_schema"):
        return {"type": "schema", "data": data.model_json_schema() if with_schemas else node.name}
    return {"type": "unknown", "data": node.name}


def _is_uuid(id: str) -> bool:
    try:
        UUID(id)
    except ValueError:
        return False
    return True
