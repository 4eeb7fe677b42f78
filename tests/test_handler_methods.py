"""Which method of a handler is called for which fact, with what, and for which none is."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from appearances import Seen
from verbs import one_after_another

from anabranch.engine.runs import Listener, RunInfo
from anabranch.nodes import AsyncCallbackHandler, BaseCallbackHandler
from anabranch.scheduler.handler_faults import tolerate
from anabranch.scheduler.handler_kinds import EVENTS
from anabranch.scheduler.handlers import FOREIGN, Fresh, HandlerListener, listener_of, serialized_of

METHODS = [
    *(f"on_{kind}_{what}" for kind in ("chain", "llm", "retriever", "tool") for what in ("start", "end", "error")),
    *("on_chat_model_start", "on_llm_new_token", "on_text", "on_retry", "on_custom_event"),
]


class Told:
    """What a handler was told: the method, what came by place, and what by name."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []


def _telling(name: str) -> Callable[..., None]:
    def method(self: Told, *args: Any, **named: Any) -> None:
        self.calls.append((name, args, named))

    return method


def handler_with(*names: str, **flags: Any) -> Any:
    return type("Handler", (Told,), {**{name: _telling(name) for name in names}, **flags})()


class Node:
    name: str | None = None


PARENT = RunInfo("around", "chain", None, [], {}, (), UUID(int=1))


def run_of(run_type: str, about: Any = None, parent: Any = PARENT, **known: Any) -> RunInfo:
    run = RunInfo("mine", run_type, parent, ["t"], {"m": 1}, (), UUID(int=2))
    run.about, run.node = about, Node()
    for name, value in known.items():
        setattr(run, name, value)
    return run


PLACE = {"run_id": UUID(int=2), "parent_run_id": UUID(int=1), "tags": ["t"]}
START = {**PLACE, "metadata": {"m": 1}, "name": "mine"}
NODE = {"lc": 1, "type": "not_implemented", "id": [*__name__.split("."), "Node"], "name": "Node"}
TOOL = {**NODE, "name": "shown", "description": "does it"}


def told_of(handler: Any, what: str, run: RunInfo, *data: Any) -> Any:
    """What a handler is told of a fact, once for every time that it is told: it is asked twice."""
    for _ in range(2):
        assert getattr(HandlerListener(handler), what)(run, *data) is None
    listener = HandlerListener(handler)
    for _ in range(2):
        getattr(listener, what)(run, *data)
    calls = handler.calls
    assert all(call == calls[0] for call in calls)
    assert len(calls) in (0, 4)
    return calls[0] if calls else None


