"""Who listens to a run, and what its children inherit: listeners, tags and metadata.

A manager is an immutable value as far as runs are concerned: a run makes another for its children. It stands in
`config["callbacks"]` where a step of a run that is listened to calls something, so that what is called finds its
parent there, and where it was not handed down, by the context variable `RUN`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import ConfigError
from anabranch.engine.graphs import Graph
from anabranch.engine.runs import Listener, RunInfo
from anabranch.scheduler.handlers import listener_of

Listeners = tuple[Listener, ...]

RUN: ContextVar[RunInfo | None] = ContextVar("anabranch_run", default=None)
"""The run whose code is running, where somebody listens."""

AMBIENT: ContextVar[Listeners] = ContextVar("anabranch_listeners", default=())
"""Who listens to everything that is started in this context."""

EVERYWHERE: list[Listener] = []
"""Who listens to everything that is started in this process."""

ADOPTED: dict[str, Callable[[Any], CallbackManager]] = {}
"""What makes a manager of one of another library, by that library's name."""


class CallbackManager:
    """Handlers, tags and metadata for a run that is about to start, and for its children.

    What is inheritable goes to the run and to all below it; what isn't, to the run alone.

    Args:
        handlers: told of this run only.
        inheritable_handlers: told of this run and of all below it.
        parent_run_id: of a run that is known by its id only.
        tags, inheritable_tags, metadata, inheritable_metadata: for this run only; for it and all below it.

    Example:
        >>> tracer = RunCollectorCallbackHandler()
        >>> manager = CallbackManager([], [tracer], inheritable_tags=["nightly"])
        >>> (RunnableLambda(abs) | str).invoke(-1, {"callbacks": manager})
        '1'
        >>> [run.tags for run in tracer.traced_runs[0].child_runs]
        [['seq:step:1', 'nightly'], ['seq:step:2', 'nightly']]
    """

    __slots__ = (
        "_parent_id",
        "listeners",
        "local",
        "local_metadata",
        "local_tags",
        "metadata_below",
        "named",
        "parent",
        "tags_below",
    )

    def __init__(
        self,
        handlers: Sequence[Any] = (),
        inheritable_handlers: Sequence[Any] | None = None,
        parent_run_id: UUID | None = None,
        *,
        tags: Sequence[str] | None = None,
        inheritable_tags: Sequence[str] | None = None,
        metadata: dict[str, Any] | None = None,
        inheritable_metadata: dict[str, Any] | None = None,
    ) -> None:
        inheritable = list(inheritable_handlers or ())
        self.listeners: Listeners = tuple(map(listener_of, inheritable))
        self.local: Listeners = tuple(listener_of(h) for h in handlers if not any(h is i for i in inheritable))
        self.tags_below: list[str] = list(inheritable_tags or ())
        self.local_tags: list[str] = [tag for tag in tags or () if tag not in self.tags_below]
        self.metadata_below: dict[str, Any] = dict(inheritable_metadata or {})
        self.local_metadata: dict[str, Any] = dict(metadata or {})
        self.parent: RunInfo | None = None
        self.named: tuple[str | None, UUID | None] = (None, None)  # what the next run is called, if that was asked for
        self._parent_id = parent_run_id

    @classmethod
    def below(
        cls,
        listeners: Listeners,
        tags: list[str],
        metadata: dict[str, Any],
        parent: RunInfo | None,
        local_tags: list[str],
    ) -> CallbackManager:
        """The manager of a run's children."""
        made = cls.__new__(cls)
        made.listeners, made.tags_below, made.metadata_below, made.parent = listeners, tags, metadata, parent
        made.local, made.local_tags, made.local_metadata, made._parent_id = (), local_tags, {}, None
        made.named = (None, None)
        return made

    # As users of LangChain know it

    @property
    def handlers(self) -> list[Any]:
        """Those who are told of the next run."""
        return [listener.handler for listener in (*self.listeners, *self.local)]

    @property
    def inheritable_handlers(self) -> list[Any]:
        """Those who are told of all below it, too."""
        return [listener.handler for listener in self.listeners]

    @property
    def tags(self) -> list[str]:
        """The tags of the next run."""
        return [*self.local_tags, *self.tags_below]

    @property
    def inheritable_tags(self) -> list[str]:
        """The tags of all below it."""
        return list(self.tags_below)

    @property
    def metadata(self) -> dict[str, Any]:
        """The metadata of the next run."""
        return {**self.metadata_below, **self.local_metadata}

    @property
    def inheritable_metadata(self) -> dict[str, Any]:
        """The metadata of all below it."""
        return dict(self.metadata_below)

    @property
    def parent_run_id(self) -> UUID | None:
        """The id of the run around the next one."""
        return self._parent_id if self.parent is None else self.parent.id

    def copy(self) -> CallbackManager:
        """Another of the same."""
        made = CallbackManager.below(
            self.listeners, list(self.tags_below), dict(self.metadata_below), self.parent, list(self.local_tags)
        )
        made.local, made.local_metadata, made._parent_id = self.local, dict(self.local_metadata), self._parent_id
        made.named = self.named
        return made

    def add_handler(self, handler: Any, inherit: bool = True) -> None:
        """Let one more listen: to all below too, if it is to be inherited. One that listens already is left out."""
        if any(handler is each for each in self.handlers):
            return
        if inherit:
            self.listeners = (*self.listeners, listener_of(handler))
        else:
            self.local = (*self.local, listener_of(handler))

    def remove_handler(self, handler: Any) -> None:
        """Let one listen no more."""
        self.listeners = tuple(each for each in self.listeners if each.handler is not handler)
        self.local = tuple(each for each in self.local if each.handler is not handler)

    def set_handlers(self, handlers: Iterable[Any], inherit: bool = True) -> None:
        """Let these listen, and nobody else: to all below too, if they are to be inherited."""
        self.listeners = self.local = ()
        for handler in handlers:
            self.add_handler(handler, inherit)

    def add_tags(self, tags: Iterable[str], inherit: bool = True) -> None:
        """Add those tags that aren't there: to all below too, if they are to be inherited."""
        into = self.tags_below if inherit else self.local_tags
        into.extend(tag for tag in tags if tag not in self.tags)

    def add_metadata(self, metadata: dict[str, Any], inherit: bool = True) -> None:
        """Add metadata, which replace those of the same keys: to all below too, if they are to be inherited."""
        (self.metadata_below if inherit else self.local_metadata).update(metadata)

    def merge(self, other: Any) -> CallbackManager:
        """Both of them: the parent of this one, or that of the other if that is deeper in the tree of runs."""
        made = self.copy()
        other = other if isinstance(other, CallbackManager) else converted(other)
        for handler in other.inheritable_handlers:
            made.add_handler(handler)
        for handler in other.handlers:
            made.add_handler(handler, inherit=False)
        made.add_tags(other.inheritable_tags)
        made.add_tags(other.tags, inherit=False)
        made.metadata_below.update(other.inheritable_metadata)
        made.local_metadata.update(other.metadata)
        made.parent = _deeper(made.parent, other.parent)
        return made

    def __bool__(self) -> bool:
        return bool(self.listeners or self.local)

    # Runs

    def run(
        self,
        name: str,
        run_type: str,
        place_tags: Sequence[str] = (),
        bound: RunnableConfig | None = None,
        id: UUID | None = None,
    ) -> RunInfo:
        """A run under this manager; `bound` is the config bound to what runs."""
        parent = self.parent
        if parent is not None and parent.wake is not None:
            parent.wake()
        listeners, tags, metadata = self.listeners, self.tags_below, self.metadata_below
        local = self.local
        if bound:
            if callbacks := bound.get("callbacks"):
                more = callbacks if isinstance(callbacks, CallbackManager) else converted(callbacks)
                listeners, local = joined(listeners, more.listeners), joined(local, more.local)
            if own := bound.get("tags"):
                tags = list(dict.fromkeys([*tags, *own]))
            if about := bound.get("metadata"):
                metadata = {**metadata, **about}
        first = [*self.local_tags, *place_tags]
        run = RunInfo(
            name,
            run_type,
            parent,
            list(dict.fromkeys([*first, *tags])) if first and tags else first or tags.copy(),
            {**metadata, **self.local_metadata} if self.local_metadata else metadata.copy(),
            joined(listeners, local) if local else listeners,
            id,
        )
        run.children_of = (listeners, tags, metadata)
        return run

    def hidden(self, place_tags: Sequence[str], bound: RunnableConfig | None) -> RunInfo:
        """What stands for a step that is no run of its own: what runs in it is as if it stood in its place."""
        run = self.run("", "chain", place_tags, bound)
        _, tags, metadata = run.children_of
        run.children_of = (run.listeners, tags, metadata)
        run.about = HIDDEN
        run.listeners = ()
        run.node = [*self.local_tags, *place_tags]
        return run


