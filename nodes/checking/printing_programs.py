"""A composed program as Python that can be pasted: its imports, and one expression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anabranch.nodes.bindings import RunnableBinding
from anabranch.nodes.branches import RouterRunnable, RunnableBranch
from anabranch.nodes.checking.printing_values import Script, arguments_of
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.configurables import RunnableConfigurableAlternatives, RunnableConfigurableFields
from anabranch.nodes.dags import RunnableDag
from anabranch.nodes.functions import RunnableLambda
from anabranch.nodes.generators import RunnableGenerator
from anabranch.nodes.maps import RunnableEach
from anabranch.nodes.parallels import RunnableParallel
from anabranch.nodes.passthrough import RunnableAssign, RunnablePick
from anabranch.nodes.policies import EXPONENTIAL, RunnableRetry, RunnableWithFallbacks
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.sequences import RunnableSequence

WIDTH = 100


def code_of(runnable: Runnable[Any, Any], name: str = "program") -> str:
    """Python that makes a runnable again, under a name.

    Functions and classes are imported where they can be; lambdas and local functions are written out with what they
    mention. A comment says what could not be written.

    Args:
        runnable: the runnable.
        name: of the variable that holds it at the end.

    Example:
        >>> from anabranch.nodes import RunnableLambda
        >>> print(code_of(RunnableLambda(str.upper) | {"size": len, "text": lambda text: text + "!"}))
        from anabranch.nodes import RunnableLambda
        <BLANKLINE>
        program = RunnableLambda(str.upper) | {'size': len, 'text': lambda text: text + '!'}
    """
    script = ProgramScript()
    script.assign(name, runnable)
    return str(script)


class ProgramScript(Script):
    """A `Script` that can write runnables."""

    def __init__(self) -> None:
        super().__init__()
        self._dags = 0

    def assign(self, name: str, value: Any) -> None:
        """A line that gives a value a name; several, if one would be too long."""
        text = self.value(value)
        if isinstance(value, Runnable) and len(text) > WIDTH and type(value) is RunnableSequence and not value.name:
            steps = [self._operand(step, first=not at) for at, step in enumerate(value.steps)]
            text = "(\n    " + "\n    | ".join(steps) + "\n)"
        self.lines.append(f"{name} = {text}")

    def value(self, value: Any) -> str:
        """An expression for a value, a runnable among others."""
        if isinstance(value, Runnable):
            write = WRITERS.get(type(value))
            return self.made(value) if write is None else write(self, value)
        return super().value(value)

    def function(self, func: Any) -> str:
        """See `Script`."""
        return self.value(func) if isinstance(func, Runnable) else super().function(func)

    def branch(self, runnable: Any) -> str:
        """A runnable where a plain function or dict would do as well."""
        if type(runnable) in (RunnableLambda, RunnableGenerator):
            positional, keywords = arguments_of(runnable) or ([None, None], {})
            if len(positional) == 1 and not keywords and type(coerce_to_runnable(positional[0])) is type(runnable):
                return self.function(positional[0])
        if type(runnable) is RunnableParallel and not runnable.name:
            return self.dictionary(runnable.steps__)
        return self.value(runnable)

    def dictionary(self, branches: dict[str, Any]) -> str:
        """A dict of runnables."""
        return "{" + ", ".join(f"{key!r}: {self.branch(each)}" for key, each in branches.items()) + "}"

    def around(self, runnable: Any) -> str:
        """A runnable with a method to be called on it."""
        text = self.value(runnable)
        return f"({text})" if type(runnable) is RunnableSequence and not runnable.name else text

    def _operand(self, step: Any, *, first: bool) -> str:
        """A step of a sequence, which may be a dict when something is before it."""
        if not first and type(step) is RunnableParallel and not step.name:
            return self.dictionary(step.steps__)
        return self.around(step)

    # Kinds of runnables

    def sequence(self, made: Any) -> str:
        """`a | b`."""
        if made.name or len(made.steps) == 1:
            self.takes("anabranch.nodes", "RunnableSequence")
            return self.call("RunnableSequence", made.steps, {"name": made.name} if made.name else {})
        return " | ".join(self._operand(step, first=not at) for at, step in enumerate(made.steps))

    def parallel(self, made: Any) -> str:
        """`RunnableParallel({...})`."""
        self.takes("anabranch.nodes", "RunnableParallel")
        name = f", name={made.name!r}" if made.name else ""
        return f"RunnableParallel({self.dictionary(made.steps__)}{name})"

    def assigned(self, made: Any) -> str:
        """`RunnablePassthrough.assign(...)`."""
        branches = made.mapper.steps__
        if made.name or made.mapper.name or not all(map(str.isidentifier, branches)):
            self.takes("anabranch.nodes", "RunnableAssign")
            name = f", name={made.name!r}" if made.name else ""
            return f"RunnableAssign({self.branch(made.mapper)}{name})"
        self.takes("anabranch.nodes", "RunnablePassthrough")
        said = ", ".join(f"{key}={self.branch(each)}" for key, each in branches.items())
        return f"RunnablePassthrough.assign({said})"

    def mapped(self, made: Any) -> str:
        """`x.map()`."""
        if made.name:
            return self.made(made)
        return f"{self.around(made.bound)}.map()"

    def bound(self, made: Any) -> str:
        """`x.bind(...)`, `x.with_config(...)`, `x.with_types(...)`."""
        text = self.around(made.bound)
        if made.kwargs:
            text += self.call(".bind", (), made.kwargs)
        if made.config:
            text += self.call(".with_config", [dict(made.config)], {})
        types = {"input_type": made.custom_input_type, "output_type": made.custom_output_type}
        if said := {key: tp for key, tp in types.items() if tp is not None}:
            text += self.call(".with_types", (), said)
        return text if text != self.around(made.bound) else f"{text}.bind()"

    def retried(self, made: Any) -> str:
        """`x.with_retry(...)`."""
        said: dict[str, Any] = {}
        if made.retry_exception_types != (Exception,):
            said["retry_if_exception_type"] = made.retry_exception_types
        if not made.wait_exponential_jitter:
            said["wait_exponential_jitter"] = False
        if made.exponential_jitter_params != EXPONENTIAL:
            said["exponential_jitter_params"] = made.exponential_jitter_params
        if made.max_attempt_number != 3:
            said["stop_after_attempt"] = made.max_attempt_number
        return self.call(f"{self.around(made.bound)}.with_retry", (), said)

    def fallen_back(self, made: Any) -> str:
        """`x.with_fallbacks([...])`."""
        said: dict[str, Any] = {}
        if made.exceptions_to_handle != (Exception,):
            said["exceptions_to_handle"] = made.exceptions_to_handle
        if made.exception_key is not None:
            said["exception_key"] = made.exception_key
        keywords = "".join(f", {key}={self.value(each)}" for key, each in said.items())
        others = ", ".join(map(self.branch, made.fallbacks))
        return f"{self.around(made.runnable)}.with_fallbacks([{others}]{keywords})"

    def chosen(self, made: Any) -> str:
        """`RunnableBranch(...)`."""
        self.takes("anabranch.nodes", "RunnableBranch")
        pairs = [f"({self.branch(condition)}, {self.branch(branch)})" for condition, branch in made.branches]
        name = [f"name={made.name!r}"] if made.name else []
        return f"RunnableBranch({', '.join([*pairs, self.branch(made.default), *name])})"

    def routed(self, made: Any) -> str:
        """`RouterRunnable({...})`."""
        self.takes("anabranch.nodes", "RouterRunnable")
        name = f", name={made.name!r}" if made.name else ""
        return f"RouterRunnable({self.dictionary(made.runnables)}{name})"

    def picked(self, made: Any) -> str:
        """`RunnablePick(...)`."""
        self.takes("anabranch.nodes", "RunnablePick")
        return self.call("RunnablePick", [made.keys], {"name": made.name} if made.name else {})

    def configurable(self, made: Any) -> str:
        """`x.configurable_fields(...)`."""
        return self.call(f"{self.around(made.default)}.configurable_fields", (), made.fields)

    def alternatives(self, made: Any) -> str:
        """`x.configurable_alternatives(...)`."""
        said: dict[str, Any] = {} if made.default_key == "default" else {"default_key": made.default_key}
        if made.prefix_keys:
            said["prefix_keys"] = True
        return self.call(
            f"{self.around(made.default)}.configurable_alternatives", [made.which], {**said, **made.alternatives}
        )

    def dag(self, made: Any) -> str:
        """`from_dag(...)`, of a graph that the lines before it make."""
        self._dags += 1
        name = "dag" if self._dags == 1 else f"dag{self._dags}"
        lines = [f"{name} = nx.DiGraph()"]
        for vertex, runnable in made.vertices.items():
            lines.append(f"{name}.add_node({self.value(vertex)}, runnable={self.branch(runnable)})")
        for vertex, inputs in made._inputs.items():
            for port, start in inputs.items():
                said = "" if port is None else f", port={port!r}"
                lines.append(f"{name}.add_edge({self.value(start)}, {self.value(vertex)}{said})")
        self.lines += lines
        self.takes("networkx as nx")
        self.takes("anabranch.nodes", "from_dag")
        return f"from_dag({name})" if made.name == "RunnableDag" else f"from_dag({name}, name={made.name!r})"


WRITERS: dict[type, Callable[[ProgramScript, Any], str]] = {
    RunnableSequence: ProgramScript.sequence,
    RunnableParallel: ProgramScript.parallel,
    RunnableAssign: ProgramScript.assigned,
    RunnablePick: ProgramScript.picked,
    RunnableEach: ProgramScript.mapped,
    RunnableBinding: ProgramScript.bound,
    RunnableRetry: ProgramScript.retried,
    RunnableWithFallbacks: ProgramScript.fallen_back,
    RunnableBranch: ProgramScript.chosen,
    RouterRunnable: ProgramScript.routed,
    RunnableConfigurableFields: ProgramScript.configurable,
    RunnableConfigurableAlternatives: ProgramScript.alternatives,
    RunnableDag: ProgramScript.dag,
}