class TestStarts:
    @pytest.mark.parametrize("run_type", ["chain", "prompt", "parser"])
    def test_of_a_chain(self, run_type: str) -> None:
        shown, kind = (None, None) if run_type == "chain" else (NODE, run_type)
        more = {**START, "run_type": kind}
        wanted: Any = ("on_chain_start", (shown, "x"), more)
        assert told_of(handler_with(*METHODS), "started", run_of(run_type, input="x")) == wanted
        wanted = ("on_chain_start", (shown, {"input": ""}), {**more, "parent_run_id": None})
        assert told_of(handler_with(*METHODS), "started", run_of(run_type, parent=None)) == wanted

    @pytest.mark.parametrize(
        ("about", "known", "prompts", "options"),
        [
            (Seen(), {"input": "x"}, ["asked", "x"], {"option": 1}),
            (Seen(), {}, ["asked", "None"], {"option": 1}),
            (None, {"input": "x"}, ["x"], {}),
            (None, {}, [None], {}),
        ],
    )
    def test_of_a_model_of_text(self, about: Any, known: Any, prompts: Any, options: Any) -> None:
        wanted = ("on_llm_start", (NODE, prompts), {**START, **options})
        assert told_of(handler_with(*METHODS), "started", run_of("llm", about, **known)) == wanted

    @pytest.mark.parametrize(
        ("about", "messages", "prompts", "options"),
        [(Seen(), ["asked", "x"], ["asked", "x"], {"option": 1}), (None, ["x"], ["x"], {})],
    )
    def test_of_a_chat_model(self, about: Any, messages: Any, prompts: Any, options: Any) -> None:
        run = run_of("chat_model", about, input="x")
        wanted = ("on_chat_model_start", (NODE, messages), {**START, **options})
        assert told_of(handler_with(*METHODS), "started", run) == wanted
        wanted = ("on_llm_start", (NODE, prompts), {**START, **options})
        assert told_of(handler_with("on_llm_start"), "started", run) == wanted
        assert told_of(handler_with(*METHODS, ignore_chat_model=True), "started", run) is None
        assert told_of(handler_with("on_chat_model_start"), "started", run_of("llm", about, input="x")) is None

    def test_of_a_chat_model_for_a_handler_that_only_takes_texts(self) -> None:
        def refuses(self: Any, *args: Any, **named: Any) -> None:
            raise NotImplementedError

        run = run_of("chat_model", Seen(), input="x")
        handler = handler_with("on_llm_start", on_chat_model_start=refuses)
        assert told_of(handler, "started", run) == ("on_llm_start", (NODE, ["asked", "x"]), {**START, "option": 1})

    def test_of_a_retriever(self) -> None:
        for known, query in (({"input": "x"}, "x"), ({}, None)):
            wanted = ("on_retriever_start", (NODE, query), START)
            assert told_of(handler_with(*METHODS), "started", run_of("retriever", **known)) == wanted

    def test_of_a_tool(self) -> None:
        class Asked(Seen):
            def asked(self, value: Any) -> Any:
                return {"value": value}

        for about, known, text, inputs, call in (
            (Seen(), {"input": "x"}, "['asked', 'x']", None, "call of x"),
            (Asked(), {"input": "x"}, "{'value': 'x'}", {"value": "x"}, "call of x"),
            (Seen(), {}, "None", None, None),
        ):
            wanted = ("on_tool_start", (TOOL, text), {**START, "inputs": inputs, "tool_call_id": call})
            assert told_of(handler_with(*METHODS), "started", run_of("tool", about, **known)) == wanted
        wanted = ("on_tool_start", (NODE, "x"), {**START, "inputs": None, "tool_call_id": None})
        assert told_of(handler_with(*METHODS), "started", run_of("tool", input="x")) == wanted


class TestEnds:
    @one_after_another("run_type", EVENTS)
    def test_tell_the_output(self, run_type: str) -> None:
        method, is_chain = f"on_{EVENTS[run_type]}_end", EVENTS[run_type] == "chain"
        for about, known, output in (
            (None, {"output": "y"}, "y"),
            (Seen(), {"output": "y"}, {"answered": "y"}),
            (Seen(), {}, None),
        ):
            if about is None or not is_chain:
                run = run_of(run_type, about, **known)
                name = {"name": "mine" if about is None else "shown"} if run_type == "tool" else {}
                assert told_of(handler_with(*METHODS), "ended", run) == (method, (output,), {**PLACE, **name})
        run = run_of(run_type, parent=None, output="y")
        assert told_of(handler_with(*METHODS), "ended", run)[2]["parent_run_id"] is None

    @one_after_another("run_type", EVENTS)
    def test_tell_the_input_too_where_a_chain_started_without(self, run_type: str) -> None:
        late = {"inputs": "x"} if EVENTS[run_type] == "chain" else {}
        place = {**PLACE, "name": "mine"} if run_type == "tool" else PLACE
        run = run_of(run_type, came_late=True, input="x", output="y")
        wanted = (f"on_{EVENTS[run_type]}_end", ("y",), {**place, **late})
        assert told_of(handler_with(*METHODS), "ended", run) == wanted
        run = run_of(run_type, came_late=True, output="y")
        assert told_of(handler_with(*METHODS), "ended", run) == (wanted[0], ("y",), place)


