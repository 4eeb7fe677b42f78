"""engine <- scheduler <- nodes <- viz: each imports only what stands to its left, at module top."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("engine", "scheduler", "nodes", "viz")
REQUIRED = {"networkx", "pydantic", "jsonpatch", "graphviz", "pydantic_core", "typing_extensions"}
"""The last two are what pydantic is made of."""
OPTIONAL = {
    "IPython",
    "bm25s",
    "chevron",
    "faiss",
    "grandalf",
    "hypothesis",
    "jinja2",
    "langchain_core",
    "langgraph",
    "numpy",
    "openai",
    "rank_bm25",
    "rich",
    "tqdm",
}
MOST_LINES = 400
VAGUE_NAMES = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}
SLOW_OR_OPTIONAL = {*OPTIONAL, "graphviz", "matplotlib", "pytest", "scipy"}


@dataclass(frozen=True)
class Import:
    """One import statement's target: the module, the name taken from it, and where the statement stands."""

    module: str
    name: str | None
    line: int
    relative: bool
    in_function: bool
    for_types: bool

    @property
    def root(self) -> str:
        return self.module.partition(".")[0]

    @property
    def layer(self) -> str | None:
        parts = self.module.split(".")
        return parts[1] if parts[0] == "anabranch" and len(parts) > 1 else None


def sources() -> dict[str, Path]:
    """The source files of the four packages, by module name."""
    found = {}
    for layer in LAYERS:
        for path in sorted((ROOT / layer).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(("anabranch", *parts)).removesuffix(".__init__")] = path
    return found


SOURCES = sources()


def is_type_checking(node: ast.AST) -> bool:
    """Whether a node is `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def walk(node: ast.AST, in_function: bool = False, for_types: bool = False) -> Iterator[Import]:
    """The imports below a node."""
    match node:
        case ast.Import(names=names):
            for alias in names:
                yield Import(alias.name, None, node.lineno, False, in_function, for_types)
        case ast.ImportFrom(names=names, module=module, level=level):
            for alias in names:
                yield Import(module or "", alias.name, node.lineno, level > 0, in_function, for_types)
        case ast.If(body=body, orelse=orelse) if is_type_checking(node):
            for statement in body:
                yield from walk(statement, in_function, True)
            for statement in orelse:
                yield from walk(statement, in_function, for_types)
        case _:
            inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                yield from walk(child, in_function or inside, for_types)


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text(encoding="utf-8"))


@cache
def imports(module: str) -> list[Import]:
    """The imports of a module of ours."""
    return list(walk(parsed(module)))


def refused(is_wrong: Callable[[str, Import], bool]) -> str:
    """The places of wrong imports, as a reader can click on them."""
    wrong = [(module, each) for module in SOURCES for each in imports(module) if is_wrong(module, each)]
    return "\n".join(f"{path_of(module)}:{each.line} imports {each.module}" for module, each in wrong)


def path_of(module: str) -> Path:
    return SOURCES[module].relative_to(ROOT)


def test_a_layer_imports_only_what_stands_to_its_left() -> None:
    allowed = {layer: LAYERS[: at + 1] for at, layer in enumerate(LAYERS)}
    wrong = refused(lambda module, each: each.root == "anabranch" and each.layer not in allowed[module.split(".")[1]])
    assert not wrong, wrong


def test_imports_are_absolute() -> None:
    wrong = refused(lambda _, each: each.relative or each.root in LAYERS)
    assert not wrong, wrong


def test_only_optional_packages_are_imported_inside_functions() -> None:
    wrong = refused(lambda _, each: each.in_function and each.root not in OPTIONAL)
    assert not wrong, wrong


def test_at_the_top_only_required_packages_are_imported() -> None:
    allowed = REQUIRED | sys.stdlib_module_names | {"anabranch"}
    wrong = refused(lambda _, each: not (each.in_function or each.for_types or each.root in allowed))
    assert not wrong, wrong


def test_imports_for_types_reach_no_further_than_the_layer_and_the_packages_known() -> None:
    allowed = REQUIRED | OPTIONAL | sys.stdlib_module_names | {"anabranch"}
    wrong = refused(lambda _, each: each.for_types and each.root not in allowed)
    assert not wrong, wrong


def test_a_file_is_one_thing_of_at_most_400_lines() -> None:
    lines = {path_of(module): len(path.read_text(encoding="utf-8").splitlines()) for module, path in SOURCES.items()}
    del lines[path_of("anabranch.nodes")]  # that is one list
    long = {str(path): count for path, count in lines.items() if count > MOST_LINES}
    assert not long, f"which two things are in each of these? {long}"


def test_a_file_is_named_after_what_it_holds() -> None:
    vague = [str(path_of(module)) for module in SOURCES if module.rpartition(".")[2] in VAGUE_NAMES]
    assert not vague, f"what do these hold? {vague}"


def imported() -> Iterator[tuple[str, str]]:
    """Which module needs which of ours when it runs."""
    for module in SOURCES:
        for each in imports(module):
            if each.root == "anabranch" and not each.for_types:
                inner = f"{each.module}.{each.name}"
                yield module, inner if inner in SOURCES else each.module


def circles(pairs: Iterable[tuple[str, str]]) -> str:
    return "\n".join(" -> ".join(circle) for circle in nx.simple_cycles(nx.DiGraph(pairs)))


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert not (found := circles(imported())), found


def test_no_packages_of_nodes_import_each_other_in_a_circle() -> None:
    homes = {module: module.split(".")[2] for module in SOURCES if re.match(r"anabranch\.nodes\.\w+\.", module)}
    pairs = [(homes[module], homes[other]) for module, other in imported() if {module, other} <= homes.keys()]
    assert len(set(homes.values())) > 10
    assert not (found := circles((one, other) for one, other in pairs if one != other)), found


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_is_typed(layer: str) -> None:
    assert (ROOT / layer / "py.typed").exists()


def test_importing_the_nodes_loads_nothing_optional_and_nothing_slow_that_is_not_needed() -> None:
    code = "import sys, anabranch.nodes; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not SLOW_OR_OPTIONAL.intersection(loaded.stdout.split())
