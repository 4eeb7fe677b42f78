"""`get_graph()`: a chain as nodes and edges. What is expected was measured with langchain-core 1.7.2."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
from verbs import one_after_another

from anabranch.engine.errors import GraphError
from anabranch.nodes import (
    ChatPromptTemplate,
    CurveStyle,
    Edge,
    FakeListChatModel,
    Graph,
    Node,
    NodeStyles,
    PromptTemplate,
    Runnable,
    RunnableBranch,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    StrOutputParser,
    from_dag,
)
from anabranch.nodes.runnables import Input, Output

PROMPT = ChatPromptTemplate.from_template("Tell {a} {b}")
MODEL = FakeListChatModel(responses=["x"])


def words(text: Any) -> Any:
    return text.split()


def size(x: Any) -> Any:
    return len(x)


inner: Runnable[Any, Any] = RunnableLambda(words) | size


def calls(x: Any) -> Any:
    return inner.invoke(x)


def told(graph: Graph) -> tuple[str, str]:
    """The names of the nodes, and the edges by the numbers of their nodes."""
    numbers = {id: number for number, id in enumerate(graph.nodes)}
    edges = (f"{numbers[edge.source]}-{numbers[edge.target]}" for edge in graph.edges)
    return " ".join(node.name for node in graph.nodes.values()), " ".join(edges)


F: Runnable[Any, Any] = RunnableLambda(words)
G: Runnable[Any, Any] = RunnableLambda(size)
MEASURED: list[tuple[Any, str, str]] = [
    (F, "words_input words words_output", "0-1 1-2"),
    (RunnableLambda(lambda x: x), "LambdaInput Lambda LambdaOutput", "0-1 1-2"),
    (F | G, "words_input words size size_output", "0-1 2-3 1-2"),
    (
        PROMPT | MODEL | StrOutputParser(),
        "PromptInput ChatPromptTemplate FakeListChatModel StrOutputParser StrOutputParserOutput",
        "0-1 1-2 3-4 2-3",
    ),
    (
        RunnableParallel(a=words, b=RunnablePassthrough()),
        "Parallel<a,b>Input Parallel<a,b>Output words Passthrough",
        "0-2 2-1 0-3 3-1",
    ),
    (
        {"a": F | G, "b": {"c": size, "d": words}} | G,
        "Parallel<a,b>Input Parallel<a,b>Output words size Parallel<c,d>Input Parallel<c,d>Output size words size "
        "size_output",
        "2-3 0-2 3-1 4-6 6-5 4-7 7-5 0-4 5-1 8-9 1-8",
    ),
    (RunnableBranch((words, words), size), "BranchInput Branch BranchOutput", "0-1 1-2"),
    (
        RunnablePassthrough.assign(z=words) | PROMPT,
        "Parallel<z>Input Parallel<z>Output words Passthrough ChatPromptTemplate ChatPromptTemplateOutput",
        "0-2 2-1 0-3 3-1 4-5 1-4",
    ),
    (RunnableLambda(calls), "calls_input calls_output words size", "2-3 0-2 3-1"),
    ((F | G).with_retry() | G, "words_input words size size size_output", "0-1 1-2 3-4 2-3"),
    (F.with_fallbacks([G]), "words_input WithFallbacks words_output", "0-1 1-2"),
    ((F | G).map() | G, "words_input words size size size_output", "0-1 1-2 3-4 2-3"),
    (
        {"a": F} | RunnablePassthrough.assign(b=words, c=size) | {"d": G},
        "Parallel<a>Input words Parallel<b,c>Input Parallel<b,c>Output words size Passthrough Parallel<d>Output size",
        "0-1 2-4 4-3 2-5 5-3 2-6 6-3 1-2 8-7 3-8",
    ),
]


@one_after_another(("chain", "nodes", "edges"), MEASURED, ids=[each[1] for each in MEASURED])
def test_a_chain_has_the_nodes_and_edges_that_langchain_gives_it(chain: Any, nodes: str, edges: str) -> None:
    assert told(chain.get_graph()) == (nodes, edges)


def test_nodes_hold_runnables_and_schemas() -> None:
    graph = (F.with_config(metadata={"m": 1}) | G).get_graph()
    first, middle, *_ = graph.nodes.values()
    assert first.data.model_json_schema() == F.get_input_jsonschema()
    assert (middle.data, middle.metadata) == (F, {"m": 1})
    assert (graph.first_node(), graph.last_node()) == (first, list(graph.nodes.values())[-1])


def test_a_graph_is_told_as_json() -> None:
    made = RunnablePassthrough().get_graph().to_json()
    assert made["edges"] == [{"source": 0, "target": 1}, {"source": 1, "target": 2}]
    passthrough = {"id": ["anabranch", "nodes", "passthrough", "RunnablePassthrough"], "name": "Passthrough"}
    assert made["nodes"][:2] == [
        {"id": 0, "type": "schema", "data": "PassthroughInput"},
        {"id": 1, "type": "runnable", "data": passthrough},
    ]
    whole = PROMPT.get_graph().to_json(with_schemas=True)["nodes"][0]["data"]
    assert whole["properties"].keys() == {"a", "b"}


def test_prompts_are_found_wherever_they_stand() -> None:
    other = PromptTemplate.from_template("{x}")
    assert ({"a": PROMPT, "b": other | F} | G).get_prompts() == [PROMPT, other]


def test_a_graph_is_changed_by_hand() -> None:
    graph = Graph()
    a, b, c = (graph.add_node(int, id) for id in "abc")
    assert a == Node("a", "a", int, None)
    assert graph.add_edge(a, b) == Edge("a", "b", None, False)
    graph.add_edge(b, c, "then", conditional=True)
    assert graph.to_json()["edges"][1] == {"source": "b", "target": "c", "data": "then", "conditional": True}
    other = Graph()
    other.add_node(str, "x")
    assert other.extend(graph, prefix="p") == (a.copy(id="p:a"), c.copy(id="p:c"))
    assert list(other.nodes) == ["x", "p:a", "p:b", "p:c"]
    assert other.first_node() is None
    graph.trim_first_node()
    graph.trim_last_node()
    graph.trim_last_node()
    assert (list(graph.nodes), graph.edges) == (["b"], [])
    with pytest.raises(GraphError, match="there is a node with the id 'b' already"):
        graph.add_node(int, "b")
    with pytest.raises(GraphError, match="the source 'a' is no node of the graph"):
        graph.add_edge(a, b)


def test_random_ids_become_names() -> None:
    graph = Graph()
    for data in (int, int, str):
        graph.add_node(data)
    assert list(graph.reid().nodes) == ["int_1", "int_2", "str"]


def test_a_chain_that_mentions_itself_is_a_single_node_inside() -> None:
    def again(x: Any) -> Any:
        return chain if x else x

    chain = RunnableLambda(again) | G
    assert told(chain.get_graph())[0] == "again_input Sequence size size_output"


def test_a_dag_has_its_ports_on_the_edges() -> None:
    dag: nx.DiGraph[Any] = nx.DiGraph()
    for name in ("start", "left", "right", "end"):
        dag.add_node(name, runnable=lambda x: x)
    dag.add_edges_from([("start", "left"), ("start", "right")])
    dag.add_edge("left", "end", port="left")
    dag.add_edge("right", "end", port="right")
    graph = from_dag(dag).get_graph()
    assert {edge.data for edge in graph.edges} == {None, "left", "right"}


def test_a_runnable_of_somebodys_own_may_give_its_own_graph() -> None:
    class Own(Runnable[Input, Output]):
        def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
            return input

        def get_graph(self, config: Any = None) -> Graph:
            graph = Graph()
            graph.add_edge(graph.add_node(int, "one"), graph.add_node(int, "two"))
            return graph

    assert told((F | Own()).get_graph()) == ("words_input words two", "0-1 1-2")


MERMAID = """\
---
config:
  flowchart:
    curve: linear
