"""What prompts, and templates of content blocks, do with their variables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from anabranch.engine.errors import AnabranchError, StepInputError
from anabranch.engine.operators import Operator


class MissingVariablesError(AnabranchError, KeyError):
    """Raised when a prompt is run without the value of one of its variables.

    Example:
        >>> PromptTemplate.from_template("{who} likes {what}").invoke({"who": "Ada"})
        Traceback (most recent call last):
            ...
        anabranch.nodes.prompts.variables.MissingVariablesError: PromptTemplate got no value for 'what': ...
    """

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would show the text in quotes


def operator_of_prompt(prompt: Any, ainvoke: Callable[..., Any] | None = None) -> Operator:
    """What the step of something with variables does: its `_run`, and its asynchronous form."""
    reads = prompt._reads()
    return Operator(
        name=prompt.get_name(),
        run_type="prompt",
        invoke=prompt._run,
        ainvoke=ainvoke,
        blocking=prompt._waits(),
        reads=reads,
        optional=(reads or frozenset()).difference(prompt.input_variables),
    )


def variables_in(prompt: Any, input: Any) -> dict[str, Any]:
    """The variables in the input of something with variables. Keys that can't be a variable's name are left out.

    Raises:
        StepInputError: a `TypeError`, when the input is no dict.
    """
    if isinstance(input, Mapping):
        return {name: value for name, value in input.items() if isinstance(name, str)}
    names = ", ".join(map(repr, prompt.input_variables)) or "none"
    raise StepInputError(
        f"{prompt.get_name()} expected a dict with its variables ({names}), got {type(input).__name__} {input!r:.80}"
    )


def check_given(prompt: Any, given: Mapping[str, Any]) -> None:
    """See that every variable of something has a value.

    Raises:
        MissingVariablesError: a `KeyError`, when one has none.
    """
    missing = [name for name in prompt.input_variables if name not in given]
    if not missing:
        return
    doubled = f". If {{{missing[0]}}} is meant as text, write {{{{{missing[0]}}}}}"
    is_fstring = getattr(prompt, "template_format", "f-string") == "f-string"
    raise MissingVariablesError(
        f"{prompt.get_name()} got no value for {_listed(missing)}: expected {_listed(prompt.input_variables)}, "
        f"received {_listed(given)}{doubled if is_fstring else ''}"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "nothing"


def mark_variable(name: str, coloured: bool) -> str:
    """A variable as people read it: in braces, and in yellow for a terminal."""
    return f"\x1b[33;1m\x1b[1;3m{{{name}}}\x1b[0m" if coloured else f"{{{name}}}"
