"""What a runnable can be seen as. The layer that shows things stands above this one, and is looked up when asked."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Viewed:
    """The part of `Runnable` that shows it."""

    def explain(self, *, analyze: Any = None, max_concurrency: int | None = None) -> Any:
        """How it will run: its segments, what each waits for, what runs at once, where threads and channels are.

        Args:
            analyze: a run of it, to show what was measured: a `RunRecorder` that stood in `callbacks`, a handle of
                `start`, a tracer's `Run`, a run log, or the path of a file that an `EventFile` has written.
            max_concurrency: the cap to explain it under.

        Returns:
            A `anabranch.viz.explanations.Explanation`: print it, or leave it to a console or a notebook to show it.
        """
        return import_module("anabranch.viz.explaining").explain(self, analyze=analyze, max_concurrency=max_concurrency)
