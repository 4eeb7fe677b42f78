"""Which tests run which lines: measured once, and again for test files that were changed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutation.population import Mutant
from mutation.trees import PACKAGES, Tree

ELSEWHERE = re.compile(
    "chat_history|chat_models|cli_|command|console|docs|documented|drawable|drawing|embedd|exports|function_calling"
    "|hostile|langchain_graphs|langchain_values|layers|message|openai|otel|packaging|parser|perfetto|picture|prompt"
    "|server_sent|stdlib|timeline|tool_(answers|examples|inputs|loops)|tools|typing|vector|watch_page|watch_server"
    "|depth|interleavings"  # which take minutes when measured
)
"""Words in the names of test files that test the nodes' or drawings' own work, which say little of the scheduler."""

SLOW_ONES_FAIL = ("--timeout", "20", "--timeout-method", "signal", "--tb=no")


@dataclass(frozen=True)
class Test:
    """A test function: `lines` has for each file a number whose bits are the lines that it runs."""

    name: str
    seconds: float
    lines: dict[str, int]

    @property
    def file(self) -> str:
        """The file that it stands in."""
        return self.name.split("::")[0]


class Cover:
    """The tests, fastest first."""

    def __init__(self, records: Iterable[tuple[str, dict[str, Any]]]) -> None:
        tests = (
            Test(name, entry["seconds"], {module: int(bits, 16) for module, bits in entry["lines"].items()})
            for name, entry in records
        )
        self.tests = sorted(tests, key=lambda test: (test.seconds, test.name))

    def of(self, mutant: Mutant) -> list[Test]:
        """The tests that run a mutant's lines; where those run when imported, all that run anything of the file."""
        lines = 0 if mutant.imported else sum(1 << line for line in mutant.lines)
        found = [test for test in self.tests if test.lines.get(mutant.module, 0) & lines]
        return found or [test for test in self.tests if test.lines.get(mutant.module)]


def measure(source: Path, folder: Path, cache: Path) -> Cover:
    """The cover of the project in `source`; what `cache` knows of unchanged files isn't measured again."""
    code = _digest(source, (path for name in PACKAGES for path in (source / name).rglob("*.py")))
    code += _digest(source, (path for path in (source / "tests").glob("*.py") if not path.name.startswith("test_")))
    known = json.loads(cache.read_text()) if cache.exists() else {}
    files = [path for path in sorted((source / "tests").glob("test_*.py")) if not ELSEWHERE.search(path.name)]
    keys = {f"tests/{path.name}": code + _digest(source, [path]) for path in files}
    stale = [file for file, key in keys.items() if known.get(file, {}).get("key") != key]
    record = folder / "record.json"
    with Tree(source, folder) as tree:
        for number, file in enumerate(stale, 1):
            record.unlink(missing_ok=True)
            status, output = tree.run([file], 1200, SLOW_ONES_FAIL, {"MUTATION_RECORD": str(record)})
            if not record.exists():
                raise SystemExit(f"{file} ended with {status} and no record:\n{output[-3000:]}")
            print(f"covered by {file}, {number} of {len(stale)}: {output.strip().splitlines()[-1]}", flush=True)
            known[file] = {"key": keys[file], "tests": json.loads(record.read_text())}
            cache.parent.mkdir(parents=True, exist_ok=True)
            cache.write_text(json.dumps(known))
    return Cover(record for file in keys for record in known[file]["tests"].items())


def _digest(source: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha1()
    for path in sorted(paths):
        digest.update(path.relative_to(source).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