class TestFailures:
    @one_after_another("run_type", EVENTS)
    def test_tell_the_error(self, run_type: str) -> None:
        error = ValueError("no")
        for late in (False, True):
            run = run_of(run_type, error=error, input="x", came_late=late)
            more: dict[str, Any] = {"tool_call_id": None} if run_type == "tool" else {}
            more |= {"inputs": "x"} if late and EVENTS[run_type] == "chain" else {}
            wanted = (f"on_{EVENTS[run_type]}_error", (error,), {**PLACE, **more})
            assert told_of(handler_with(*METHODS), "failed", run) == wanted

    @pytest.mark.parametrize("run_type", EVENTS)
    def test_of_a_model_tell_what_it_has_answered_so_far(self, run_type: str) -> None:
        run = run_of(run_type, Seen(), error=ValueError("no"), output="y")
        told = told_of(handler_with(*METHODS), "failed", run)[2]
        assert told.get("response") == ({"answered": "y"} if EVENTS[run_type] == "llm" else None)
        run = run_of(run_type, error=ValueError("no"), output="y")
        assert "response" not in told_of(handler_with(*METHODS), "failed", run)[2]

    def test_of_a_tool_tell_the_call_that_it_answers(self) -> None:
        run = run_of("tool", Seen(), error=ValueError("no"), input="x")
        assert told_of(handler_with(*METHODS), "failed", run)[2] == {**PLACE, "tool_call_id": "call of x"}


class TestChunks:
    @one_after_another("run_type", EVENTS)
    def test_of_models_are_tokens_and_no_others_are_told(self, run_type: str) -> None:
        wanted = ("on_llm_new_token", ("<c>",), {"chunk": ("piece", "c"), **PLACE})
        is_model = EVENTS[run_type] == "llm"
        told = told_of(handler_with(*METHODS), "chunk", run_of(run_type, Seen()), "c")
        assert told == (wanted if is_model else None)
        assert told_of(handler_with(*METHODS), "chunk", run_of(run_type), "c") is None


class TestWhatRunsTell:
    def test_has_methods_of_its_own(self) -> None:
        run = run_of("tool")
        custom = {"run_id": UUID(int=2), "tags": ["t"], "metadata": {"m": 1}}
        assert told_of(handler_with(*METHODS), "told", run, "custom_event", "n", 1) == (
            *("on_custom_event", ("n", 1), custom),
        )
        assert told_of(handler_with(*METHODS), "told", run, "text", "a") == ("on_text", ("a",), PLACE)
        assert told_of(handler_with(*METHODS), "told", run, "retry", "state") == ("on_retry", ("state",), PLACE)
        assert told_of(handler_with("on_text"), "told", run, "retry", "state") is None

    @pytest.mark.parametrize("what", ["custom_event", "retry", "text"])
    def test_can_be_ignored(self, what: str) -> None:
        handler = handler_with(*METHODS, **{f"ignore_{what}": True})
        assert told_of(handler, "told", run_of("chain"), what, "a") is None
        ignores_runs = handler_with(*METHODS, ignore_chain=True)
        assert told_of(ignores_runs, "told", run_of("chain"), what, "a") is not None


@one_after_another("flag", ["ignore_chain", "ignore_llm", "ignore_retriever", "ignore_agent"])
@one_after_another("run_type", EVENTS)
def test_a_handler_ignores_the_runs_that_it_says(run_type: str, flag: str) -> None:
    kind = {"tool": "agent"}.get(EVENTS[run_type], EVENTS[run_type])
    ignored = flag == f"ignore_{kind}"
    for what, data in (("started", ()), ("ended", ()), ("failed", ())):
        if (run_type, what) != ("chat_model", "started"):
            told = told_of(handler_with(*METHODS, **{flag: True}), what, run_of(run_type, Seen(), input="x"), *data)
            assert (told is None) == ignored
    if EVENTS[run_type] == "llm":
        told = told_of(handler_with(*METHODS, **{flag: True}), "chunk", run_of(run_type, Seen()), "c")
        assert (told is None) == ignored


@one_after_another("run_type", EVENTS)
def test_methods_that_are_not_there_or_do_nothing_are_not_called(run_type: str) -> None:
    run = run_of(run_type, Seen(), input="x", output="y")
    for handler in (handler_with(), BaseCallbackHandler()):
        listener = HandlerListener(handler)
        for _ in range(2):
            told = [listener.started(run), listener.chunk(run, "c"), listener.ended(run), listener.failed(run)]
            assert told == [None] * 4
            assert listener.told(run, "text", "a") is None


