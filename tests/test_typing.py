"""What mypy, and so an editor, knows of a chain: `typed_chains.txt` says it line by line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

mypy_api = pytest.importorskip("mypy.api")

ROOT = Path(__file__).parent.parent
CASES = ROOT / "tests" / "typed_chains.txt"
LIKE_THE_CHECK = [f"--config-file={ROOT / 'pyproject.toml'}", f"--cache-dir={ROOT / '.mypy_cache'}"]
"""What `make check` has found of the packages needn't be found again."""
EXPECTED = re.compile(r"  # (?P<kind>type|error): (?P<said>.*)$")
SAID = re.compile(r"^[^:]+:(?P<line>\d+): (?P<severity>note|error): (?P<said>.*)$")


def test_the_types_of_chains_are_what_is_written_beside_them(tmp_path: Path) -> None:
    source = tmp_path / "typed_chains.py"
    source.write_text(CASES.read_text(encoding="utf-8"), encoding="utf-8")
    arguments = ["--strict", "--no-error-summary", "--hide-error-context", *LIKE_THE_CHECK]
    output, errors, _ = mypy_api.run([*arguments, str(source)])
    assert not errors
    said: dict[int, tuple[str, str]] = {}
    for line in output.splitlines():
        match = SAID.match(line)
        assert match, line
        said.setdefault(int(match["line"]), (match["severity"], shortened(match["said"])))
    wrong = []
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), 1):
        expected = EXPECTED.search(line)
        wanted = None if expected is None else (expected["kind"], expected["said"])
        kind, text = said.get(number, (None, ""))
        got = None if kind is None else ("type" if kind == "note" else "error", text)
        if wanted is None or got is None or wanted[0] != got[0] or wanted[1] not in got[1]:
            wrong += [f"line {number}: expected {wanted}, got {got}"] * (wanted != got)
    assert not wrong, "\n".join(wrong)


def shortened(text: str) -> str:
    """A message of mypy without the modules of names."""
    revealed = text.removeprefix('Revealed type is "').removesuffix('"')
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])", "", revealed)
