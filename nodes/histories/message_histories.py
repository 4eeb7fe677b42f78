"""A runnable that remembers: what was said goes in front of what is said, and both sides are kept in the end.

A run of it has two parts. The first reads the history that config names, and makes the input of the runnable; it is
the step `load_history` or `insert_history` in traces. The second runs the runnable, and hands its chunks on while it
adds them up; when they have come to their end, question and answer are kept. So nothing is kept of a run that
fails, or whose stream is closed early.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import CompositionError, ConfigError, StepInputError
from anabranch.engine.graphs import Graph
from anabranch.engine.operators import Flow, Operator, Run
from anabranch.engine.value_types import DictType
from anabranch.nodes.asking_parts import Asking, asks_parts
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.configurable_fields import ConfigurableFieldSpec
from anabranch.nodes.deferred import schemas
from anabranch.nodes.functions import RunnableLambda
from anabranch.nodes.histories.keeping import HISTORY, TURN, Kept, Turn, said_in, turn_in
from anabranch.nodes.in_thread import in_thread
from anabranch.nodes.messages.any_message import AnyMessage
from anabranch.nodes.messages.messages import BaseMessage
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.values import Value

if TYPE_CHECKING:
    from pydantic import BaseModel

SESSION = ConfigurableFieldSpec(
    id="session_id",
    annotation=str,
    name="Session ID",
    description="Unique identifier for a session.",
    default="",
    is_shared=True,
)


class RunnableWithMessageHistory(Value, Runnable[Any, Any]):
    """Runs a runnable with the history of a session, and keeps there what was said and what was answered.

    The session is told in config: `{"configurable": {"session_id": "ada"}}`. What is said may be text, a message, a
    list of messages, or a dict that holds one of these under a key; what is answered likewise. Nothing is kept of a
    run that fails, or of a stream that is closed early.

    Args:
        runnable: what answers. Without `history_messages_key` it gets the history and what is said as one list.
        get_session_history: makes the history of a session, from its id. With several keys in
            `history_factory_config` its parameters have the names of these. It may be asynchronous.
        input_messages_key: where in a dict is what is said. By default under its only key, or "input".
        output_messages_key: where in a dict is the answer. By default under its only key, or "output".
        history_messages_key: where in a dict the runnable gets the history, as a list of messages.
        history_factory_config: what of `configurable` names the session.

    Raises:
        CompositionError: a `TypeError`, when the parameters of `get_session_history` don't fit.
        ConfigError: a `ValueError`, when config doesn't name the session.
        StepInputError: a `TypeError`, when what is said or answered can't be kept as messages.

    Example:
        >>> sessions = {}
        >>> def history_of(session_id):
        ...     return sessions.setdefault(session_id, InMemoryChatMessageHistory())
        >>> prompt = ChatPromptTemplate.from_messages(
        ...     [("system", "You are {role}."), MessagesPlaceholder("history"), ("human", "{question}")]
        ... )
        >>> model = FakeListChatModel(responses=["Hello Ada!", "You are Ada."])
        >>> chat = RunnableWithMessageHistory(
        ...     prompt | model, history_of, input_messages_key="question", history_messages_key="history"
        ... )
        >>> ada = {"configurable": {"session_id": "ada"}}
        >>> chat.invoke({"role": "kind", "question": "Hi, I'm Ada."}, ada).content
        'Hello Ada!'
        >>> chat.invoke({"role": "kind", "question": "Who am I?"}, ada).content
        'You are Ada.'
        >>> print(sessions["ada"])
        Human: Hi, I'm Ada.
        AI: Hello Ada!
        Human: Who am I?
        AI: You are Ada.
    """

    def __init__(
        self,
        runnable: Any,
        get_session_history: Callable[..., Any],
        *,
        input_messages_key: str | None = None,
        output_messages_key: str | None = None,
        history_messages_key: str | None = None,
        history_factory_config: Sequence[ConfigurableFieldSpec] | None = None,
    ) -> None:
        self.runnable: Runnable[Any, Any] = coerce_to_runnable(runnable)
        self.get_session_history = get_session_history
        self.input_messages_key = input_messages_key
        self.output_messages_key = output_messages_key
        self.history_messages_key = history_messages_key
        self.history_factory_config = (SESSION,) if history_factory_config is None else tuple(history_factory_config)
        self._history_of = _called_with(get_session_history, [spec.id for spec in self.history_factory_config])
        name = "load_history" if history_messages_key is None else "insert_history"
        if inspect.iscoroutinefunction(get_session_history):
            self._load = RunnableLambda(self._aloaded, name=name)
        else:
            self._load = RunnableLambda(self._loaded, self._aloaded, name=name)
        self._answer = Kept(self.runnable, self.output_messages_key)

    # What it is

    @property
    def InputType(self) -> Any:
        """A dict, where keys of one are told of."""
        return Any if self.input_messages_key is None and self.history_messages_key is None else dict[str, Any]

    @property
    @asks_parts
    def OutputType(self) -> Asking[Any]:
        """That of the runnable."""
        return (yield self.runnable)

    def get_input_schema(self, config: RunnableConfig | None = None) -> type[BaseModel]:
        """What is said, or a dict that holds it."""
        said: Any = str | AnyMessage | list[AnyMessage]
        if self.input_messages_key is not None:
            said = DictType({self.input_messages_key: said})
        return schemas.schema_of(said, "RunnableWithChatHistoryInput")

    @asks_parts
    def get_output_schema(self, config: RunnableConfig | None = None) -> Asking[type[BaseModel]]:
        """That of the runnable."""
        model: type[BaseModel] = yield self.runnable, config
        return model

    def _own_specs(self) -> list[ConfigurableFieldSpec]:
        return list(self.history_factory_config)

    def _parts(self) -> list[Runnable[Any, Any]]:
        return [self.runnable]

    def _shows(self) -> dict[str, Graph]:
        return {"runnable": self.runnable.__graph__}

    # Running

    def _operator(self, kwargs: dict[str, Any]) -> Operator:
        def flow(given: Any, config: RunnableConfig) -> Flow:
            self._session(config)  # before anything runs
            turn = Turn(
                given, said_in(given, self.input_messages_key, self.history_messages_key is not None, self.get_name())
            )
            ready = yield Run(self._load.__graph__, given, config=_with(config, {TURN: turn}))
            told = {TURN: turn, HISTORY: turn.history}
            return (yield Run(self._answer._graph_with(kwargs), ready, config=_with(config, told), last=True))

        return Operator(name=self.get_name(), flow=flow, wants_config=True, shows=self._shows)

    def _session(self, config: RunnableConfig) -> dict[str, Any]:
        """What config says of the session."""
        given = config.get("configurable") or {}
        specs = self.history_factory_config
        missing = [s.id for s in specs if given.get(s.id) is None and (s.id not in given or s.annotation is str)]
        if missing:
            wanted = ", ".join(f"{name!r}: ..." for name in missing)
            raise ConfigError(
                f"{self.get_name()} needs {' and '.join(map(repr, missing))} in config['configurable'] to know whose "
                f"history to use: give {{'configurable': {{{wanted}}}}}"
            )
        return {spec.id: given[spec.id] for spec in specs}

    def _loaded(self, given: Any, config: RunnableConfig) -> Any:
        turn = turn_in(config)
        turn.history = _checked(self._history_of(self._session(config)))
        return self._ready(turn, list(turn.history.messages))

    async def _aloaded(self, given: Any, config: RunnableConfig) -> Any:
        turn = turn_in(config)
        if inspect.iscoroutinefunction(self.get_session_history):
            turn.history = _checked(await self._history_of(self._session(config)))
        else:
            turn.history = _checked(await in_thread(self._history_of, self._session(config)))
        return self._ready(turn, list(await turn.history.aget_messages()))

    def _ready(self, turn: Turn, before: list[BaseMessage]) -> Any:
        """The input of the runnable."""
        if self.history_messages_key is not None:
            return {**turn.given, self.history_messages_key: before}
        everything = [*before, *turn.said]
        return everything if self.input_messages_key is None else {**turn.given, self.input_messages_key: everything}

    def __repr__(self) -> str:
        return f"RunnableWithMessageHistory({self.runnable!r})"


def _called_with(get_session_history: Callable[..., Any], ids: list[str]) -> Callable[[dict[str, Any]], Any]:
    """Calls it with what config says of the session: by the names of the keys; a single key may have any name there.

    Raises:
        CompositionError: when it can't be called so.
    """
    if not callable(get_session_history):
        raise CompositionError(f"get_session_history is a function of a session's id, got {get_session_history!r:.80}")
    signature = inspect.signature(get_session_history)
    if not signature.parameters:
        return partial(_without, get_session_history)
    if len(ids) == 1 and _takes(signature, None):
        return partial(_in_order, get_session_history)
    if _takes(signature, **dict.fromkeys(ids)):
        return partial(_by_name, get_session_history)
    raise CompositionError(
        f"get_session_history takes ({', '.join(signature.parameters)}), but history_factory_config has the keys "
        f"{', '.join(map(repr, ids)) or 'none'}; the parameters must have their names"
    )


def _without(get_session_history: Callable[..., Any], session: dict[str, Any]) -> Any:
    return get_session_history()


def _in_order(get_session_history: Callable[..., Any], session: dict[str, Any]) -> Any:
    return get_session_history(*session.values())


def _by_name(get_session_history: Callable[..., Any], session: dict[str, Any]) -> Any:
    return get_session_history(**session)


def _takes(signature: inspect.Signature, *args: Any, **kwargs: Any) -> bool:
    try:
        signature.bind(*args, **kwargs)
    except TypeError:
        return False
    return True


def _with(config: RunnableConfig, more: dict[str, Any]) -> RunnableConfig:
    return cast(RunnableConfig, {**config, "configurable": {**(config.get("configurable") or {}), **more}})


def _checked(history: Any) -> Any:
    if not hasattr(history, "add_messages"):  # `messages` would be read by asking for it
        raise StepInputError(
            f"get_session_history gave {type(history).__name__} {history!r:.80}, which is no BaseChatMessageHistory"
        )
    return history
