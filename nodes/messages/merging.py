"""How the parts of message chunks combine: contents, blocks, and the dicts beside them.

Every combination is associative, since chunks of a stream may be added in any grouping. Text is appended,
lists are extended, dicts merge key by key, and of anything else the later value stands; `None` gives way.
Dicts in a list that carry the same `index` are pieces of one block. Text, a list or a dict doesn't combine
with anything else.
"""

from __future__ import annotations

from typing import Any

Content = str | list[str | dict[str, Any]]

IDENTIFYING = frozenset({"id", "index", "type", "role", "name", "model_name", "model_provider", "output_version"})
"""Keys whose values name a block, or who made it; they are repeated in each piece, not continued."""


def merge_content(left: Content, right: Content) -> Content:
    """The content of two chunks in a row: text if both are text, otherwise a list of blocks."""
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    # The left blocks are joined anew, too: else it would matter whether they had been joined before.
    merged: list[Any] = []
    for block in (*_blocks(left), *_blocks(right)):
        _append_block(merged, block)
    return merged


def merge_dicts(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """Two dicts merged key by key; neither is changed.

    Raises:
        TypeError: when two values of a key don't combine. It names the key.
    """
    merged = dict(left)
    for key, value in right.items():
        merged[key] = merge_values(key, merged.get(key), value)
    return merged


def merge_values(key: str, left: Any, right: Any) -> Any:
    """What two chunks in a row have under a key; an error says that it was under this key."""
    if left is None or right is None:
        return right if left is None else left
    if key in IDENTIFYING:
        return right if left == "" else left
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    if isinstance(left, dict) and isinstance(right, dict):
        return merge_dicts(left, right)
    if isinstance(left, list) and isinstance(right, list):
        return _merge_lists(left, right)
    if isinstance(left, str | dict | list) or isinstance(right, str | dict | list):
        raise TypeError(
            f"message chunks don't combine: under {key!r} one has {type(left).__name__}, "
            f"the next {type(right).__name__}"
        )
    return right


def _merge_lists(left: list[Any], right: list[Any]) -> list[Any]:
    merged: list[Any] = []
    for item in (*left, *right):
        if not _merge_into_indexed(merged, item):
            merged.append(item)
    return merged


def _blocks(content: Content) -> list[Any]:
    if isinstance(content, str):
        return [content] if content else []
    return content


def _append_block(blocks: list[Any], block: Any) -> None:
    if isinstance(block, str) and blocks and isinstance(blocks[-1], str):
        blocks[-1] += block
    elif not _merge_into_indexed(blocks, block):
        blocks.append(block)


def _merge_into_indexed(items: list[Any], item: Any) -> bool:
    """Merge a piece of a block into the block with its index, if there is one."""
    index = item.get("index") if isinstance(item, dict) else None
    if index is None:
        return False
    for place, known in enumerate(items):
        if isinstance(known, dict) and known.get("index") == index:
            items[place] = merge_dicts(known, item)
            return True
    return False
