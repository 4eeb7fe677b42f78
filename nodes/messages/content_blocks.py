"""Contents as standard blocks: text, reasoning, images, sound, files and tool calls in one form, whoever said them.

A block is a dict with a `type`. The standard types are these; what has another type is wrapped.

    text, reasoning, text-plain     what is said, thought, or attached as text
    image, audio, video, file       `url`, or `base64` with `mime_type`, or `file_id`
    tool_call and its kin           as in the fields of a message
    non_standard                    `value` holds a block of a provider's own
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from anabranch.nodes.messages.merging import Content

Block = dict[str, Any]

STANDARD = frozenset(
    {
        "text",
        "reasoning",
        "text-plain",
        "image",
        "audio",
        "video",
        "file",
        "tool_call",
        "tool_call_chunk",
        "invalid_tool_call",
        "server_tool_call",
        "server_tool_call_chunk",
        "server_tool_result",
        "non_standard",
    }
)


def standard_blocks(content: Content) -> list[Block]:
    """A content as standard blocks; an empty text is none.

    Example:
        >>> standard_blocks(["See", {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}])
        [{'type': 'text', 'text': 'See'}, {'type': 'image', 'url': 'https://example.org/a.png'}]
    """
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return [{"type": "text", "text": block} if isinstance(block, str) else standard_block(block) for block in content]


def standard_block(block: Block) -> Block:
    """A block in the standard form. It may have OpenAI's, Anthropic's, or that of LangChain before its version 1."""
    kind = block.get("type")
    if kind is None and isinstance(block.get("text"), str):
        return {"type": "text", **block}
    if isinstance(kind, str):
        made = READ[kind](block) if kind in READ else dict(block) if kind in STANDARD else None
        if made is not None:
            return made
    return {"type": "non_standard", "value": block}


def blocks_with_calls(content: Content, calls: Iterable[Mapping[str, Any]], kind: str) -> list[Block]:
    """The standard blocks of a content, and those of the calls that don't stand in it.

    Args:
        content: a call may stand in it, too, in the standard form or as Anthropic's `tool_use`.
        calls: the calls, or pieces of calls, of the message.
        kind: the type of their blocks: `tool_call` or `tool_call_chunk`.
    """
    rest: list[Block] = [{"type": kind} | dict(call) | {"type": kind} for call in calls]
    blocks = []
    for block in standard_blocks(content):
        told = block.get("value", block) if block["type"] == "non_standard" else block
        if isinstance(told, Mapping) and told.get("type") in ("tool_use", kind):
            same = [call for call in rest if call.get("id") == told.get("id")]
            block = same[0] if same else block
            rest = [call for call in rest if call not in same[:1]]
        blocks.append(block)
    return blocks + rest


def calls_in(blocks: Iterable[Any]) -> list[Block]:
    """The tool calls among standard blocks, as the field `tool_calls` has them."""
    called = (each for each in blocks if isinstance(each, Mapping) and each.get("type") == "tool_call")
    return [{key: call.get(key) for key in ("name", "args", "id")} for call in called]


def flat_block(block: Block) -> Block:
    """A block of media of any form that goes around, in the one with `url`, `base64`, `mime_type`, `file_id`."""
    source = block.get("source")
    inner: Block = source if isinstance(source, dict) else block
    extras = {**(block.get("metadata") or {}), **(block.get("extras") or {})}
    flat = {**extras, **block, **inner, "type": block["type"]}
    if "data" in flat:
        flat.setdefault("base64", flat["data"])
    if "media_type" in flat:
        flat.setdefault("mime_type", flat["media_type"])
    if inner.get("source_type") == "id":
        flat.setdefault("file_id", flat.get("id"))
    return flat


def _media(block: Block) -> Block | None:
    if not {"source", "source_type", "data"} & block.keys():
        return dict(block)
    if block.get("source_type") == "text":
        return {"type": "text-plain", "text": block.get("text", "")}
    flat = flat_block(block)
    told = {key: flat[key] for key in MEDIA if key in flat}
    if block.get("source_type") == "id":
        del told["id"]
    return {"type": block["type"], **told}


def _document(block: Block) -> Block | None:
    made = _media({**block, "type": "file"})
    if made and made.get("mime_type") == "text/plain":
        return {"type": "text-plain", "text": made["base64"], "mime_type": "text/plain"}
    return made


def _image_url(block: Block) -> Block | None:
    image = block.get("image_url")
    about = {"url": image} if isinstance(image, str) else image
    if not isinstance(about, Mapping) or not isinstance(about.get("url"), str):
        return None
    return _located("image", about["url"], about, "url")


def _input_audio(block: Block) -> Block | None:
    sound = block.get("input_audio")
    if not isinstance(sound, Mapping) or "data" not in sound:
        return None
    return {"type": "audio", "base64": sound["data"], "mime_type": f"audio/{sound.get('format', 'wav')}"}


def _file(block: Block) -> Block | None:
    if "file" not in block:
        return _media(block)
    about = block["file"]
    if not isinstance(about, Mapping):
        return None
    if "file_id" in about:
        return {"type": "file", "file_id": about["file_id"]}
    data = about.get("file_data")
    return _located("file", data, about, "file_data") if isinstance(data, str) else None


def _thinking(block: Block) -> Block | None:
    extras = {key: value for key, value in block.items() if key not in ("type", "thinking", "index")}
    return {"type": "reasoning", "reasoning": block.get("thinking", ""), **({"extras": extras} if extras else {})}


def _located(kind: str, url: str, about: Mapping[str, Any], key: str) -> Block:
    """A block of media by its address, which may hold the data itself."""
    head, comma, data = url.partition(",")
    inline = comma and head.startswith("data:") and head.endswith(";base64")
    found = {"base64": data, "mime_type": head[5:-7]} if inline else {"url": url}
    extras = {name: value for name, value in about.items() if name != key}
    return {"type": kind, **found, **({"extras": extras} if extras else {})}


MEDIA = ("id", "url", "base64", "mime_type", "file_id")

READ: dict[str, Callable[[Block], Block | None]] = {
    "image_url": _image_url,
    "input_audio": _input_audio,
    "file": _file,
    "document": _document,
    "image": _media,
    "audio": _media,
    "video": _media,
    "thinking": _thinking,
}
"""How the forms of providers are read, by their types; none comes of a block that isn't in that form."""
