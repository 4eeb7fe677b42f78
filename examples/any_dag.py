"""Any networkx DAG as a runnable: the steps of a dinner, run as early as their inputs allow.

    python examples/any_dag.py

Dicts nest: they can't say that a step needs results from two branches that are needed elsewhere too. A graph can.
What takes longest is a question for networkx, asked of the same graph.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import networkx as nx

from anabranch.nodes import from_dag

MINUTE = 0.01  # seconds


def takes(minutes: int, result: Callable[[Any], str]) -> Callable[[Any], str]:
    """A step that takes so long."""

    def work(value: Any) -> str:
        time.sleep(minutes * MINUTE)
        return result(value)

    return work


def dinner() -> nx.DiGraph[str]:
    """Vertices hold what is to be done; edges carry the key under which a result arrives."""
    dag: nx.DiGraph[str] = nx.DiGraph()
    steps: dict[str, tuple[int, Callable[[Any], str]]] = {
        "shop": (5, lambda guests: f"food for {guests}"),
        "chop": (10, lambda food: f"chopped {food}"),
        "boil": (8, lambda food: "hot water"),
        "fry": (7, lambda chopped: f"fried {chopped}"),
        "pasta": (9, lambda got: f"pasta in {got['water']}"),
        "serve": (1, lambda got: f"{got['pasta']} with {got['sauce']}"),
    }
    for name, (minutes, result) in steps.items():
        dag.add_node(name, runnable=takes(minutes, result), minutes=minutes)
    dag.add_edges_from([("shop", "chop"), ("shop", "boil"), ("chop", "fry")])
    dag.add_edge("boil", "pasta", port="water")
    dag.add_edge("shop", "pasta", port="food")
    dag.add_edge("fry", "serve", port="sauce")
    dag.add_edge("pasta", "serve", port="pasta")
    return dag


def main() -> None:
    dag = dinner()
    minutes: dict[str, int] = {step: facts["minutes"] for step, facts in dag.nodes(data=True)}
    for start, end in dag.edges:
        dag.edges[start, end]["minutes"] = minutes[end]
    longest = nx.dag_longest_path(dag, weight="minutes")
    needed, work = sum(minutes[step] for step in longest), sum(minutes.values())

    chain = from_dag(dag, name="dinner")
    started = time.monotonic()
    print(chain.invoke(4))
    took = (time.monotonic() - started) / MINUTE
    print(f"the longest path is {' > '.join(longest)}: {needed} of {work} minutes")
    print(f"less than one after the other: {took < work}")
    print(f"the chain as a networkx graph: {chain.graph.dag}")


if __name__ == "__main__":
    main()
