"""The changes that are made to the code: a choice of cosmic-ray's, and the removal of a statement, which it lacks.

cosmic-ray replaces each operator by all others; one or two of these are enough, the others fail with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import parso.python.tree  # before cosmic-ray, which imports parts of parso in an order that fails
from cosmic_ray.operators.boolean_replacer import AddNot
from cosmic_ray.operators.operator import Example, Operator
from cosmic_ray.operators.provider import OperatorProvider
from parso.tree import search_ancestor

Place = tuple[tuple[int, int], tuple[int, int]]
"""Where a change begins and ends; lines are counted from 1, columns from 0."""

parse: Any = parso.parse

COMPARISONS = {
    "Eq": ("NotEq",),
    "NotEq": ("Eq",),
    "Is": ("IsNot",),
    "IsNot": ("Is",),
    "Lt": ("LtE", "GtE"),
    "LtE": ("Lt", "Gt"),
    "Gt": ("GtE", "LtE"),
    "GtE": ("Gt", "Lt"),
}
ARITHMETIC = {
    "Add": "Sub",
    "Sub": "Add",
    "Mul": "Add",
    "Div": "Mul",
    "FloorDiv": "Mul",
    "Mod": "Mul",
    "Pow": "Mul",
    "BitOr": "BitAnd",
    "BitAnd": "BitOr",
    "LShift": "RShift",
    "RShift": "LShift",
}
WORDS = (
    "NumberReplacer",
    "ReplaceAndWithOr",
    "ReplaceBreakWithContinue",
    "ReplaceContinueWithBreak",
    "ReplaceFalseWithTrue",
    "ReplaceOrWithAnd",
    "ReplaceTrueWithFalse",
    "ReplaceUnaryOperator_Delete_Not",
    "ReplaceUnaryOperator_USub_UAdd",
    "ZeroIterationForLoop",
)


class RemoveStatement(Operator):  # type: ignore[misc]
    """Within functions: a call, an assignment to an attribute or item, `+=`, `raise` or `del` becomes `pass`.

    A `return` of something returns None instead.
    """

    def mutation_positions(self, node: Any) -> Iterator[Place]:
        """Where this applies to a node."""
        if node.type == "simple_stmt" and _removable(node.children[0]):
            yield (node.children[0].start_pos, node.children[0].end_pos)

    def mutate(self, node: Any, index: int) -> Any:
        """The node without its statement."""
        old = node.children[0]
        text = "return None" if old.type == "return_stmt" else "pass"
        node.children[0] = parso.python.tree.Keyword(text, old.start_pos, prefix=old.get_first_leaf().prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """What cosmic-ray documents an operator with."""
        return (Example("def f():\n    return 1\n", "def f():\n    return None\n"),)


def _removable(statement: Any) -> bool:
    if search_ancestor(statement, "funcdef") is None:
        return False
    match statement.type:
        case "raise_stmt" | "del_stmt":
            return True
        case "return_stmt":
            return bool(statement.children[1].get_code().strip() not in ("None", "False"))  # which are as false
        case "atom_expr" | "power":
            return bool(statement.children[-1].get_code().startswith("("))
        case "expr_stmt":
            target, how = statement.children[:2]
            return target.type in ("atom_expr", "power") if how.get_code().strip() == "=" else how.type != "annassign"
    return False


class CatchElse(Operator):  # type: ignore[misc]
    """An exception that is caught becomes one that is never raised."""

    def mutation_positions(self, node: Any) -> Iterator[Place]:
        """Where this applies to a node."""
        if node.type == "except_clause":
            yield from ((each.start_pos, each.end_pos) for each in _caught(node))

    def mutate(self, node: Any, index: int) -> Any:
        """The node with another exception."""
        old = _caught(node)[index]
        siblings = old.parent.children
        prefix = old.get_first_leaf().prefix
        siblings[siblings.index(old)] = parso.python.tree.Name("FloatingPointError", old.start_pos, prefix=prefix)
        return node

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        """What cosmic-ray documents an operator with."""
        return (Example("try: f()\nexcept OSError: pass", "try: f()\nexcept FloatingPointError: pass"),)


def _caught(clause: Any) -> Any:
    """The exceptions that an `except` names."""
    named = clause.children[1]
    if named.type != "atom":
        return [named]
    inner = named.children[1]
    return inner.children[::2] if inner.type == "testlist_comp" else [inner]


class Negate(AddNot):  # type: ignore[misc]
    """A condition becomes its opposite. cosmic-ray puts `not` before its first term only."""

    def mutate(self, node: Any, index: int) -> Any:
        """The node with the opposite condition."""
        at = 2 if node.type == "test" else 1
        node.children[at] = parse(f" not ({node.children[at].get_code().strip()})")
        return node


def changes() -> Mapping[str, Operator]:
    """The kinds of change by name."""
    known = OperatorProvider()
    names = [f"ReplaceComparisonOperator_{old}_{new}" for old, them in COMPARISONS.items() for new in them]
    names += [f"ReplaceBinaryOperator_{old}_{new}" for old, new in ARITHMETIC.items()]
    return {
        **{name: known[name]() for name in (*names, *WORDS)},
        "CatchElse": CatchElse(),
        "Negate": Negate(),
        "RemoveStatement": RemoveStatement(),
    }


def is_needless(name: str, node: Any, index: int) -> bool:
    """Whether this changes nothing, or another does the same: a number plus 1 will do, a comparison negated once."""
    if name == "NumberReplacer":
        return index == 1
    if name == "Negate":
        condition = node.children[2 if node.type == "test" else 1]
        plain = condition.type == "comparison" and "in" not in condition.children[1].get_code().split()
        return plain or condition.type == "not_test"
    if name == "ReplaceTrueWithFalse":  # `zip(..., strict=True)` asserts what holds
        return bool(node.parent.type == "argument" and node.parent.children[0].get_code().strip() == "strict")
    if name.startswith("ReplaceBinaryOperator"):  # cosmic-ray takes the star of a signature for one
        return node.parent.type not in ("arith_expr", "term", "expr", "and_expr", "shift_expr", "power")
    return False
