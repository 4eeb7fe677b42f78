"""What a runnable can be seen as. The layer that shows things stands above this one, and is looked up when asked.

A picture is asked for at run time, when all layers are there; the import stands in a call, so that no layer depends on
one above it, and programs that show nothing load nothing of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from anabranch.engine.config import RunnableConfig
from anabranch.nodes.deferred import drawable_chains, prompt_templates

if TYPE_CHECKING:
    from anabranch.nodes.drawable_graphs import Graph
    from anabranch.nodes.prompts.prompt_templates import BasePromptTemplate
    from anabranch.nodes.runnables import Runnable


class Viewed:
    """The part of `Runnable` that shows it."""

    def get_graph(self, config: RunnableConfig | None = None) -> Graph:
        """What it is made of, as nodes and edges, to be walked and drawn.

        The graph that runs is `graph`; `anabranch.viz.draw` draws that one.

        Args:
            config: where config changes what runs, that which it chooses is told of.
        """
        return drawable_chains.drawable_graph(cast("Runnable[Any, Any]", self), config)

    def get_prompts(self, config: RunnableConfig | None = None) -> list[BasePromptTemplate]:
        """The prompts that it is made of. For the argument see `get_graph`."""
        parts = (node.data for node in self.get_graph(config).nodes.values())
        return [part for part in parts if isinstance(part, prompt_templates.BasePromptTemplate)]

    def explain(self, *, analyze: Any = None, max_concurrency: int | None = None) -> Any:
        """How it will run: its segments, what each waits for, what runs at once, where threads and channels are.

        Args:
            analyze: a run of it, to show what was measured: a `RunRecorder` that stood in `callbacks`, a handle of
                `start`, a tracer's `Run`, a run log, or the path of a file that an `EventFile` has written.
            max_concurrency: the cap to explain it under.

        Returns:
            A `anabranch.viz.explanations.Explanation`: print it, or leave it to a console or a notebook to show it.
        """
        return viewer("explaining", "explain")(self, analyze=analyze, max_concurrency=max_concurrency)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Its picture, in a notebook; where nothing can render one, an outline."""
        return cast(dict[str, str], viewer("notebooks", "mime_bundle")(self))


def viewer(module: str, function: str) -> Any:
    """A function of `anabranch.viz`."""
    return getattr(import_module(f"anabranch.viz.{module}"), function)
