"""What spans say of runs, in the words of OpenTelemetry's semantic conventions for generative AI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from anabranch.engine import events
from anabranch.engine.json_encoding import json_line, to_json
from anabranch.engine.runs import MISSING, RunInfo

Attributes = dict[str, Any]

OPERATIONS = {
    "chat_model": "chat",
    "llm": "text_completion",
    "tool": "execute_tool",
    "retriever": "retrieval",
}
MODELS = frozenset({"chat_model", "llm"})
CLIENTS = frozenset({"chat_model", "llm", "retriever"})

REQUEST = {
    "temperature": float,
    "top_p": float,
    "frequency_penalty": float,
    "presence_penalty": float,
    "max_tokens": int,
    "top_k": int,
    "seed": int,
}
"""Settings of a model that have a name, and their types."""

USAGE = {
    "gen_ai.usage.input_tokens": ("input_tokens", "prompt_tokens"),
    "gen_ai.usage.output_tokens": ("output_tokens", "completion_tokens"),
}

LARGEST = 1 << 63
"""Integers of attributes have 64 bits, and who sends one that is larger loses all that it sends."""

ROLES = {"human": "user", "ai": "assistant"}


def operation_of(run: RunInfo) -> str | None:
    """The name of what a run does; None where there is none."""
    if run.run_type == "chain" and run.parent is None:
        return "invoke_workflow"
    return OPERATIONS.get(run.run_type)


def span_name(run: RunInfo) -> str:
    """The name of the span of a run."""
    operation = operation_of(run)
    if operation is None:
        return run.name
    named = _settings(run).get("model") if run.run_type in MODELS else run.name
    return f"{operation} {named}" if named else operation


def of_start(run: RunInfo) -> Attributes:
    """What is known when a run starts."""
    found: Attributes = {"anabranch.run.id": str(run.id), "anabranch.run.type": run.run_type}
    if run.tags:
        found["anabranch.tags"] = list(run.tags)
    for key, value in run.metadata.items():
        if value is not None:
            is_number = isinstance(value, float) or (isinstance(value, int) and abs(value) < LARGEST)
            found[f"anabranch.metadata.{key}"] = value if is_number else text_of(value)
    if operation := operation_of(run):
        found["gen_ai.operation.name"] = operation
    if run.run_type in MODELS:
        found.update(_of_request(run))
    elif run.run_type == "tool":
        call: Attributes = {"gen_ai.tool.name": run.name, "gen_ai.tool.type": "function"}
        call["gen_ai.tool.call.id"] = events.tool_call_id(run)
        call["gen_ai.tool.description"] = getattr(run.about, "description", None)
        found.update({key: str(value) for key, value in call.items() if value})
    elif operation == "invoke_workflow":
        found["gen_ai.workflow.name"] = run.name
    return found


def _of_request(run: RunInfo) -> Attributes:
    settings = _settings(run)
    found: Attributes = {"gen_ai.provider.name": _provider(run)}
    if settings.get("model"):
        found["gen_ai.request.model"] = str(settings["model"])
    for name, kind in REQUEST.items():
        value = settings.get(name)
        if isinstance(value, int | float):
            found[f"gen_ai.request.{name}"] = kind(value)
    if stop := settings.get("stop"):
        found["gen_ai.request.stop_sequences"] = [stop] if isinstance(stop, str) else [str(each) for each in stop]
    return found


def _settings(run: RunInfo) -> Mapping[str, Any]:
    """The settings of a model for this call; its name as `model`."""
    settings: dict[str, Any] = {}
    if run.about is not None:
        settings.update(run.about.options().get("invocation_params") or {})
    names = (settings.get("model"), settings.get("model_name"), run.metadata.get("ls_model_name"))
    settings["model"] = next(
        filter(None, (*names, *(getattr(run.node, key, None) for key in ("model", "model_name")))), None
    )
    for name in ("temperature", "max_tokens", "stop"):
        settings.setdefault(name, run.metadata.get(f"ls_{name}"))
    return settings


def _provider(run: RunInfo) -> str:
    return str(run.metadata.get("ls_provider") or type(run.node).__name__)


def of_output(run: RunInfo) -> Attributes:
    """What is known, without its content, when a run has ended."""
    if run.run_type not in MODELS or run.output is MISSING:
        return {}
    message = run.output
    about = dict(getattr(message, "response_metadata", None) or {})
    overall = _overall(run)
    found: Attributes = {}
    if model := about.get("model_name") or about.get("model") or overall.get("model_name"):
        found["gen_ai.response.model"] = str(model)
    if id := about.get("id") or getattr(message, "id", None):
        found["gen_ai.response.id"] = str(id)
    if reason := about.get("finish_reason") or about.get("stop_reason"):
        found["gen_ai.response.finish_reasons"] = [str(reason)]
    usages = [getattr(message, "usage_metadata", None)]
    usages += [facts.get(key) for facts in (about, overall) for key in ("token_usage", "usage")]
    usage = next((each for each in usages if isinstance(each, Mapping) and each), {})
    for name, keys in USAGE.items():
        tokens = next((usage[key] for key in keys if isinstance(usage.get(key), int)), None)
        if tokens is not None:
            found[name] = tokens
    return found


def _overall(run: RunInfo) -> dict[str, Any]:
    """What a model said of its answer besides the message."""
    answer = None if run.about is None else run.about.answered(run.output)
    return dict(getattr(answer, "llm_output", None) or {})


def of_content(run: RunInfo) -> Attributes:
    """What went in and came out."""
    found: Attributes = {}
    asked, answered = ("anabranch.input", "anabranch.output")
    if run.run_type == "tool":
        asked, answered = "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"
    elif run.run_type == "retriever":
        asked, answered = "gen_ai.retrieval.query.text", "gen_ai.retrieval.documents"
    elif run.run_type in MODELS:
        asked, answered = "gen_ai.input.messages", "gen_ai.output.messages"
    if run.input is not MISSING:
        value = run.input
        if run.run_type == "chat_model" and run.about is not None:
            value = _messages([each for messages in run.about.asked(value) for each in messages])
        elif run.run_type == "tool":
            value = events.asked(run)
        found[asked] = text_of(value)
    if run.output is not MISSING and run.error is None:
        value = run.output
        if run.run_type == "chat_model":
            reasons = of_output(run).get("gen_ai.response.finish_reasons", ["stop"])
            value = [{**each, "finish_reason": reasons[0]} for each in _messages([value])]
        found[answered] = text_of(value)
    return found


def _messages(messages: Iterable[Any]) -> list[dict[str, Any]]:
    """Messages as the conventions have them: a role, and parts."""
    made = []
    for message in messages:
        role = getattr(message, "role", None) or str(getattr(message, "type", "")).removesuffix("MessageChunk").lower()
        text = getattr(message, "text", None)
        parts: list[dict[str, Any]] = []
        if role == "tool":
            parts.append({"type": "tool_call_response", "id": message.tool_call_id, "response": text})
        elif text:
            parts.append({"type": "text", "content": text})
        parts += [
            {"type": "tool_call", "id": call["id"], "name": call["name"], "arguments": call["args"]}
            for call in getattr(message, "tool_calls", None) or ()
        ]
        made.append({"role": ROLES.get(role, role), "parts": parts})
    return made


def text_of(value: Any) -> str:
    """A value as text that UTF-8 can take: itself, or as JSON."""
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    return json_line(to_json(value)).decode()


def type_name(error: BaseException | None) -> str:
    """The name of an error's type, as spans have it."""
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def error_message(error: BaseException | None) -> str:
    """What an error says."""
    try:
        return str(error)
    except Exception:
        return ""
