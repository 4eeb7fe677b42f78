"""Values of LangChain's classes as ours, and ours as LangChain's: messages, prompt values, documents, added dicts.

They are looked for in lists, tuples and dicts, too. What is of no such class is handed on as it is; so is a list or a
dict in which there is none, itself. Of a subclass that is known to one side alone becomes what it is a subclass of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from anabranch.engine.chunks import AddableDict
from anabranch.nodes.extras import import_extra
from anabranch.nodes.messages.chunks import CHUNKS
from anabranch.nodes.messages.generations import (
    ChatGeneration,
    ChatGenerationChunk,
    Generation,
    GenerationChunk,
    LLMResult,
)
from anabranch.nodes.messages.messages import RemoveMessage
from anabranch.nodes.messages.prompt_values import ChatPromptValue, ChatPromptValueConcrete, StringPromptValue
from anabranch.nodes.retrieval.documents import Document

DEEPEST = 100
"""How deep in each other lists and dicts are looked into; it ends what holds itself."""

_CLASSES: dict[str, tuple[type, ...]] = {
    "langchain_core.messages": (*CHUNKS, *CHUNKS.values(), RemoveMessage),
    "langchain_core.prompt_values": (StringPromptValue, ChatPromptValue, ChatPromptValueConcrete),
    "langchain_core.documents": (Document,),
    "langchain_core.outputs": (Generation, GenerationChunk, ChatGeneration, ChatGenerationChunk, LLMResult),
    "langchain_core.runnables": (AddableDict,),
}

Maker = Callable[[Any, "_Table", int], Any]

_DEEP = frozenset({"artifact", "messages", "message", "generations"})
"""The fields of theirs and ours in which there may be objects to convert."""


def from_langchain_value(value: Any) -> Any:
    """A value with our classes instead of LangChain's.

    Example:
        >>> from langchain_core.messages import AIMessage as TheirMessage
        >>> from_langchain_value({"answer": TheirMessage("Hi"), "n": 1})
        {'answer': AIMessage(content='Hi'), 'n': 1}
    """
    return _ours().converted(value)


def to_langchain_value(value: Any) -> Any:
    """A value with LangChain's classes instead of ours.

    Example:
        >>> type(to_langchain_value([Document("a bear")])[0]).__module__
        'langchain_core.documents.base'
    """
    return _theirs().converted(value)


@dataclass(frozen=True, slots=True)
class _Table:
    """How objects of one side become objects of the other: for each class, what makes the other of it."""

    made_by: dict[type, Maker | None]

    def converted(self, value: Any, depth: int = 0) -> Any:
        cls = type(value)
        if cls in (str, int, float, bool, bytes) or value is None or depth > DEEPEST:
            return value
        if cls is list or cls is tuple:
            return self.listed(value, cls, depth)
        if cls is dict:
            return self.mapped(value, depth)
        try:
            make = self.made_by[cls]
        except KeyError:  # of a subclass, or of none of these classes
            above = (each for each in cls.__mro__ if each in self.made_by)
            make = self.made_by[cls] = self.made_by.get(next(above, cls))
        return value if make is None else make(value, self, depth)

    def listed(self, value: Any, cls: type, depth: int) -> Any:
        made = [self.converted(each, depth + 1) for each in value]
        is_same = all(new is old for new, old in zip(made, value, strict=True))
        return value if is_same else made if cls is list else tuple(made)

    def mapped(self, value: dict[Any, Any], depth: int) -> dict[Any, Any]:
        made = {key: self.converted(each, depth + 1) for key, each in value.items()}
        return value if all(made[key] is value[key] for key in value) else made


@cache
def _ours() -> _Table:
    return _Table({their: _maker(our) for our, their in _pairs()})


@cache
def _theirs() -> _Table:
    return _Table({our: _maker(their) for our, their in _pairs()})


def _pairs() -> Iterator[tuple[type, type]]:
    """Our classes and theirs of the same name."""
    for module, classes in _CLASSES.items():
        library = import_extra(module, "langchain", "a LangChain object")
        for our in classes:
            yield our, getattr(library, our.__name__)


def _maker(target: Any) -> Maker:
    """What makes an object of `target` of one of the other side."""
    if issubclass(target, dict):
        return lambda value, table, depth: target(table.mapped(dict(value), depth))
    known, put = target.model_fields, object.__setattr__

    def make(value: Any, table: _Table, depth: int) -> Any:
        fields = {**value.__dict__, **(value.__pydantic_extra__ or {})}
        fields.pop("type", None)
        own = type(value).model_fields
        for name in [name for name in fields if name not in known]:
            if name in own and fields[name] == own[name].get_default(call_default_factory=True):
                del fields[name]  # a field that the other side doesn't have, and that says nothing
        for name in _DEEP.intersection(fields):
            fields[name] = table.converted(fields[name], depth + 1)
        if "message" in known:  # their text is derived from it
            return target(message=fields["message"], generation_info=fields["generation_info"])
        # The fields were validated when the other was made; so it is made as a copy is, which is what takes least.
        made = target.__new__(target)
        told = {name: fields.pop(name) for name in known if name in fields}
        for name, info in known.items():
            if name not in told:
                told[name] = info.get_default(call_default_factory=True)
        put(made, "__dict__", told)
        put(made, "__pydantic_fields_set__", value.__pydantic_fields_set__ & (told.keys() | fields.keys()))
        put(made, "__pydantic_extra__", fields if target.model_config.get("extra") == "allow" else None)
        put(made, "__pydantic_private__", None)
        return made

    return make