def _deeper(run: RunInfo | None, other: RunInfo | None) -> RunInfo | None:
    """The other run if it is part of the first, or there is no first; otherwise the first."""
    at = other
    while at is not None and at is not run:
        at = at.parent
    return other if at is run else run


HIDDEN = object()


def claim(id: UUID, name: str, parent: RunInfo | None) -> None:
    """Give an id that was asked for to a run below this one.

    Raises:
        ConfigError: when a run of the same tree has it.
    """
    if parent is None:
        return
    root, holder = parent, None
    while True:
        if root.id == id:
            holder = root.name
        if root.parent is None:
            break
        root = root.parent
    if root.claimed is None:
        root.claimed = {}
    holder = holder or root.claimed.get(id)
    if holder is not None:
        raise ConfigError(
            f"config key 'run_id': {id}, given for {name!r}, is that of {holder!r} in the same tree of runs. "
            "Give each run an id of its own, or none."
        )
    root.claimed[id] = name


def children(run: RunInfo, tag: str | None = None) -> CallbackManager:
    """The manager of what a run calls; `tag` marks the next run only."""
    listeners, tags, metadata = run.children_of
    if run.about is HIDDEN:
        made = CallbackManager.below(listeners, tags, metadata, run.parent, [*run.node, *([tag] if tag else [])])
        made.named = run.named
        return made
    return CallbackManager.below(listeners, tags, metadata, run, [tag] if tag else [])


