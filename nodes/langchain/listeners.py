"""Our runs, told to LangChain's callback managers, so that its handlers and tracers see LangChain's objects.

Each run becomes one of LangChain's, below that of its parent, with the same id.
"""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from anabranch.engine.runs import Listener
from anabranch.nodes.extras import import_extra
from anabranch.nodes.langchain.relays import Relaying
from anabranch.nodes.langchain.values import to_langchain_value
from anabranch.scheduler.handlers import Fresh, HandlerListener
from anabranch.scheduler.managers import CallbackManager, children


class TheirListener(HandlerListener):
    """Tells a handler of LangChain's that stands in our callbacks, in LangChain's objects."""

    def _method(self, name: str) -> Any:
        method = super()._method(name)
        if method is None:
            return None

        def told(*data: Any, **about: Any) -> Any:
            about = {key: to_langchain_value(value) for key, value in about.items()}
            return method(*map(to_langchain_value, data), **about)

        return told


STARTS = ("on_chain_start", "on_chat_model_start", "on_llm_start", "on_retriever_start", "on_tool_start")
ENDS = tuple(name.replace("start", "end") for name in STARTS if "chat_model" not in name)
ERRORS = tuple(name.replace("end", "error") for name in ENDS)


class LangChainForwarder:
    """A handler of ours that tells a manager of LangChain's.

    Args:
        manager: under which the outermost runs stand.
        root: of LangChain's run managers that which stands for the first of our runs, and has been told of already.
    """

    twin: LangChainForwarder | None = None
    raise_error = True  # what LangChain's handlers raise, its managers log or raise

    def __init__(self, manager: Any, root: Any = None) -> None:
        self.manager = manager
        self._root = root
        self._runs: dict[UUID, Any] = {}

    def _begun(self, method: str, serialized: Any, value: Any, about: dict[str, Any]) -> Any:
        """What LangChain answers when it is told of a start, or a coroutine of that; None for the root."""
        run_id, parent_id = about.pop("run_id"), about.pop("parent_run_id", None)
        tags, metadata = about.pop("tags", None), about.pop("metadata", None)
        parent = self._runs.get(parent_id)
        if parent is None and self._root is not None:
            self._runs[run_id], self._root = self._root, None
            return None
        below = getattr(parent, "get_child", None)
        manager = self.manager.copy() if below is None else below()
        manager.add_tags([tag for tag in tags or () if tag not in manager.tags], inherit=False)
        manager.add_metadata(metadata or {}, inherit=False)
        value = to_langchain_value(value)
        about = {key: to_langchain_value(each) for key, each in about.items() if each is not None}
        return getattr(manager, method)(serialized or {}, value, run_id=run_id, **about)

    def _keep(self, run_id: UUID, told: Any) -> None:
        if told is not None:
            self._runs[run_id] = told[0] if isinstance(told, list) else told

    def _told(self, method: str, data: tuple[Any, ...], about: dict[str, Any]) -> Any:
        """What LangChain answers when it is told of anything else, or a coroutine of that."""
        run_id = about.pop("run_id")
        run = self._runs.get(run_id)
        if run is None:
            return None
        data = tuple(map(to_langchain_value, data))
        if method == "on_custom_event":
            return run.get_child().on_custom_event(*data, run_id)
        if method in ENDS or method in ERRORS:
            del self._runs[run_id]
            if run.run_id != run_id:
                return None  # the root, whose end LangChain tells of itself
        if method == "on_llm_new_token":
            tell = getattr(run, method, None)
            return None if tell is None else tell(*data, chunk=to_langchain_value(about["chunk"]))
        tell = getattr(run, method, None)
        late = {"inputs": to_langchain_value(about["inputs"])} if "inputs" in about else {}
        return None if tell is None else tell(*data, **late)


def _start(name: str) -> Any:
    def started(self: LangChainForwarder, serialized: Any, value: Any, **about: Any) -> None:
        run_id = about["run_id"]
        self._keep(run_id, self._begun(name, serialized, value, about))

    return started


def _astart(name: str) -> Any:
    async def started(self: LangChainForwarder, serialized: Any, value: Any, **about: Any) -> None:
        run_id = about["run_id"]
        told = self._begun(name, serialized, value, about)
        self._keep(run_id, None if told is None else await told)

    return started


def _other(name: str) -> Any:
    def told(self: LangChainForwarder, *data: Any, **about: Any) -> None:
        self._told(name, data, about)

    return told


def _aother(name: str) -> Any:
    async def told(self: LangChainForwarder, *data: Any, **about: Any) -> None:
        coroutine = self._told(name, data, about)
        if coroutine is not None:
            await coroutine

    return told


OTHERS = (*ENDS, *ERRORS, "on_llm_new_token", "on_text", "on_retry", "on_custom_event")

BlockingForwarder = type(
    "BlockingForwarder",
    (LangChainForwarder,),
    {name: _start(name) for name in STARTS} | {name: _other(name) for name in OTHERS},
)
AsyncForwarder = type(
    "AsyncForwarder",
    (LangChainForwarder,),
    {name: _astart(name) for name in STARTS} | {name: _aother(name) for name in OTHERS},
)


def forwarder(manager: Any, root: Any = None) -> LangChainForwarder:
    """A handler for a manager of LangChain's, blocking or not, as that is. For the arguments see the class."""
    if not getattr(manager, "is_async", False):
        return cast(LangChainForwarder, BlockingForwarder(manager, root))
    made = cast(LangChainForwarder, AsyncForwarder(manager, root))
    made.twin = cast(LangChainForwarder, BlockingForwarder(_blocking(manager)))
    return made


def _blocking(manager: Any) -> Any:
    """LangChain's blocking manager for the same handlers, for a synchronous call on an event loop."""
    library = import_extra("langchain_core.callbacks", "langchain", "a LangChain object")
    return library.CallbackManager(
        handlers=manager.handlers,
        inheritable_handlers=manager.inheritable_handlers,
        parent_run_id=manager.parent_run_id,
        tags=manager.tags,
        inheritable_tags=manager.inheritable_tags,
        metadata=manager.metadata,
        inheritable_metadata=manager.inheritable_metadata,
    )


def adopted(manager: Any, root: Any = None) -> CallbackManager:
    """A manager of ours for one of LangChain's, whose handlers are told of what is run under ours.

    Handlers of ours among them are told by us. A run of LangChain's that we know, as it is inside one of our steps, is
    the parent.

    Args:
        manager: that of LangChain's.
        root: see `LangChainForwarder`.
    """
    ours = [each for each in manager.handlers if isinstance(each, Listener | Fresh)]
    relays = [each for each in manager.handlers if isinstance(each, Relaying)]
    if relays:
        made = children(relays[-1].run_below(manager.parent_run_id))
    else:
        made = CallbackManager(
            inheritable_tags=manager.inheritable_tags, inheritable_metadata=manager.inheritable_metadata
        )
    for each in ours:
        made.add_handler(each)
    if len(ours) + len(relays) < len(manager.handlers):
        rest = manager.copy()
        for handler in (*ours, *relays):
            rest.remove_handler(handler)
        made.add_handler(forwarder(rest, root))
    return made
