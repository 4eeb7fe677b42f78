"""The facts of a run as lines of text, for tests that compare all that was told, in its order."""

from __future__ import annotations

from typing import Any

from verbs import VERBS

from anabranch.engine.trace_laws import Recorder
from anabranch.nodes import Runnable, RunnableLambda

STREAMS = ("stream", "astream")


class Told(Recorder):
    """Keeps the facts of one run."""

    @property
    def order(self) -> list[str]:
        """What was told, in order: `started name`, `chunk name 'chunk'`, `ended name` ..."""
        return [" ".join([what, run.name, *map(repr, data)]) for what, run, data in self.facts]

    @property
    def ends(self) -> dict[str, tuple[Any, Any]]:
        """Of each run that has ended, by its name, the input and the output."""
        return {run.name: (run.input, run.output) for what, run, _ in self.facts if what == "ended"}

    @property
    def failures(self) -> dict[str, tuple[Any, BaseException | None]]:
        """Of each run that has failed, by its name, the input and the error."""
        return {run.name: (run.input, run.error) for what, run, _ in self.facts if what == "failed"}


def told_of(chain: Runnable[Any, Any], verb: str, value: Any = "x") -> tuple[Told, Any]:
    """What is told of a run, and what comes of it: its result, or the error that it raised."""
    told = Told()
    try:
        return told, VERBS[verb](chain, value, {"callbacks": [told]})
    except Exception as error:
        return told, error


def source_of(*chunks: Any) -> Runnable[Any, Any]:
    """A step named "source" that makes these chunks, and raises those of them that are errors."""

    def source(_: Any) -> Any:
        for chunk in chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    return RunnableLambda(source)
