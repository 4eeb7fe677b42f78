"""The laws of copies: a pickled runnable, and a graph written as JSON, run as the original does."""

from __future__ import annotations

import json
import pickle
from typing import Any

from anabranch.engine.graph_json import graph_from_json, graph_to_json
from anabranch.engine.law_outcomes import outcome, same
from anabranch.nodes.runnables import Runnable
from anabranch.scheduler import blocking

AnyRunnable = Runnable[Any, Any]


def a_pickled_copy_gives_the_same(a: AnyRunnable, value: Any) -> None:
    """What `pickle` makes of it runs as it does."""
    copied: AnyRunnable = pickle.loads(pickle.dumps(a))
    found, wanted = outcome(copied.invoke, value), outcome(a.invoke, value)
    same("pickle.loads(pickle.dumps(a)).invoke(value)", found, "a.invoke(value)", wanted, value=value)


def a_graph_read_from_json_gives_the_same(a: AnyRunnable, value: Any) -> None:
    """Its graph, written as JSON and read again, runs as it does."""
    graph = graph_from_json(json.loads(json.dumps(graph_to_json(a.__graph__))))
    found = outcome(lambda: blocking.invoke(graph, value, None))
    same("its graph, from JSON,", found, "a.invoke(value)", outcome(a.invoke, value), value=value)


def why_not_pickled(a: AnyRunnable) -> str | None:
    """Why a runnable can't be pickled; None if it can."""
    try:
        pickle.loads(pickle.dumps(a))
    except Exception as error:
        return f"it can't be pickled: {error}"
    return None


def why_not_json(a: AnyRunnable) -> str | None:
    """Why its graph can't be written as JSON; None if it can."""
    try:
        graph_from_json(json.loads(json.dumps(graph_to_json(a.__graph__))))
    except Exception as error:
        return str(error).partition(":")[0]
    return None
