"""What the laws say of a node, law by law; where one is broken, with code that shows it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from anabranch.engine import chunk_laws, trace_laws, verb_laws
from anabranch.engine.law_outcomes import LawBroken, Side
from anabranch.nodes.checking.law_table import NodeLaw
from anabranch.nodes.checking.printing_programs import ProgramScript
from anabranch.nodes.runnables import Runnable

_HELD_BY = {
    "fold": "anabranch.nodes",
    "afold": "anabranch.nodes",
    "each_of": chunk_laws.__name__,
    "in_order": verb_laws.__name__,
    "Recorder": trace_laws.__name__,
}
"""Where the functions stand that the code of a law uses."""


class Status(Enum):
    """What became of a law."""

    HELD = "held"
    REFUTED = "refuted"
    DECLARED_OUT = "declared out"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Verdict:
    """What is to be said of a node and one law.

    Attributes:
        law: its name.
        text: the law in English.
        status: what became of it.
        examples: how many it was checked with.
        reason: why it was not checked; or, where it is broken, how.
        counterexample: Python that shows how it is broken.
        twin: the law of the synchronous verbs that is broken in the same way.
    """

    law: str
    text: str
    status: Status
    examples: int = 0
    reason: str = ""
    counterexample: str = ""
    twin: str = ""


@dataclass(frozen=True)
class LawReport:
    """What the laws say of a node. Its `str` is a text for people.

    Attributes:
        node: what was checked, as it shows itself.
        verdicts: one a law, in the order of the laws.
    """

    node: str
    verdicts: tuple[Verdict, ...]

    @property
    def refuted(self) -> list[Verdict]:
        """Those of the laws that are broken."""
        return self._with(Status.REFUTED)

    @property
    def ok(self) -> bool:
        """Whether none is."""
        return not self.refuted

    def __getitem__(self, law: str) -> Verdict:
        """The verdict on a law, by name."""
        return {verdict.law: verdict for verdict in self.verdicts}[law]

    def __repr__(self) -> str:
        return f"<{self.summary}>"

    def __str__(self) -> str:
        lines = [self.summary, ""]
        for verdict in self.verdicts:
            said = f": {verdict.reason}" if verdict.reason and verdict.status is not Status.REFUTED else ""
            lines.append(f"  {verdict.status.value:<14}  {verdict.law}{said}")
        return "\n".join([*lines, *(f"\n{told(verdict)}" for verdict in self.refuted)])

    @property
    def summary(self) -> str:
        """How many laws became what, on a line."""
        counts = [(status, len(self._with(status))) for status in Status]
        return f"{self.node}: " + ", ".join(
            f"{count} {status.value}" for status, count in counts if count or status is Status.HELD
        )

    @property
    def failures(self) -> str:
        """What is broken, and how, for an error."""
        laws = "a law" if len(self.refuted) == 1 else f"{len(self.refuted)} laws"
        return "\n\n".join([f"{self.node} breaks {laws}.", *map(told, self.refuted)])

    def _with(self, status: Status) -> list[Verdict]:
        return [verdict for verdict in self.verdicts if verdict.status is status]


def told(verdict: Verdict) -> str:
    """A broken law: its name, its text, how it is broken, and the code."""
    if verdict.twin:
        return f"{verdict.law} is refuted, in the same way as {verdict.twin}."
    return f"{verdict.law} is refuted.\nThe law: {verdict.text}\nHere {verdict.reason}.\n\n{verdict.counterexample}"


def broken(law: NodeLaw, arguments: tuple[Any, ...], error: BaseException) -> tuple[str, str]:
    """How a law is broken, in a sentence and as code that can be pasted."""
    names = list(inspect.signature(law.function).parameters)
    given = dict(zip(names, arguments, strict=False))
    script = ProgramScript()
    for name, value in given.items():
        script.assign(name, value) if name != "parallel" else script.lines.append(
            f"parallel = {script.function(value)}"
        )
    script.lines.append("")
    sides = error.sides if isinstance(error, LawBroken) else None
    if sides is not None and not any(re.search(r"[ ,]$| (the|of|before|again)\b", side.code) for side in sides):
        _compare(script, sides)
    else:
        _call(script, law, names[: len(arguments)], error)
    text = str(error) if isinstance(error, AssertionError) else f"it raised {error!r}"
    return shortened(text), str(script)


def _compare(script: ProgramScript, sides: Iterable[Side]) -> None:
    """Both sides as code, with what came of each."""
    for name, side in zip(("one", "other"), sides, strict=True):
        code = side.code
        for used, module in _HELD_BY.items():
            if re.search(rf"\b{used}\(", code):
                script.takes(module, used)
        if "pickle." in code:
            script.takes("pickle")
        if code.startswith("await ") and code.count("await ") == 1:
            script.takes("asyncio")
            code = f"asyncio.run({code.removeprefix('await ')})"
        elif "await " in code or "async for" in code:
            script.takes("asyncio")
            script.lines += [f"async def {name}_of():", f"    return {code}", ""]
            code = f"asyncio.run({name}_of())"
        came = shortened(str(side.outcome)) if side.outcome.error is None else f"raises {side.outcome.error!r}"
        script.lines.append(f"{name} = {code}  # {' '.join(came.split())}")
    script.lines.append("assert one == other")


def _call(script: ProgramScript, law: NodeLaw, names: list[str], error: BaseException) -> None:
    """The law itself, called."""
    module = "anabranch.nodes.laws"
    script.takes(module, law.name)
    call = f"{law.name}({', '.join(names)})"
    if inspect.iscoroutinefunction(law.function):
        script.takes("asyncio")
        call = f"asyncio.run({call})"
    script.lines.append(f"{call}  # raises {type(error).__name__}")


def shortened(text: str, most: int = 400) -> str:
    """A text that is not too long to read."""
    return text if len(text) <= most else f"{text[: most - 4]} ..."


def shown(node: Runnable[Any, Any]) -> str:
    """A node in a line of a report."""
    return shortened(repr(node), 80)
