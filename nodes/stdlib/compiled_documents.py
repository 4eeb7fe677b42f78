"""Documents of what is written in C: the built-in functions and types, and the modules without a source file.

There is nothing to parse, so the docstrings are read from the objects. Only modules of the list below are
imported: they are part of the interpreter, run no Python code and touch nothing when they are imported.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from anabranch.nodes.retrieval.documents import Document

MODULES = {
    "_asyncio": "asyncio",
    "_bisect": "bisect",
    "_collections": "collections",
    "_contextvars": "contextvars",
    "_csv": "csv",
    "_functools": "functools",
    "_heapq": "heapq",
    "_io": "io",
    "_operator": "operator",
    "_random": "random",
    "_socket": "socket",
    "_sqlite3": "sqlite3",
    "_struct": "struct",
    "_weakref": "weakref",
    "array": "array",
    "binascii": "binascii",
    "builtins": "",
    "cmath": "cmath",
    "gc": "gc",
    "itertools": "itertools",
    "math": "math",
    "nt": "os",
    "posix": "os",
    "select": "select",
    "sys": "sys",
    "time": "time",
    "unicodedata": "unicodedata",
    "zlib": "zlib",
}
"""Each compiled module and the public name that its contents go by."""


OLD_SIGNATURE = re.compile(r"\w+\(.*\)(\s*-+>.*)?$")
"""The first line of a docstring that tells the signature, where the object can't tell it."""


def compiled_documents() -> Iterator[Document]:
    """A document for each documented public name of the compiled modules, in the order of their names."""
    for compiled, module in MODULES.items():
        try:
            contents = importlib.import_module(compiled)
        except ImportError:  # another platform, or built without it
            continue
        yield from _of_module(contents, module)


def _of_module(contents: ModuleType, module: str) -> Iterator[Document]:
    if module and contents.__doc__:
        yield _document(f"module {module}", contents.__doc__, module, "module", module)
    for name, value in sorted(vars(contents).items()):
        if name.startswith("_") or not callable(value):
            continue
        source = f"{module}.{name}" if module else name
        if isinstance(value, type):
            yield from _of_class(value, source, module or "builtins")
        elif value.__doc__ and inspect.isbuiltin(value) and "obsolete" not in value.__doc__:
            yield _document(_heading(value, source), value.__doc__, source, "function", module or "builtins")


def _of_class(kind: type, source: str, module: str) -> Iterator[Document]:
    if kind.__doc__:
        yield _document(_heading(kind, source), kind.__doc__, source, "class", module)
    for name in sorted(name for name in vars(kind) if not name.startswith("_")):
        value = getattr(kind, name)
        if (inspect.ismethoddescriptor(value) or inspect.isbuiltin(value)) and value.__doc__:
            yield _document(_heading(value, f"{source}.{name}"), value.__doc__, f"{source}.{name}", "method", module)


def _document(heading: str, text: str, source: str, kind: str, module: str) -> Document:
    text = inspect.cleandoc(text)
    first, _, rest = text.partition("\n")
    if heading == source and OLD_SIGNATURE.match(first):
        heading, text = first if module == "builtins" else f"{module}.{first}", rest.strip()
    facts = {"source": source, "kind": kind, "module": module}
    return Document(page_content=f"{heading}\n\n{text}", metadata=facts)


def _heading(value: Any, source: str) -> str:
    signature = getattr(value, "__text_signature__", None)
    if not signature:
        return source
    # The mark of a bound first argument is C's own way to write it.
    for mark in ("($self, /, ", "($module, /, ", "($type, /, ", "($self, ", "($module, ", "($type, "):
        signature = signature.replace(mark, "(")
    signature = str(signature)
    return source + signature.replace("($self, /)", "()").replace("($self)", "()").replace("($module)", "()")
