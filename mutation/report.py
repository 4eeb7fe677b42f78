"""The report: how many mutants were killed, by which share, and why the others live."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mutation.trials import Verdict

KINDS = {
    "equivalent": "nothing that a caller can see differs",
    "performance": "the same comes out, sooner or later",
    "wording": "only the text of a message differs",
    "defence": "guards what no test can bring about",
    "untested": "a test is missing",
    "since": "a test was written after the sample had been tried, which would kill it; it doesn't count",
}


def interval(hits: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a share, by default the one that holds the true share 95 times of 100."""
    if not of:
        return 0.0, 1.0
    share = hits / of
    middle = share + z * z / (2 * of)
    spread = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (middle - spread) / (1 + z * z / of), (middle + spread) / (1 + z * z / of)


def read_reasons(path: Path) -> Mapping[str, tuple[str, str]]:
    """Why each survivor lives, by its name: a kind and a sentence."""
    if not path.exists():
        return {}
    found: dict[str, tuple[str, str]] = {}
    for name, entry in tomllib.loads(path.read_text()).items():
        if entry["kind"] not in KINDS:
            raise SystemExit(f"{path}: the kind of {name} is {entry['kind']!r}, not one of {', '.join(KINDS)}")
        found[name] = (entry["kind"], entry["why"])
    return found


def summary(verdicts: Iterable[Verdict]) -> str:
    """One line: how many of them were killed."""
    verdicts = list(verdicts)
    killed = sum(verdict.killed for verdict in verdicts)
    low, high = interval(killed, len(verdicts))
    share = killed / len(verdicts) if verdicts else 0
    return f"{killed} of {len(verdicts)} killed, {share:.1%} (95 % interval {low:.1%} to {high:.1%})"


def page(verdicts: list[Verdict], population: int, sample: str, reasons: Mapping[str, tuple[str, str]]) -> str:
    """The results in Markdown, without the page's introduction."""
    return "\n".join(
        [*_totals(verdicts, population, sample, reasons), *_table(verdicts), *_survivors(verdicts, reasons)]
    )


def _totals(
    verdicts: list[Verdict], population: int, sample: str, reasons: Mapping[str, tuple[str, str]]
) -> Iterator[str]:
    alive = [verdict for verdict in verdicts if not verdict.killed]
    same = [verdict for verdict in alive if reasons.get(verdict.name, ("", ""))[0] == "equivalent"]
    hung = sum(verdict.how == "hung" for verdict in verdicts)
    yield f"Of {population} mutants a sample was tried: {sample}.\n"
    yield f"* **{summary(verdicts)}**; {hung} of them by a test that hung."
    rest = [verdict for verdict in verdicts if verdict not in same]
    yield f"* Without the {len(same)} that change nothing which can be seen: {summary(rest)}."
    for kind, meaning in KINDS.items():
        count = sum(reasons.get(verdict.name, ("", ""))[0] == kind for verdict in alive)
        if count:
            yield f"* *{kind}*, {count}: {meaning}."
    yield ""


def _table(verdicts: list[Verdict]) -> Iterator[str]:
    yield "| file | tried | killed |"
    yield "|---|---:|---:|"
    for module in sorted({verdict.module for verdict in verdicts}):
        mine = [verdict for verdict in verdicts if verdict.module == module]
        yield f"| {module} | {len(mine)} | {sum(verdict.killed for verdict in mine)} |"
    yield ""


def _survivors(verdicts: list[Verdict], reasons: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    yield "## Survivors\n"
    for verdict in sorted(verdicts, key=lambda verdict: (verdict.module, verdict.line)):
        if verdict.killed:
            continue
        kind, why = reasons.get(verdict.name, ("", "No reason was found yet."))
        where = f"{verdict.module}, {verdict.function or 'at the top'}"
        yield f"**{where}** (`{verdict.name}`{', runs in no test' if verdict.how == 'uncovered' else ''})"
        yield f"\n```diff\n- {verdict.old}\n+ {verdict.new}\n```\n"
        yield f"*{kind.capitalize() or 'Open'}.* {why}\n"
