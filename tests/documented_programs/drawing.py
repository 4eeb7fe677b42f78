"""Graphs of chains: their nodes and edges, and how they are drawn."""

from __future__ import annotations

import contextlib
import io

from documented_programs.expected import gives


def _chain(L):
    return (
        {"context": L.RunnableLambda(lambda x: x).with_config(run_name="Docs"), "question": L.RunnablePassthrough()}
        | L.ChatPromptTemplate.from_template("{context} {question}")
        | L.FakeListChatModel(responses=["a"])
        | L.StrOutputParser()
    )


@gives(
    [
        [
            "ChatPromptTemplate",
            "FakeListChatModel",
            "Lambda",
            "Parallel<context,question>Input",
            "Parallel<context,question>Output",
            "Passthrough",
            "StrOutputParser",
            "StrOutputParserOutput",
        ],
        [
            ["ChatPromptTemplate", "FakeListChatModel"],
            ["FakeListChatModel", "StrOutputParser"],
            ["Lambda", "Parallel<context,question>Output"],
            ["Parallel<context,question>Input", "Lambda"],
            ["Parallel<context,question>Input", "Passthrough"],
            ["Parallel<context,question>Output", "ChatPromptTemplate"],
            ["Passthrough", "Parallel<context,question>Output"],
            ["StrOutputParser", "StrOutputParserOutput"],
        ],
    ]
)
def graph_nodes_and_edges(L):
    graph = _chain(L).get_graph()
    names = {key: node.name for key, node in graph.nodes.items()}
    return sorted(names.values()), sorted((names[edge.source], names[edge.target]) for edge in graph.edges)


@gives(["Passthrough", "ChatPromptTemplate", "StrOutputParser"])
def graph_printed(L):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        _chain(L).get_graph().print_ascii()
    return [name for name in ("Docs", "Passthrough", "ChatPromptTemplate", "StrOutputParser") if name in out.getvalue()]


@gives(
    [
        "---",
        "config:",
        "  flowchart:",
        "    curve: linear",
        "---",
        "graph TD;",
        "\tabs_input([abs_input]):::first",
        "\tabs(abs)",
        "\tstr(str)",
        "\tstr_output([str_output]):::last",
        "\tabs_input --> abs;",
        "\tstr --> str_output;",
        "\tabs --> str;",
        "\tclassDef default fill:#f2f0ff,line-height:1.2",
        "\tclassDef first fill-opacity:0",
        "\tclassDef last fill:#bfb6fc",
    ]
)
def graph_as_mermaid(L):
    return (L.RunnableLambda(abs) | str).get_graph().draw_mermaid().splitlines()


@gives(["abs_input", "str_output", 4, 3])
def graph_ends(L):
    graph = (L.RunnableLambda(abs) | str).get_graph()
    return graph.first_node().name, graph.last_node().name, len(graph.nodes), len(graph.edges)


@gives([["abs_input", "abs", "Branch", "BranchOutput"], [False, False, False]])
def graph_of_a_branch(L):
    def small(x):
        return x < 3

    branch = L.RunnableBranch((small, lambda x: "small"), lambda x: "great")
    graph = (L.RunnableLambda(abs) | branch).get_graph()
    return [node.name for node in graph.nodes.values()], [edge.conditional for edge in graph.edges]


@gives(["abs", "outer_input", "outer_output", "str"])
def graph_of_a_function_that_calls_a_chain(L):
    inner = L.RunnableLambda(abs) | L.RunnableLambda(str)

    def outer(x):
        return inner.invoke(x)

    return sorted(node.name for node in L.RunnableLambda(outer).get_graph().nodes.values())


@gives(["WithFallbacks", "abs_input", "str", "str_output"])
def graph_of_fallbacks_and_retries(L):
    chain = L.RunnableLambda(abs).with_fallbacks([L.RunnableLambda(float)]) | L.RunnableLambda(str).with_retry()
    return sorted(node.name for node in chain.get_graph().nodes.values())


@gives(["Parallel<a,b>Input", "Parallel<a,b>Output", "Passthrough", "len", "str"])
def graph_of_assign(L):
    chain = L.RunnablePassthrough.assign(a=L.RunnableLambda(len), b=L.RunnableLambda(str))
    return sorted(node.name for node in chain.get_graph().nodes.values())


@gives(["FakeListChatModelInput", "FakeListChatModel", "Lambda", "add", "add_output"])
def graph_of_a_model_and_a_tool(L):
    def add(a: int) -> int:
        """Adds."""
        return a + 1

    graph = (L.FakeListChatModel(responses=["a"]) | (lambda message: {"a": 1}) | L.tool(add)).get_graph()
    return [node.name for node in graph.nodes.values()]


@gives([["schema", "runnable", "runnable", "schema"], 3])
def graph_as_json(L):
    graph = (L.RunnableLambda(abs) | str).get_graph().to_json()
    return [node["type"] for node in graph["nodes"]], len(graph["edges"])
