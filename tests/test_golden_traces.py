"""Event streams and run logs are those that LangChain's documentation prints. What it prints stands in `golden/`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import jsonpatch
import pytest
from verbs import alist

from anabranch.nodes import (
    AIMessageChunk,
    BaseChatModel,
    BaseRetriever,
    ChatGenerationChunk,
    ChatPromptTemplate,
    Document,
    FakeStreamingListLLM,
    LogEntry,
    Runnable,
    RunnableLambda,
    RunnablePassthrough,
    RunState,
    StrOutputParser,
)

GOLDEN = Path(__file__).parent / "golden"
PIECES = ["", "H", "arrison", " worked", " at", " Kens", "ho", ".", ""]


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


class Kensho(BaseRetriever):
    def _get_relevant_documents(self, query: str, **_: Any) -> list[Document]:
        return [Document("harrison worked at kensho")]


class Pieces(BaseChatModel):
    """Answers in the pieces of the documentation; the last one is marked, so that no other follows."""

    def _stream(self, messages: Any, stop: Any = None, **_: Any) -> Iterator[ChatGenerationChunk]:
        for at, piece in enumerate(PIECES):
            last: Any = "last" if at == len(PIECES) - 1 else None
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece, chunk_position=last))

    async def _astream(self, messages: Any, stop: Any = None, **_: Any) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in self._stream(messages):
            yield chunk


def chain_of_the_page() -> Runnable[Any, str]:
    template = "Answer the question based only on the following context:\n{context}\n\nQuestion: {question}\n"
    docs = Kensho().with_config(run_name="Docs", tags=["FAISS", "OpenAIEmbeddings"])
    model = Pieces().with_config(run_name="my_llm")
    prompt = ChatPromptTemplate.from_template(template)
    return {"context": docs, "question": RunnablePassthrough()} | prompt | model | StrOutputParser()


def blurred(value: Any) -> Any:
    """Without what differs from run to run; documents as the pages print them."""
    if isinstance(value, Document):
        return {"page_content": value.page_content}
    if isinstance(value, dict):
        return {key: blurred(each) for key, each in value.items() if key not in ("id", "start_time", "end_time")}
    return [blurred(each) for each in value] if isinstance(value, list) else value


def patches() -> list[Any]:
    log = chain_of_the_page().astream_log("where did harrison work?", include_names=["Docs"])
    return asyncio.run(alist(log))


def test_the_run_log_of_the_page_has_the_same_operations_in_the_same_order() -> None:
    made = [[(op["op"], op["path"], blurred(op["value"])) for op in patch.ops] for patch in patches()]
    printed = [[(op["op"], op["path"], blurred(op["value"])) for op in ops] for ops in golden("astream_log_patches")]
    assert [without_times(ops) for ops in made] == [without_times(ops) for ops in printed]


def without_times(ops: list[tuple[str, str, Any]]) -> list[tuple[str, str, Any]]:
    return [(op, path, None if path.endswith("/end_time") else value) for op, path, value in ops]


def test_the_states_of_the_page_come_one_after_the_other() -> None:
    async def states() -> list[Any]:
        log = chain_of_the_page().astream_log("where did harrison work?", diff=False, include_names=["Docs"])
        return [blurred(each.state) async for each in log]

    assert asyncio.run(states()) == [blurred(state) for state in golden("astream_log_states")]


def test_the_patches_are_json_patches_to_anybody() -> None:
    made = patches()
    total = made[0]
    for patch in made[1:]:
        total = total + patch
    state: Any = None
    for patch in made:
        state = jsonpatch.apply_patch(state, blurred_values(patch.ops))
    assert blurred(state) == blurred(total.state)


def blurred_values(ops: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**op, "value": json.loads(json.dumps(op["value"], default=blurred))} for op in ops]


def test_entries_and_states_have_the_fields_of_the_page() -> None:
    async def last() -> Any:
        return (await alist(chain_of_the_page().astream_log("?", diff=False)))[-1].state

    state = asyncio.run(last())
    types = golden("run_types")
    assert {field["field"] for field in types["RunState"]} | {"name", "type"} == set(state)
    for entry in state["logs"].values():
        assert {field["field"] for field in types["LogEntry"]} | {"streamed_output"} == set(entry)


@pytest.mark.parametrize("typed", [RunState, LogEntry])
def test_the_types_of_states_and_entries_are_those_of_the_page(typed: type) -> None:
    types: dict[str, Any] = {
        "str": str,
        "List[str]": list[str],
        "List[Any]": list[Any],
        "Dict[str, Any]": dict[str, Any],
        "Dict[str, LogEntry]": dict[str, LogEntry],
        "Optional[Any]": Any | None,
        "Optional[str]": str | None,
    }
    told = get_type_hints(typed)
    for field in golden("run_types")[typed.__name__]:
        assert told[field["field"]] == types[field["annotation"]], field


@pytest.mark.parametrize("sync", [True, False])
def test_the_event_stream_of_the_page_prints_the_same(sync: bool) -> None:
    printed = golden("event_stream_printout")
    wanted: Any = {"version": "v1", "include_names": ["Docs", "my_llm"]}
    made = chain_of_the_page()
    if sync:
        events = list(made.stream_events("where did harrison work?", **wanted))
    else:
        events = asyncio.run(alist(made.astream_events("where did harrison work?", **wanted)))
    assert "".join(map(line, events)) == printed["stdout"]


def line(event: dict[str, Any]) -> str:
    """What the page's example prints for an event."""
    match event["event"]:
        case "on_retriever_end":
            documents = event["data"]["output"]["documents"]
            shown = ", ".join(f"Document(page_content={each.page_content!r})" for each in documents)
            return f"--\nRetrieved the following documents:\n[{shown}]\n"
        case "on_chat_model_start":
            return "\nStreaming LLM:\n"
        case "on_chat_model_stream":
            return f"{event['data']['chunk'].content}|"
        case "on_chat_model_end":
            return "\nDone streaming LLM.\n"
    return ""


def test_each_row_of_the_event_table_comes_from_a_real_node() -> None:
    """But for those of tools, which are components of their own."""

    def format_docs(docs: list[Document]) -> str:
        return ", ".join(each.page_content for each in docs)

    made = {"context": Kensho() | RunnableLambda(format_docs), "question": RunnablePassthrough()} | (
        ChatPromptTemplate.from_template("{context} {question}") | Pieces() | StrOutputParser()
    )
    events = [*asyncio.run(alist(made.astream_events("hello"))), *Kensho().stream_events("hello", version="v1")]
    answers = list(FakeStreamingListLLM(responses=["Hello human!"]).stream_events("hello", version="v1"))
    events += answers
    found = {event["event"].replace("on_retriever_stream", "on_retriever_chunk") for event in events}
    rows = {row["event"] for row in golden("event_table") if not row["event"].startswith("on_tool")}
    assert rows <= found
    by_name = {event["event"]: event for event in events if event["name"] != "RunnableSequence"}
    assert "input" not in by_name["on_chain_start"]["data"]
    assert by_name["on_chain_end"]["data"]["output"]
    assert set(by_name["on_prompt_end"]["data"]) == {"input", "output"}
    assert isinstance(by_name["on_chat_model_start"]["data"]["input"]["messages"][0], list)
    of_llms = {row["event"]: row for row in golden("event_table") if row["event"].startswith("on_llm")}
    assert repr(answers[0]["data"]) == of_llms["on_llm_start"]["input"]
    assert [type(event["data"]["chunk"]) for event in answers[1:-1]] == [str] * 12
    assert repr(answers[-1]["data"]["output"]) == of_llms["on_llm_end"]["input"]  # its row has one cell too few