def joined(listeners: Listeners, more: Listeners) -> Listeners:
    """Both, each handler once."""
    known = {id(listener.handler) for listener in listeners}
    added = tuple(listener for listener in more if id(listener.handler) not in known)
    return (*listeners, *added) if added else listeners


def converted(callbacks: Any) -> CallbackManager:
    """A manager of what stands in a config: a list of handlers, or a manager of another make."""
    if isinstance(callbacks, list | tuple):
        return CallbackManager((), callbacks)
    adopted = ADOPTED.get(type(callbacks).__module__.partition(".")[0])
    if adopted is not None:
        return adopted(callbacks)
    return CallbackManager(
        callbacks.handlers,
        getattr(callbacks, "inheritable_handlers", None),
        getattr(callbacks, "parent_run_id", None),
        tags=getattr(callbacks, "tags", None),
        inheritable_tags=getattr(callbacks, "inheritable_tags", None),
        metadata=getattr(callbacks, "metadata", None),
        inheritable_metadata=getattr(callbacks, "inheritable_metadata", None),
    )


def below(config: RunnableConfig | None, run: RunInfo, tag: str | None = None) -> RunnableConfig:
    """The config of what a run calls."""
    made: Any = {key: value for key, value in (config or {}).items() if key not in ("run_name", "run_id")}
    made["callbacks"] = children(run, tag)
    return made  # type: ignore[no-any-return]


def set_variables(variables: Iterable[tuple[ContextVar[Any], Any]]) -> None:
    """Set context variables, such as those of a run for its code."""
    for variable, value in variables:
        variable.set(value)


def variables_around(run: RunInfo) -> Sequence[tuple[ContextVar[Any], Any]]:
    """What is seen here in place of what the code of a run is to see."""
    return [(variable, variable.get()) for variable, _ in run.variables] if run.variables else ()


def is_heard(config: RunnableConfig | None, graph: Graph) -> bool:
    """Whether anybody listens to a call of a graph."""
    if config is not None and config.get("callbacks"):
        return True
    return bool(AMBIENT.get() or EVERYWHERE) or graph.listens


def managed(config: RunnableConfig | None) -> RunnableConfig:
    """The config of a call that is listened to, with a manager for its root."""
    return {**(config or {}), "callbacks": manager_of(config)}


def manager_of(config: RunnableConfig | None) -> CallbackManager:
    """The manager that a config asks for, with its tags and metadata."""
    callbacks = config.get("callbacks") if config else None
    made = CallbackManager() if callbacks is None else callbacks
    made = made.copy() if isinstance(made, CallbackManager) else converted(made)
    if ambient := (*EVERYWHERE, *AMBIENT.get()):
        made.listeners = joined(made.listeners, ambient)
    if config:
        if tags := config.get("tags"):
            made.tags_below = list(dict.fromkeys([*made.tags_below, *tags]))
        if metadata := config.get("metadata"):
            made.metadata_below.update(metadata)
    return made
