"""The modules of a standard library, parsed: which there are, and under which name each thing is public.

A thing is public under the shortest name: what a package's `__init__` imports from its own modules belongs
to the package (`asyncio.wait_for`, not `asyncio.tasks.wait_for`). Of a private module only that much is
public.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SKIPPED = """
__phello__ antigravity dist-packages distutils encodings ensurepip idlelib lib-dynload lib2to3 msilib
nntplib pydoc_data site-packages telnetlib test tests this tix turtledemo
"""
SKIPPED = frozenset(_SKIPPED.split())
"""Folders and modules that nobody asks about: tests, applications, and what newer versions have dropped."""

TWINS = {
    "_collections_abc": "collections.abc",
    "_pydatetime": "datetime",
    "_pydecimal": "decimal",
    "_pyio": "io",
    "genericpath": "os.path",
    "ntpath" if os.name == "nt" else "posixpath": "os.path",
}
"""Modules that hold the source of a public module with another name."""

OTHER_TWIN = "posixpath" if os.name == "nt" else "ntpath"

EVERYTHING = "*"

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """A parsed source file.

    Attributes:
        name: the name that it is imported by.
        path: relative to the library, with slashes.
        tree: its source.
        listed: the names in its `__all__`; None when there is none, or it is computed.
        exported: what its package makes public of it; `EVERYTHING` stands for all that is listed.
    """

    name: str
    path: str
    tree: ast.Module
    listed: frozenset[str] | None
    exported: frozenset[str]

    @property
    def is_private(self) -> bool:
        """Only what its package makes public of it is public."""
        return _is_private(self.name)

    @property
    def package(self) -> str:
        """The package that it is in."""
        return self.name.rpartition(".")[0]

    def definitions(self) -> Iterator[tuple[str, Definition]]:
        """The public classes and functions, each with the public name of what it belongs to."""
        for node in definitions(self.tree.body):
            listed = self._lists(node.name)
            exported = node.name in self.exported or (listed and EVERYTHING in self.exported)
            owner = self.package if exported else self.name
            if (exported or listed) and not _is_private(owner):
                yield owner, node

    def _lists(self, name: str) -> bool:
        return self.listed is None or name in self.listed


def read_modules(root: Path) -> Iterator[Module]:
    """The modules of the library in this folder, a package before its modules. Broken ones are left out."""
    exports: dict[str, frozenset[str]] = {}
    for path in _source_files(root):
        relative = path.relative_to(root)
        name = ".".join(relative.with_suffix("").parts)
        package = name.removesuffix(".__init__")
        source = path.read_bytes()
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):  # for another version, or half an edit
            continue
        if package != name:
            exports.update(_exports(tree, package))
        exported = exports.get(name, frozenset())
        if exported or not _is_private(package) or package in TWINS:
            listed = None if b"__all__." in source else _listed(tree)  # extended by code
            yield Module(TWINS.get(package, package), relative.as_posix(), tree, listed, exported)


def definitions(body: list[ast.stmt]) -> Iterator[Definition]:
    """The public classes and functions among statements, also under a condition."""
    for node in body:
        if isinstance(node, Definition):
            if not node.name.startswith("_"):
                yield node
        elif isinstance(node, ast.If | ast.Try):
            yield from definitions(node.body)
            for handler in getattr(node, "handlers", []):
                yield from definitions(handler.body)
            yield from definitions(node.orelse)


def _is_private(name: str) -> bool:
    return any(part.startswith("_") for part in name.split("."))


def _source_files(folder: Path) -> Iterator[Path]:
    """The files in order of their names; `__init__.py`, which says what is public, first."""
    init = folder / "__init__.py"
    if init.is_file():
        yield init
    for path in sorted(folder.iterdir()):
        name = path.name.removesuffix(".py")
        if name in SKIPPED or name == OTHER_TWIN or name.startswith(("config-", "__")):
            continue
        if path.suffix == ".py":
            yield path
        elif path.is_dir() and (path / "__init__.py").is_file():
            yield from _source_files(path)


def _exports(tree: ast.Module, package: str) -> dict[str, frozenset[str]]:
    """What the `__init__` of a package imports from each of its modules."""
    found: dict[str, frozenset[str]] = {}
    for node in tree.body:
        if not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        module = f"{package}.{node.module}" if node.level == 1 else node.module
        if module.startswith(package + "."):
            names = {alias.name for alias in node.names if alias.asname in (None, alias.name)}
            found[module] = found.get(module, frozenset()) | names
    return found


def _listed(tree: ast.Module) -> frozenset[str] | None:
    names: set[str] = set()
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            try:
                names.update(ast.literal_eval(node.value))  # type: ignore[attr-defined]
            except ValueError:
                return None
    return frozenset(names) or None
