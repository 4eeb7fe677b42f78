"""The standard library of the running interpreter as documents: one for each docstring of a public name.

Source files are parsed, not imported. What is written in C has no source to parse and is read from the
compiled modules by `compiled_documents`.
"""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from anabranch.nodes.retrieval.documents import Document
from anabranch.nodes.stdlib.compiled_documents import compiled_documents
from anabranch.nodes.stdlib.modules import Definition, Module, definitions, read_modules


def stdlib_documents(folder: Path | None = None) -> list[Document]:
    """A document for each public module, class, function and method that has a docstring; several thousand.

    The text of a document is its signature and its docstring. The metadata hold `source` (such as
    `csv.DictWriter`, each once), `kind` (`module`, `class`, `function` or `method`), `module`, and, of
    what is written in Python, `path` (relative to the folder) and `line`. The order is always the same.
    The standard library is read once in a process, which takes a second or two.

    Args:
        folder: the folder to read; by default the standard library of this interpreter, and then what is
            written in C, too.

    Raises:
        FileNotFoundError: when there is no source file to read.

    Example:
        >>> import json, pathlib
        >>> documents = stdlib_documents(pathlib.Path(json.__file__).parent)
        >>> next(each.metadata for each in documents if each.metadata["source"].endswith("JSONDecoder.decode"))["kind"]
        'method'
    """
    return list(_own_documents()) if folder is None else list(_read(folder).values())


@cache
def _own_documents() -> tuple[Document, ...]:
    documents = _read(Path(sysconfig.get_path("stdlib")))
    for document in compiled_documents():
        documents.setdefault(document.metadata["source"], document)
    return tuple(documents.values())


def _read(folder: Path) -> dict[str, Document]:
    """The documents of a folder of sources, by their `source`."""
    documents: dict[str, Document] = {}
    for module in read_modules(folder):
        for document in _of_module(module):
            documents.setdefault(document.metadata["source"], document)
    if not documents:
        raise FileNotFoundError(
            f"{folder} holds no documented Python source; this interpreter came without its library"
        )
    return documents


def _of_module(module: Module) -> Iterator[Document]:
    where = {"module": module.name, "path": module.path}
    text = None if module.is_private else _docstring_of_module(module.tree)
    if text:
        facts = {"source": module.name, "kind": "module", **where, "line": 1}
        yield Document(f"module {module.name}\n\n{text}", metadata=facts)
    for owner, node in module.definitions():
        yield from _of_definition(node, owner, {"module": owner, "path": module.path})


def _of_definition(node: Definition, owner: str, where: dict[str, Any], in_class: bool = False) -> Iterator[Document]:
    source = f"{owner}.{node.name}"
    init = _init(node)
    text = ast.get_docstring(node) or (ast.get_docstring(init) if init else None)
    if text:
        kind = "class" if isinstance(node, ast.ClassDef) else "method" if in_class else "function"
        facts = {"source": source, "kind": kind, **where, "line": node.lineno}
        yield Document(f"{source}{_signature(node, init, in_class)}\n\n{text}", metadata=facts)
    if isinstance(node, ast.ClassDef):
        for inner in definitions(node.body):
            yield from _of_definition(inner, source, where, in_class=True)


def _docstring_of_module(tree: ast.Module) -> str | None:
    """The docstring, in whichever way it is given; None when it comes from a compiled module."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and any(alias.name == "__doc__" for alias in node.names):
            return None
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if "__doc__" in names and isinstance(node.value.value, str):
                return node.value.value.strip()
    return ast.get_docstring(tree)


def _init(node: Definition) -> ast.FunctionDef | None:
    body = node.body if isinstance(node, ast.ClassDef) else []
    return next((inner for inner in body if isinstance(inner, ast.FunctionDef) and inner.name == "__init__"), None)


def _signature(node: Definition, init: ast.FunctionDef | None, in_class: bool) -> str:
    if isinstance(node, ast.ClassDef):
        return _arguments(init, bound=True) if init else ""
    decorators = {decorator.id for decorator in node.decorator_list if isinstance(decorator, ast.Name)}
    if decorators & {"property", "cached_property"}:
        return ""
    return _arguments(node, bound=in_class and "staticmethod" not in decorators)


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef, bound: bool) -> str:
    """The arguments in parentheses, without the one that a method is bound to."""
    text = ast.unparse(node.args)
    if bound:
        text = text.partition(", ")[2].removeprefix("/, ") if ", " in text else ""
    return f"({text})"
