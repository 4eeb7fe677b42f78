"""All mutants of the engine and the scheduler: where each stands, what it changes, and its mutated source.

Left out is what no test could tell: annotations, docstrings, what only a type checker reads (`TYPE_CHECKING`,
`@overload`, protocols, casts) and `__slots__`, which only say how things are stored.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

from mutation.changes import Place, changes, is_needless

FOLDERS = ("engine", "scheduler")


@dataclass(frozen=True)
class Mutant:
    """One small change to one file.

    `module` is the path of the file and `text` what stood in it, `change` the kind and `occurrence` which of its places
    in the file; `lines` are the lines of the statement around it, `function` the innermost function or class (empty at
    the module's level); `imported` says that it runs when the module is imported.
    """

    module: str
    text: str
    change: str
    occurrence: int
    place: Place
    lines: range
    function: str
    imported: bool

    @property
    def imported_as(self) -> str:
        """The module's name in Python."""
        return "anabranch." + self.module.removesuffix(".py").replace("/", ".").removesuffix(".__init__")

    @cached_property
    def mutated(self) -> str:
        """The file's text with the change."""
        text = mutate_code(self.text, changes()[self.change], self.occurrence)
        assert isinstance(text, str), f"nothing to change for {self.change} in {self.module}"
        return text

    @property
    def differs(self) -> tuple[str, str]:
        """The changed lines as they were and as they become, without their indentation."""
        found = list(difflib.unified_diff(self.text.splitlines(), self.mutated.splitlines(), n=0, lineterm=""))[3:]
        return tuple(" ".join(line[1:].strip() for line in found if line[0] == sign) for sign in "-+")  # type: ignore[return-value]

    @cached_property
    def name(self) -> str:
        """Eight letters that stay the same while the function's name and the changed line do."""
        old, new = self.differs
        return hashlib.sha1("\n".join((self.module, self.function, old, new)).encode()).hexdigest()[:8]


def population(root: Path, only: str = "") -> list[Mutant]:
    """All mutants of the files whose path contains `only`, in order."""
    files = sorted(path for folder in FOLDERS for path in (root / folder).glob("*.py"))
    names = [path.relative_to(root).as_posix() for path in files]
    return [mutant for name in names if only in name for mutant in _mutants(name, (root / name).read_text())]


def _mutants(module: str, text: str) -> Iterator[Mutant]:
    nodes = list(ast_nodes(get_ast(text)))
    outline = _Outline(ast.parse(text))
    for change, operator in changes().items():
        occurrence = -1
        for node in nodes:
            for index, (start, end) in enumerate(operator.mutation_positions(node)):
                occurrence += 1
                if not outline.hides(start) and not is_needless(change, node, index):
                    yield Mutant(module, text, change, occurrence, (start, end), *outline.around(start))


class _Outline:
    """Where the statements and functions of a file stand, and what in it isn't looked at when it runs."""

    def __init__(self, tree: ast.Module) -> None:
        self._hidden: list[Place] = []
        self._statements: list[tuple[range, str, bool]] = []
        self._walk(tree, "", True)

    def hides(self, at: tuple[int, int]) -> bool:
        """Whether what stands here is left out."""
        return any(start <= at < end for start, end in self._hidden)

    def around(self, at: tuple[int, int]) -> tuple[range, str, bool]:
        """Of the innermost statement here: its lines without its body, its function, whether imports run it."""
        return next(found for found in reversed(self._statements) if at[0] in found[0])

    def _walk(self, node: ast.AST, function: str, imported: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
                self._statements.append((_own_lines(child), function, imported))
            if _is_hidden(node, child):
                self._hidden.append(_place(child))
            inner = function
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{function}.{child.name}".strip(".")
            self._walk(child, inner, imported and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))


def _own_lines(node: ast.stmt | ast.ExceptHandler | ast.match_case) -> range:
    """The lines of a statement up to its body, with its decorators."""
    head = node.pattern if isinstance(node, ast.match_case) else node
    first = min([head.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
    inner = [*getattr(node, "body", ()), *getattr(node, "cases", ())][:1]
    if not inner:
        return range(first, (head.end_lineno or first) + 1)
    after = inner[0].pattern if isinstance(inner[0], ast.match_case) else inner[0]
    return range(first, max(first + 1, after.lineno))


def _is_hidden(parent: ast.AST, node: ast.AST) -> bool:
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(targets=[ast.Name(id="__slots__" | "__all__")]):
            return True
        case ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.ClassDef(bases=bases) if any("Protocol" in ast.unparse(base) for base in bases):
            return True
        case ast.FunctionDef(decorator_list=marks) if any(ast.unparse(mark) == "overload" for mark in marks):
            return True
    if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef) and node is parent.returns:
        return True
    if isinstance(parent, ast.Call) and ast.unparse(parent.func) in ("cast", "TypeVar") and node is parent.args[0]:
        return True
    return isinstance(parent, ast.AnnAssign | ast.arg) and node is parent.annotation


def _place(node: Any) -> Place:
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
