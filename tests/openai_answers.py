"""What OpenAI's protocol makes of an answer: one object, or the events of a stream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

FACTS = {"created": 1_700_000_000, "system_fingerprint": "fp_1", "service_tier": "default"}
USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 5,
    "total_tokens": 12,
    "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 2,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}


def call(number: int, name: str, arguments: str) -> dict[str, Any]:
    """A tool call as the protocol has it."""
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


@dataclass(frozen=True)
class Answer:
    """An answer of the chat API: messages (without their role), one for each choice.

    Args:
        message: the message of the first choice.
        *others: those of the other choices.
        reason: why it ends.
        usage: what it costs.
        logprobs: of the whole answer, if asked for.
    """

    message: dict[str, Any]
    others: tuple[dict[str, Any], ...] = ()
    reason: str = "stop"
    usage: dict[str, Any] | None = field(default_factory=lambda: USAGE)
    logprobs: dict[str, Any] | None = None

    def whole(self, body: dict[str, Any]) -> dict[str, Any]:
        choices = [
            {
                "index": index,
                "message": {"role": "assistant", "content": None, "refusal": None, **message},
                "logprobs": self.logprobs,
                "finish_reason": self.reason,
            }
            for index, message in enumerate((self.message, *self.others))
        ]
        return {**_head("chat.completion", body), "choices": choices, "usage": self.usage}

    def pieces(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        head = _head("chat.completion.chunk", body)
        counts = (body.get("stream_options") or {}).get("include_usage")
        extra: dict[str, Any] = {"usage": None} if counts else {}
        for index, message in enumerate((self.message, *self.others)):
            for delta, reason in _deltas(message, self.reason):
                logprobs = self.logprobs if delta.get("content") else None
                choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
                yield {**head, "choices": [choice], **extra}
        if counts:
            yield {**head, "choices": [], "usage": self.usage}


def _deltas(message: dict[str, Any], reason: str) -> Iterator[tuple[dict[str, Any], str | None]]:
    yield {"role": "assistant", "content": None if message.get("content") is None else "", "refusal": None}, None
    for key, text in message.items():
        for word in re.findall(r"\s*\S+|\s+$", text) if isinstance(text, str) else ():
            yield {key: word}, None
    for index, made in enumerate(message.get("tool_calls") or []):
        function = made["function"]
        begun = {**made, "index": index, "function": {"name": function["name"], "arguments": ""}}
        yield {"tool_calls": [begun]}, None
        for piece in re.findall(r"(?s).{1,5}", function["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}, None
    yield {}, reason


def completion_of(body: dict[str, Any]) -> dict[str, Any]:
    """What the completions API says: each prompt, louder."""
    prompts = [body["prompt"]] if isinstance(body["prompt"], str) else body["prompt"]
    choices = [
        {"text": text.upper(), "index": index, "logprobs": None, "finish_reason": "stop"}
        for index, text in enumerate(text for text in prompts for _ in range(body.get("n") or 1))
    ]
    usage = {"prompt_tokens": len(prompts), "completion_tokens": len(choices), "total_tokens": 2}
    return {**_head("text_completion", body), "id": "cmpl-1", "choices": choices, "usage": usage}


def completion_pieces(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    whole = completion_of({**body, "n": 1})
    head = {name: value for name, value in whole.items() if name not in ("choices", "usage")}
    for word in re.findall(r"\s*\S+|\s+$", whole["choices"][0]["text"]):
        yield {**head, "choices": [{"text": word, "index": 0, "logprobs": None, "finish_reason": None}]}
    yield {**head, "choices": [{"text": "", "index": 0, "logprobs": None, "finish_reason": "stop"}]}
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {**head, "choices": [], "usage": whole["usage"]}


def vector_of(text: str, dimensions: int) -> list[float]:
    """A vector that tells texts apart; its numbers are exact in 32 bits."""
    numbers = [float(len(text)), float(sum(text.encode())), 0.5]
    return (numbers * dimensions)[:dimensions]


def _head(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": kind, "model": f"{body['model']}-2024", **FACTS}
