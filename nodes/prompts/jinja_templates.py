"""Templates in jinja2's form, read and filled by the library jinja2 in a sandbox narrower than its own.

Of the values a template sees only what they show, and keys of dicts: `{{ user.name }}` and `{{ user["name"] }}` read
the key "name" of a dict, and of nothing else. There are loops, conditions, macros, tests and filters; no attributes,
positions, slices, calls of values, or other templates.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from anabranch.nodes.extras import require_extra
from anabranch.nodes.prompts.templates import TemplateError, unusable

if TYPE_CHECKING:
    from jinja2 import Template as Compiled
    from jinja2 import nodes
    from jinja2.sandbox import SandboxedEnvironment

KEY = re.compile(r"(?!__)\w.*", re.DOTALL)
"""What may be read as a key: what begins with two underscores is Python's own, and nobody's key."""

LOOP = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0"})
"""What a loop tells of itself."""

REFUSED = {
    "Include": "include takes another template; put its text in its place",
    "Import": "import takes another template; put its text in its place",
    "FromImport": "import takes another template; put its text in its place",
    "Extends": "extends takes another template; put its text in its place",
    "Slice": "it takes a slice of a variable; pass the slice as a variable of its own",
    "Pow": "a power may take forever",
}


@dataclass(frozen=True, slots=True)
class Jinja:
    """A template in jinja2's form. Two of the same text are equal."""

    text: str
    variables: tuple[str, ...] = field(compare=False)
    structured: frozenset[str] = field(compare=False)
    compiled: Compiled = field(compare=False, repr=False)

    @property
    def reads(self) -> frozenset[str]:
        """The variables."""
        return frozenset(self.variables)

    def fill(self, values: Mapping[str, Any]) -> str:
        """The text with every hole filled. See `Template`."""
        from jinja2.exceptions import TemplateError as JinjaError

        # Nothing but the variables: a value must not stand for `range`.
        read = {name: values[name] for name in self.variables}
        try:
            return self.compiled.render(read)
        except (JinjaError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
            if isinstance(error, TemplateError):
                raise
            raise TemplateError(f"template {self.text!r:.80} can't be filled: {error}") from error

    def shown(self, mark: Callable[[str], str]) -> str:
        """The text as written: what loops make of it, only values can tell."""
        return self.text


def read_jinja(text: str) -> Jinja:
    """Read a template in jinja2's form.

    Raises:
        MissingExtraError: when jinja2 isn't installed.
        TemplateError: when its syntax is wrong, or it does what a template may not do here.

    Example:
        >>> read_jinja("{% for name in names %}{{ name | upper }} {% endfor %}").fill({"names": ["Ada", "Bo"]})
        'ADA BO '
    """
    require_extra("jinja2", "jinja2", "A jinja2 template")
    from jinja2 import meta
    from jinja2.exceptions import TemplateError as JinjaError

    environment = _environment()
    try:
        tree = environment.parse(text)
        variables = tuple(sorted(meta.find_undeclared_variables(tree)))
        _check(text, tree, frozenset(variables))
        compiled = environment.from_string(text)
    except TemplateError:
        raise
    except JinjaError as error:
        raise unusable(text, str(error)) from None
    except Exception as error:  # what the library makes of odd templates and constants
        raise unusable(text, f"{type(error).__name__}: {error}") from error
    return Jinja(text, variables, frozenset(_structured(tree)) & frozenset(variables), compiled)


def _check(text: str, tree: nodes.Template, variables: frozenset[str]) -> None:
    """Refuse what reads into a variable or calls one, as far as the text tells it."""
    from jinja2 import nodes

    for node in tree.find_all(nodes.Node):
        why = REFUSED.get(type(node).__name__)
        if isinstance(node, nodes.Getattr) and not KEY.fullmatch(node.attr):
            why = f"it reads the attribute {node.attr!r} of a variable"
        elif isinstance(node, nodes.Getitem) and not _is_key(node.arg):
            why = why or "it reads a position in a variable; a key of a dict is text, written out"
        elif isinstance(node, nodes.Call) and (not isinstance(node.node, nodes.Name) or node.node.name in variables):
            why = "it calls a variable, or a method of one; there are filters, such as `d | items` for d.items()"
        if why:
            raise unusable(text, why)


def _is_key(node: nodes.Expr) -> bool:
    value = getattr(node, "value", None)  # that of a constant
    return isinstance(value, str) and KEY.fullmatch(value) is not None


def _structured(tree: nodes.Template) -> Iterator[str]:
    """The names of what is read into or looped over."""
    from jinja2 import nodes

    for node in tree.find_all((nodes.For, nodes.Getattr, nodes.Getitem)):
        inside = node.iter if isinstance(node, nodes.For) else node
        yield from (name.name for name in inside.find_all(nodes.Name))
        if isinstance(inside, nodes.Name):
            yield inside.name


@cache
def _environment() -> SandboxedEnvironment:
    from jinja2.runtime import LoopContext, Macro
    from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range

    class KeysOnly(ImmutableSandboxedEnvironment):
        """Reads keys of dicts and nothing else of a value."""

        def getattr(self, obj: Any, attribute: str) -> Any:
            if isinstance(obj, LoopContext) and attribute in LOOP:
                return getattr(obj, attribute)
            return self.getitem(obj, attribute)

        def getitem(self, obj: Any, argument: Any) -> Any:
            if isinstance(obj, Mapping) and isinstance(argument, str):
                return obj[argument] if argument in obj else self.undefined(obj=obj, name=argument)
            if isinstance(obj, self.undefined):
                return obj
            raise TemplateError(
                f"a template reads {argument!r} of a value of type {type(obj).__name__}: {obj!r:.80}. A template reads "
                "keys of dicts only; pass a dict"
            )

        def is_safe_callable(self, obj: Any) -> bool:
            return obj is safe_range or isinstance(obj, Macro)

    environment = KeysOnly()
    environment.globals = {"range": safe_range}
    del environment.filters["attr"]
    return environment
