"""Contents of messages as OpenAI's protocol has them: text, images, files and sound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from anabranch.engine.errors import StepInputError
from anabranch.nodes.messages.content_blocks import flat_block
from anabranch.nodes.messages.merging import Content

UNSAID = frozenset(
    {
        "function_call",
        "invalid_tool_call",
        "reasoning",
        "reasoning_content",
        "redacted_thinking",
        "thinking",
        "tool_call",
        "tool_call_chunk",
        "tool_use",
    }
)
"""Types of blocks that are said elsewhere in a message, or not told to anybody."""


def told_content(content: Content) -> str | list[dict[str, Any]]:
    """A content in the form of the protocol.

    Args:
        content: text, or a list of texts and blocks. Blocks of the types `text`, `image`, `file` and `audio` may have
            LangChain's form (`url`, or `base64` and `mime_type`, or `file_id`) or that of the protocol, which other
            types must have.

    Raises:
        StepInputError: a `TypeError`, when a block has no form that the protocol knows.
    """
    return content if isinstance(content, str) else list(_blocks(content))


def _blocks(content: list[str | dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for block in content:
        if isinstance(block, str):
            yield {"type": "text", "text": block}
            continue
        kind = block.get("type", "text" if "text" in block else None)
        if kind in UNSAID:
            continue
        told = TOLD.get(kind) if isinstance(kind, str) else None
        yield told(block) if told else {key: value for key, value in block.items() if key != "index"}


def _text(block: dict[str, Any]) -> dict[str, Any]:
    extra = {key: block[key] for key in ("cache_control",) if key in block}
    return {"type": "text", "text": block["text"], **extra}


def _image_url(block: dict[str, Any]) -> dict[str, Any]:
    url = block.get("image_url")
    return {"type": "image_url", "image_url": {"url": url} if isinstance(url, str) else url}


def _image(block: dict[str, Any]) -> dict[str, Any]:
    block = flat_block(block)
    url = block.get("url") or _data_url(block)
    if url is None:
        raise _untellable(block, "an image needs 'url', or 'base64' and 'mime_type'")
    detail = {"detail": block["detail"]} if "detail" in block else {}
    return {"type": "image_url", "image_url": {"url": url, **detail}}


def _file(block: dict[str, Any]) -> dict[str, Any]:
    if "file" in block:
        return {"type": "file", "file": block["file"]}
    block = flat_block(block)
    if "file_id" in block:
        return {"type": "file", "file": {"file_id": block["file_id"]}}
    data = _data_url(block)
    if data is None:
        raise _untellable(block, "a file needs 'file_id', or 'base64' and 'mime_type'; the API takes no addresses")
    # The API wants a name, by whose end it knows what to do.
    name = block.get("filename") or f"file.{_subtype(block)}"
    return {"type": "file", "file": {"file_data": data, "filename": name}}


def _audio(block: dict[str, Any]) -> dict[str, Any]:
    block = flat_block(block)
    if not block.get("base64"):
        raise _untellable(block, "sound needs 'base64' and 'mime_type'")
    form = {"mpeg": "mp3", "x-wav": "wav"}.get(_subtype(block), _subtype(block))
    return {"type": "input_audio", "input_audio": {"data": block["base64"], "format": form}}


TOLD = {
    "text": _text,
    "text-plain": _text,
    "image_url": _image_url,
    "image": _image,
    "file": _file,
    "audio": _audio,
}


def _data_url(block: dict[str, Any]) -> str | None:
    data, kind = block.get("base64"), block.get("mime_type")
    return f"data:{kind};base64,{data}" if data and kind else None


def _subtype(block: dict[str, Any]) -> str:
    return str(block.get("mime_type") or "audio/wav").partition("/")[2]


def _untellable(block: dict[str, Any], why: str) -> StepInputError:
    held = ", ".join(repr(key) for key in block if key != "type")
    kind = f"a block of type {block['type']!r}"
    return StepInputError(f"{kind} can't be told to OpenAI: {why}; it has {held or 'nothing'}")
