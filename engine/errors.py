"""What may go wrong, in one tree.

    AnabranchError
    ├── CompositionError (TypeError)    a chain that can't be: raised when composing
    │   ├── NotRunnableError            something in `|` or a dict that can't be made a runnable
    │   └── EdgeTypeError               an output that certainly can't be the next step's input
    ├── GraphError (ValueError)         a graph that can't run: a cycle, an empty chain, a missing port
    ├── ConfigError (ValueError)        a config with a wrong key or value
    ├── ChunkError (TypeError)          chunks on one edge that don't combine
    ├── StepInputError (TypeError, ValueError)      a step got something it can't take
    └── PortalError (RuntimeError)      a synchronous verb would have to wait for the loop it runs on
    Stopped (BaseException)             raised inside a step whose call was stopped; never caught by us

An exception of a user's own code is raised itself, with a note that names the step and its place.
"""

from __future__ import annotations


class AnabranchError(Exception):
    """The root of what this library raises on its own account."""


class CompositionError(AnabranchError, TypeError):
    """Raised when things are composed that don't go together."""


class NotRunnableError(CompositionError):
    """Raised when something in `|` or in a dict can't be made a runnable."""


class EdgeTypeError(CompositionError):
    """Raised when a step's output certainly can't be the next step's input."""


class GraphError(AnabranchError, ValueError):
    """Raised when a graph can't run: a cycle, no step at all, two inputs on one port."""


class ConfigError(AnabranchError, ValueError):
    """Raised when a config has a wrong key or value."""


class ChunkError(AnabranchError, TypeError):
    """Raised when chunks on one edge don't combine."""


class StepInputError(AnabranchError, TypeError, ValueError):
    """Raised when a step gets an input that it can't take.

    Attributes:
        scope: where no step was about to run, the scope of the graph that can't take it, until that has been noted.
    """

    scope: int | None = None


class PortalError(AnabranchError, RuntimeError):
    """Raised when a synchronous verb would have to wait for the event loop it was called on."""


class Stopped(BaseException):
    """Raised inside a step when the call around it has been stopped: by a failure elsewhere, a timeout, a
    cancellation, or an early close. Not an `Exception`, so that a step doesn't swallow it by mistake."""
