"""Exceptions that both sides know: what one of them raises can be caught by the class of the other."""

from __future__ import annotations

from functools import cache
from typing import Any, NoReturn

from anabranch.nodes.extras import import_extra
from anabranch.nodes.parsers.output_errors import OutputParserException
from anabranch.nodes.tools.outputs import ToolException


def as_both(error: BaseException) -> BaseException:
    """An exception of a class of either side as one of both classes; any other as it is.

    Example:
        >>> from langchain_core.exceptions import OutputParserException as Theirs
        >>> error = as_both(Theirs("no JSON", llm_output="so be it"))
        >>> isinstance(error, OutputParserException), isinstance(error, Theirs), error.llm_output
        (True, True, 'so be it')
    """
    both = _pairs().get(type(error))
    if both is None:
        return error
    made: BaseException = both.__new__(both, *error.args)  # not initialised: it has all that the other has
    made.__dict__.update({"error": str(error)} if issubclass(both, OutputParserException) else {}, **error.__dict__)
    made.__cause__, made.__context__ = error.__cause__, error.__context__
    made.__suppress_context__ = True
    return made.with_traceback(error.__traceback__)


def raise_as_both(error: BaseException) -> NoReturn:
    """Raise what `as_both` makes of an exception that is being handled."""
    both = as_both(error)
    if both is error:
        raise error
    raise both from both.__cause__


@cache
def _pairs() -> dict[type, Any]:
    """For each class of either side the class below both."""
    parsing = import_extra("langchain_core.exceptions", "langchain", "a LangChain object").OutputParserException
    failing = import_extra("langchain_core.tools", "langchain", "a LangChain object").ToolException
    found: dict[type, Any] = {}
    for ours, theirs in ((OutputParserException, parsing), (ToolException, failing)):
        both = type(ours.__name__, (ours, theirs), {"__doc__": ours.__doc__, "__module__": ours.__module__})
        found |= {ours: both, theirs: both}
    return found