class TestWhatItIsDeafTo:
    def test_is_what_it_has_methods_for_that_do_nothing(self) -> None:
        everything = {(run_type, what) for run_type in EVENTS for what in ("started", "ended", "failed", "chunk")}
        assert HandlerListener(BaseCallbackHandler()).deaf_to == everything
        tokenless = {(run_type, "chunk") for run_type in EVENTS if EVENTS[run_type] != "llm"}
        for handler in (handler_with(*METHODS), handler_with()):
            assert HandlerListener(handler).deaf_to == tokenless

    @one_after_another(
        ("method", "heard"),
        [
            ("on_chain_start", {("chain", "started"), ("prompt", "started"), ("parser", "started")}),
            ("on_chain_end", {("chain", "ended"), ("prompt", "ended"), ("parser", "ended")}),
            ("on_chain_error", {("chain", "failed"), ("prompt", "failed"), ("parser", "failed")}),
            ("on_llm_start", {("llm", "started"), ("chat_model", "started")}),
            ("on_chat_model_start", {("chat_model", "started")}),
            ("on_llm_end", {("llm", "ended"), ("chat_model", "ended")}),
            ("on_llm_new_token", {("llm", "chunk"), ("chat_model", "chunk")}),
            ("on_tool_start", {("tool", "started")}),
            ("on_retriever_error", {("retriever", "failed")}),
        ],
    )
    def test_is_not_what_it_has_a_method_for(self, method: str, heard: set[tuple[str, str]]) -> None:
        everything = HandlerListener(BaseCallbackHandler()).deaf_to
        handler: Any = type("Handler", (BaseCallbackHandler,), {method: _telling(method)})()
        assert everything - HandlerListener(handler).deaf_to == heard

    def test_is_not_known_of_a_handler_that_finds_its_methods_as_it_is_asked(self) -> None:
        class Finds:
            def __getattribute__(self, name: str) -> Any:
                return super().__getattribute__(name)

        tokenless = {(run_type, "chunk") for run_type in EVENTS if EVENTS[run_type] != "llm"}
        for bases in ((Finds, BaseCallbackHandler), (BaseCallbackHandler, Finds)):
            handler: Any = type("Handler", bases, {})()
            assert HandlerListener(handler).deaf_to == tokenless


class TestCoroutines:
    def test_make_a_listener_asynchronous_whose_blocking_methods_run_in_a_thread(self) -> None:
        threads: list[int] = []

        class Mixed:
            run_inline = True

            async def on_chain_start(self, *args: Any, **named: Any) -> str:
                return "awaited"

            def on_chain_end(self, *args: Any, **named: Any) -> None:
                threads.append(threading.get_ident())

        listener = HandlerListener(Mixed())

        async def main() -> None:
            run = run_of("chain")
            assert await listener.started(run) == "awaited"
            await listener.ended(run)

        asyncio.run(main())
        assert len(threads) == 1
        assert threads != [threading.get_ident()]
        assert (listener.is_async, listener.inline, listener.twin) == (True, False, None)

    def test_of_a_chat_model_for_a_handler_that_only_takes_texts(self) -> None:
        heard: list[Any] = []

        class Texts(AsyncCallbackHandler):
            async def on_llm_start(self, serialized: Any, prompts: Any, **named: Any) -> None:
                heard.append(prompts)

        class Both(Texts):
            async def on_chat_model_start(self, serialized: Any, messages: Any, **named: Any) -> None:
                heard.append(("messages", messages))

        class Refuses(Texts):
            async def on_chat_model_start(self, serialized: Any, messages: Any, **named: Any) -> None:
                raise NotImplementedError

        class RefusesAll(AsyncCallbackHandler):
            async def on_chat_model_start(self, serialized: Any, messages: Any, **named: Any) -> None:
                raise NotImplementedError

        async def main() -> None:
            for kind in (Texts, Both, Refuses, RefusesAll):
                told = HandlerListener(kind()).started(run_of("chat_model", Seen(), input="x"))
                if told is not None:
                    await told

        asyncio.run(main())
        assert heard == [["asked", "x"], ("messages", ["asked", "x"]), ["asked", "x"]]

    def test_may_have_a_twin_that_blocks(self) -> None:
        class Awaits(AsyncCallbackHandler):
            def __init__(self, twin: Any) -> None:
                self.twin = twin

            async def on_chain_start(self, *args: Any, **named: Any) -> None: ...

        twin = handler_with("on_chain_start")
        listener = HandlerListener(Awaits(twin))
        assert listener.twin is not None
        assert listener.twin.handler is twin
        blocking = handler_with("on_chain_start", twin=twin)
        assert HandlerListener(blocking).twin is None


