"""Writes `nodes/__init__.pyi`, by which type checkers know what `anabranch.nodes` imports when asked: `make stub`."""

from __future__ import annotations

from pathlib import Path

from anabranch import nodes

STUB = Path(__file__).parent.parent / "nodes" / "__init__.pyi"


def stub() -> str:
    """What belongs into the file."""
    homes: dict[str, list[str]] = {}
    for name in nodes.__all__:
        homes.setdefault(nodes._HOMES[name], []).append(name)
    imports = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(homes.items())]
    exported = [f'    "{name}",' for name in nodes.__all__]
    table = ["_EXPORTS: dict[str, str]", "_HOMES: dict[str, str]"]
    head = "# Written by `make stub` from the table in __init__.py."
    return "\n".join([head, "", *imports, "", *table, "", "__all__ = [", *exported, "]", ""])


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