---
graph TD;
	Parallel\\3ca\\2cb\\3eInput([Parallel#60;a,b#62;Input]):::first
	Parallel\\3ca\\2cb\\3eOutput(Parallel#60;a,b#62;Output)
	words(words)
	Passthrough(Passthrough)
	size(size)
	size_output([size_output]):::last
	Parallel\\3ca\\2cb\\3eInput --> words;
	words --> Parallel\\3ca\\2cb\\3eOutput;
	Parallel\\3ca\\2cb\\3eInput --> Passthrough;
	Passthrough --> Parallel\\3ca\\2cb\\3eOutput;
	size --> size_output;
	Parallel\\3ca\\2cb\\3eOutput --> size;
	classDef default fill:#f2f0ff,line-height:1.2
	classDef first fill-opacity:0
	classDef last fill:#bfb6fc
"""


def test_the_mermaid_text_is_langchains_with_labels_escaped() -> None:
    graph = ({"a": F, "b": RunnablePassthrough()} | G).get_graph()
    assert graph.draw_mermaid() == MERMAID


def test_mermaid_text_as_it_is_asked_for() -> None:
    graph = Graph()
    a = graph.add_node(int, "a b", metadata={"x": "<y>"})
    b = graph.add_node(int, 'p:c "q"')
    graph.add_edge(a, b, "one two three", conditional=True)
    made = graph.draw_mermaid(
        curve_style=CurveStyle.BASIS,
        node_colors=NodeStyles(first="fill:#f00"),
        wrap_label_n_words=2,
        frontmatter_config={"config": {"theme": "neutral", "themeVariables": {"primaryColor": "#e2e2e2"}}},
    )
    assert made == (
        "---\nconfig:\n  theme: neutral\n  themeVariables:\n"
        '    primaryColor: "#e2e2e2"\n  flowchart:\n    curve: basis\n---\ngraph TD;\n'
        "\ta\\20b([a b<hr/><small><em>x = #60;y#62;</em></small>]):::first\n"
        "\ta\\20b -. &nbsp;one two&nbsp;<br>&nbsp;three&nbsp; .-> p\\3ac\\20\\22q\\22;\n"
        "\tsubgraph p\n\tp\\3ac\\20\\22q\\22([c #34;q#34;]):::last\n\tend\n"
        "\tclassDef default fill:#f2f0ff,line-height:1.2\n\tclassDef first fill:#f00\n\tclassDef last fill:#bfb6fc\n"
    )
    assert ":::" not in graph.draw_mermaid(with_styles=False)


def test_a_graph_is_drawn_with_letters(capsys: pytest.CaptureFixture[str]) -> None:
    graph = ({"a": F, "b": RunnablePassthrough()} | G).get_graph()
    graph.print_ascii()
    assert capsys.readouterr().out == graph.draw_ascii() + "\n" == ASCII_OF_CHAIN
    assert graph.draw_ascii().isascii()


ASCII_OF_CHAIN = """\
+---------------------+
| Parallel<a,b>Input  |
+---------------------+
           |
    +------+-------+
    v              v
+-------+   +-------------+
| words |   | Passthrough |
+-------+   +-------------+
    |              |
    +------+       |
           +-------+
           v
+---------------------+
| Parallel<a,b>Output |
+---------------------+
           |
           v
       +-------+
       | size  |
       +-------+
           |
           v
    +-------------+
    | size_output |
    +-------------+
"""


def test_a_circle_is_drawn_too() -> None:
    graph = Graph()
    a, b = graph.add_node(int, "a"), graph.add_node(int, "b")
    graph.add_edge(a, b)
    graph.add_edge(b, a)
    graph.add_edge(a, a)
    assert "| a |" in graph.draw_ascii()
    assert Graph().draw_ascii() == ""


def test_a_graph_is_drawn_as_png(tmp_path: Path) -> None:
    graph = (F | G).get_graph()
    png = b"\x89PNG"
    assert graph.draw_mermaid_png(output_file_path=tmp_path / "a.png", background_color="transparent").startswith(png)
    assert graph.draw_png(tmp_path / "b.png", labels={"nodes": {"words": "Words"}}) is None
    assert (graph.draw_png(fontname="Courier") or b"").startswith(png)
    assert {(tmp_path / name).read_bytes()[:4] for name in ("a.png", "b.png")} == {png}


def test_a_notebook_shows_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = (F | G)._repr_mimebundle_()
    assert bundle["image/svg+xml"].startswith("<svg")
    assert bundle["text/plain"] == "input\nwords\nsize\noutput"
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    assert (F | G)._repr_mimebundle_().keys() == {"text/plain"}