def test_a_blocking_handler_is_inline_if_it_says_so() -> None:
    assert not HandlerListener(handler_with("on_chain_start")).inline
    listener = HandlerListener(handler_with("on_chain_start", run_inline=True))
    assert (listener.inline, listener.is_async) == (True, False)


class TestWhoListensForAHandler:
    def test_is_itself_or_what_it_makes_or_what_calls_its_methods(self) -> None:
        class Makes(Fresh):
            def listener(self) -> Listener:
                return Listener()

        itself, makes, handler = Listener(), Makes(), handler_with("on_chain_start")
        assert listener_of(itself) is itself
        assert listener_of(makes) is not listener_of(makes)
        made = listener_of(handler)
        assert isinstance(made, HandlerListener)
        assert made.handler is handler
        with pytest.raises(NotImplementedError):
            listener_of(Fresh())

    def test_is_what_another_library_s_handlers_are_told_by(self, monkeypatch: pytest.MonkeyPatch) -> None:
        theirs, mine, listener = object(), handler_with("on_chain_start"), Listener()
        monkeypatch.setattr(
            f"{listener_of.__module__}.FOREIGN", [*FOREIGN, lambda each: listener if each is theirs else None]
        )
        assert listener_of(theirs) is listener
        assert listener_of(mine) is not listener


class TestWhatRuns:
    def test_is_told_by_its_class_and_name_and_not_of_chains(self) -> None:
        assert serialized_of(run_of("prompt")) == NODE
        assert serialized_of(run_of("chain")) is None
        assert serialized_of(run_of("prompt", node=None)) is None
        assert serialized_of(run_of("tool", Seen())) == TOOL
        assert serialized_of(run_of("tool")) == NODE
        assert serialized_of(run_of("llm", Seen())) == NODE

    def test_goes_by_its_own_name_if_it_has_one(self) -> None:
        named = Node()
        named.name = "own"
        assert serialized_of(run_of("prompt", node=named)) == {**NODE, "name": "own"}


class TestAHandlerThatRaises:
    def test_is_logged_once_by_the_name_that_is_given_or_its_class(self, caplog: pytest.LogCaptureFixture) -> None:
        first, second = handler_with(), handler_with()
        with caplog.at_level(logging.WARNING, "anabranch"):
            for handler, name in ((first, None), (first, None), (second, "mine")):
                tolerate(handler, ValueError("no"), "ended", name)
            HandlerListener(first).broke(ValueError("no"), "ended")
        assert [record.getMessage() for record in caplog.records] == [
            f"callback handler {name} raised ValueError('no'), told of 'ended'; "
            "the run goes on, and this is logged once"
            for name in ("Handler", "mine")
        ]

    def test_that_nobody_can_refer_to_weakly_is_logged_each_time(self, caplog: pytest.LogCaptureFixture) -> None:
        class Slotted:
            __slots__ = ()

        handler = Slotted()
        for _ in range(2):
            tolerate(handler, ValueError("no"), "ended")
        assert len(caplog.records) == 2

    def test_and_wants_to_break_the_run_does(self) -> None:
        error = ValueError("no")
        with pytest.raises(ValueError, match="no") as caught:
            HandlerListener(handler_with(raise_error=True)).broke(error, "ended")
        assert caught.value is error
