"""Finds the chain that a command names: `module:name` or `path/to/file.py:name`."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import os
import sys
from types import ModuleType
from typing import Any

from anabranch.engine.errors import CompositionError
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.runnables import Runnable
from anabranch.viz.asking import AskedWrongly, reason

FORM = "a chain is named module:name or path/to/file.py:name, such as examples/any_dag.py:chain"


def load_chain(target: str) -> Runnable[Any, Any]:
    """The chain that a target names. Modules are looked for in the current directory first.

    The name may have dots. A function that needs no argument is called to make the chain; a function that needs one,
    and a dict, become a chain as they do in `|`.

    Args:
        target: `module:name` or `path/to/file.py:name`.

    Raises:
        AskedWrongly: when there is no such chain; it says what there is.
    """
    place, colon, name = target.rpartition(":")
    if not colon or not place or not name:
        raise AskedWrongly(f"{target!r} names no chain; {FORM}")
    module = _from_file(place) if place.endswith(".py") else _from_module(place)
    found: Any = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise AskedWrongly(f"{place} has no {name!r}{_instead(module, name)}") from None
    return _made(found, target)


def _from_module(name: str) -> ModuleType:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    if os.sep in name or name.startswith("."):
        raise AskedWrongly(f"{name!r} is no module; {FORM}")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _broken(name, error) from error
        raise AskedWrongly(f"there is no module {name!r}, in {os.getcwd()} or installed; {FORM}") from error
    except Exception as error:
        raise _broken(name, error) from error


def _from_file(path: str) -> ModuleType:
    if not os.path.isfile(path):
        raise AskedWrongly(f"there is no file {path}; {FORM}")
    folder, name = os.path.dirname(os.path.abspath(path)), os.path.basename(path).removesuffix(".py")
    if folder not in sys.path:
        sys.path.insert(0, folder)  # as if it were run: what stands beside it can be imported
    known = sys.modules.get(name)
    if known is not None:
        if getattr(known, "__file__", None) is not None and os.path.samefile(str(known.__file__), path):
            return known
        name = f"anabranch_target_{name}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _broken(path, error) from error
    return module


def _broken(place: str, error: Exception) -> AskedWrongly:
    """What is told of a module that raises when it is imported: the error, and the line where it came from."""
    at, line = error.__traceback__, ""
    while at is not None and not isinstance(error, SyntaxError):  # that says itself where it is
        path = at.tb_frame.f_code.co_filename
        if not path.startswith("<") and path != __file__ and os.path.exists(path):
            line = f" ({os.path.relpath(path)}:{at.tb_lineno})"
        at = at.tb_next
    return AskedWrongly(f"{place} can't be imported: {type(error).__name__}: {reason(error)}{line}")


def _instead(module: ModuleType, name: str) -> str:
    """What a module has instead of a name that it hasn't."""
    chains = [each for each, value in vars(module).items() if isinstance(value, Runnable)]
    near = difflib.get_close_matches(name, [each for each in vars(module) if not each.startswith("_")], 1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; its chains are {', '.join(chains)}" if chains else "; there is no chain in it"


def _made(found: Any, target: str) -> Runnable[Any, Any]:
    if not isinstance(found, Runnable) and callable(found) and not _needs_arguments(found):
        if inspect.iscoroutinefunction(found):
            raise AskedWrongly(f"{target} is a coroutine function; one that makes a chain is a plain function")
        try:
            found = found()
        except Exception as error:
            text = f"{target} was called to make a chain, and raised {type(error).__name__}: {reason(error)}"
            raise AskedWrongly(text) from error
    try:
        return coerce_to_runnable(found)
    except CompositionError as error:
        raise AskedWrongly(f"{target} is no chain, but of type {type(found).__name__}") from error


def _needs_arguments(function: Any) -> bool:
    """Whether a function can't be called without arguments."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(each.default is each.empty and each.kind not in optional for each in parameters)
