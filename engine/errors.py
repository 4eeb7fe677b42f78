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
    """The root of what this library raises on its own account. What a user's code raises is none.

    Example:
        >>> try:
        ...     RunnableLambda(len) | 5
        ... except AnabranchError as error:
        ...     print(type(error).__name__, isinstance(error, TypeError))
        NotRunnableError True
    """


class CompositionError(AnabranchError, TypeError):
    """Raised when things are composed that don't go together.

    Example:
        >>> RunnableLambda(len).with_fallbacks(str)
        Traceback (most recent call last):
            ...
        anabranch.engine.errors.CompositionError: with_fallbacks takes a list of runnables, got type: ...
    """


class NotRunnableError(CompositionError):
    """Raised when something in `|` or in a dict can't be made a runnable.

    Example:
        >>> RunnableLambda(len) | 5
        Traceback (most recent call last):
            ...
        anabranch.engine.errors.NotRunnableError: expected a runnable, a function or a dict, got int: 5. ...
    """


class EdgeTypeError(CompositionError):
    """Raised when a step's output certainly can't be the next step's input.

    Example:
        >>> def words(text: str) -> list[str]:
        ...     return text.split()
        >>> def half(number: float) -> float:
        ...     return number / 2
        >>> RunnableLambda(words) | half
        Traceback (most recent call last):
            ...
        anabranch.engine.errors.EdgeTypeError: 'words' gives list[str], but 'half' takes float: list[str] ...
    """


class GraphError(AnabranchError, ValueError):
    """Raised when a graph can't run: a cycle, no step at all, two inputs on one port.

    Example:
        >>> import networkx as nx
        >>> from_dag(nx.DiGraph([(len, str), (str, len)]))
        Traceback (most recent call last):
            ...
        anabranch.engine.errors.GraphError: a cycle can't run: len -> str -> len
    """


class ConfigError(AnabranchError, ValueError):
    """Raised when a config has a wrong key or value.

    Example:
        >>> RunnableLambda(len).invoke("abc", {"tags": "mine"})
        Traceback (most recent call last):
            ...
        anabranch.engine.errors.ConfigError: config key 'tags': expected a list of strings, got str 'mine'. ...
    """


class ChunkError(AnabranchError, TypeError):
    """Raised when chunks on one edge don't combine.

    Example:
        >>> fold([1, "a"])
        Traceback (most recent call last):
            ...
        anabranch.engine.errors.ChunkError: a chunk of type int and then one of type str don't combine. ...
    """


class StepInputError(AnabranchError, TypeError, ValueError):
    """Raised when a step gets an input that it can't take.

    Attributes:
        scope: where no step was about to run, the scope of the graph that can't take it, until that has been noted.

    Example:
        >>> StrOutputParser().invoke(5)
        Traceback (most recent call last):
            ...
        anabranch.engine.errors.StepInputError: StrOutputParser expected a message or text, got int 5
    """

    scope: int | None = None


class PortalError(AnabranchError, RuntimeError):
    """Raised when a synchronous verb would have to wait for the event loop it was called on.

    Example:
        >>> import asyncio
        >>> async def fetch(url):
        ...     return "a page"
        >>> async def main():
        ...     return RunnableLambda(fetch).invoke("/")  # which can't be awaited here; `await ... .ainvoke("/")` can
        >>> asyncio.run(main())
        Traceback (most recent call last):
            ...
        anabranch.engine.errors.PortalError: step 'fetch' is asynchronous only, and a synchronous verb was called in ...
    """


class Stopped(BaseException):
    """Raised inside a step when the call around it has been stopped: by a failure elsewhere, a timeout, a
    cancellation, or an early close. Not an `Exception`, so that a step doesn't swallow it by mistake.

    A step meets it where it calls a runnable itself. To tidy up, use `finally`, or catch it and raise it again.

    Example:
        >>> import threading
        >>> running, cancelled = threading.Event(), threading.Event()
        >>> def step(number):
        ...     running.set()
        ...     cancelled.wait()
        ...     try:
        ...         return RunnableLambda(abs).invoke(number)
        ...     except Stopped:
        ...         print("tidying up")
        ...         raise
        >>> run = RunnableLambda(step).start(-1)
        >>> running.wait(), run.cancel(), cancelled.set()
        (True, True, None)
        >>> run.result()
        Traceback (most recent call last):
            ...
        concurrent.futures._base.CancelledError: the run was cancelled
    """
