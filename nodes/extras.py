"""Libraries that only some nodes need.

They are imported when such a node is made; the error where one is missing says how to get it.
"""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

from anabranch.engine.errors import AnabranchError


class MissingExtraError(AnabranchError, ImportError):
    """Raised when a node is made whose library isn't installed. It says how to get it.

    Example:
        >>> from anabranch.nodes.extras import import_extra
        >>> import_extra("no_such_library", "nothing", "MyNode")
        Traceback (most recent call last):
            ...
        anabranch.nodes.extras.MissingExtraError: MyNode needs the package no_such_library, which is not installed: ...
    """


def require_extra(module: str, extra: str, needed_by: str) -> None:
    """See that `import_extra` will find a module, without importing it.

    Raises:
        MissingExtraError: an `ImportError`, when it isn't installed.
    """
    if find_spec(module) is None:
        raise _missing(module, extra, needed_by)


def import_extra(module: str, extra: str, needed_by: str) -> Any:
    """The module, which the optional dependencies `extra` of anabranch bring.

    Args:
        module: its name, such as `opentelemetry.trace`.
        extra: what to install, as in `anabranch[extra]`.
        needed_by: who needs it, for the error.

    Raises:
        MissingExtraError: an `ImportError`, when it isn't installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # it is there, and lacks something itself
        raise _missing(module, extra, needed_by) from error


def _missing(module: str, extra: str, needed_by: str) -> MissingExtraError:
    return MissingExtraError(
        f"{needed_by} needs the package {module.partition('.')[0]}, which is not installed: "
        f'pip install "anabranch[{extra}]"'
    )
