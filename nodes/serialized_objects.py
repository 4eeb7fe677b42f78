"""Messages, documents, prompts, parsers, models and chains of these as JSON, in the form that LangChain has for it.

An object is `{"lc": 1, "type": "constructor", "id": [...], "kwargs": {...}}`. Its `id` is the name by which LangChain
knows the class, and ends in the name that it has here. Only the classes in the table below are written so, and made
when it is read; so what is read can't run anything but them. Functions, and objects of other classes, are written as
`not_implemented`, with their repr, and can't be read, but for the exceptions that Python has built in. A secret is
written as its name.

A dict with a key "lc" of a user's own stands in `{"__lc_escaped__": ...}`, so that it isn't taken for an object.
"""

from __future__ import annotations

import builtins
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from anabranch.nodes import bindings, branches, maps, parallels, passthrough, policies, sequences
from anabranch.nodes.messages import chunks as message_chunks
from anabranch.nodes.messages import generations, messages, prompt_values
from anabranch.nodes.openai import completions as openai_completions
from anabranch.nodes.openai import models as openai_models
from anabranch.nodes.parsers import json_parsers, list_parsers, parsers
from anabranch.nodes.printed_fields import is_default
from anabranch.nodes.prompts import block_templates, chat_prompts, few_shot_prompts, message_templates, string_prompts
from anabranch.nodes.retrieval import documents

CLASSES: dict[str, tuple[type[Any], ...]] = {
    "langchain.schema.messages": (
        messages.AIMessage,
        messages.ChatMessage,
        messages.FunctionMessage,
        messages.HumanMessage,
        messages.RemoveMessage,
        messages.SystemMessage,
        messages.ToolMessage,
        message_chunks.AIMessageChunk,
        message_chunks.ChatMessageChunk,
        message_chunks.FunctionMessageChunk,
        message_chunks.HumanMessageChunk,
        message_chunks.SystemMessageChunk,
        message_chunks.ToolMessageChunk,
    ),
    "langchain.schema.document": (documents.Document,),
    "langchain.schema.output": (
        generations.ChatGeneration,
        generations.ChatGenerationChunk,
        generations.Generation,
        generations.GenerationChunk,
    ),
    "langchain.prompts.base": (prompt_values.StringPromptValue,),
    "langchain.prompts.prompt": (string_prompts.PromptTemplate,),
    "langchain.prompts.image": (block_templates.ImagePromptTemplate,),
    "langchain_core.prompts.dict": (block_templates.DictPromptTemplate,),
    "langchain.prompts.few_shot": (few_shot_prompts.FewShotPromptTemplate,),
    "langchain.prompts.chat": (
        chat_prompts.ChatPromptTemplate,
        message_templates.AIMessagePromptTemplate,
        message_templates.ChatMessagePromptTemplate,
        message_templates.HumanMessagePromptTemplate,
        message_templates.MessagesPlaceholder,
        message_templates.SystemMessagePromptTemplate,
        prompt_values.ChatPromptValue,
    ),
    "langchain.schema.output_parser": (parsers.StrOutputParser,),
    "langchain.output_parsers.list": (
        list_parsers.CommaSeparatedListOutputParser,
        list_parsers.MarkdownListOutputParser,
        list_parsers.NumberedListOutputParser,
    ),
    "anabranch.nodes": (json_parsers.JsonOutputParser,),
    "langchain.chat_models.openai": (openai_models.ChatOpenAI,),
    "langchain.llms.openai": (openai_completions.OpenAI,),
    "langchain.schema.runnable": (
        bindings.RunnableBinding,
        branches.RouterRunnable,
        branches.RunnableBranch,
        maps.RunnableEach,
        parallels.RunnableParallel,
        passthrough.RunnableAssign,
        passthrough.RunnablePassthrough,
        passthrough.RunnablePick,
        policies.RunnableRetry,
        policies.RunnableWithFallbacks,
        sequences.RunnableSequence,
    ),
}
"""The classes whose objects can be written, by the first part of their id."""

IDS = {cls: [*path.split("."), cls.__name__] for path, classes in CLASSES.items() for cls in classes}
FOUND = {tuple(id): cls for cls, id in IDS.items()}


def dumpd(obj: Any) -> Any:
    """An object as plain data, which `json` can write and `load` reads. See the module.

    Example:
        >>> dumpd(HumanMessage("Hi"))["kwargs"]
        {'content': 'Hi', 'type': 'human'}
        >>> dumpd(RunnableLambda(len))["type"]
        'not_implemented'
    """
    if obj is None or isinstance(obj, str | int | float | bool):
        return obj
    if isinstance(obj, list | tuple):
        return [dumpd(each) for each in obj]
    if isinstance(obj, Mapping):
        made = {str(key): dumpd(value) for key, value in obj.items()}
        return {ESCAPED: made} if "lc" in made or ESCAPED in made else made
    if (id := IDS.get(type(obj))) is not None:
        kwargs = {name: _written(name, value) for name, value in _arguments_of(obj).items()}
        return {"lc": 1, "type": "constructor", "id": id, "kwargs": kwargs}
    cls = obj if isinstance(obj, type) else type(obj)
    id = [*cls.__module__.split("."), cls.__name__]
    return {"lc": 1, "type": "not_implemented", "id": id, "repr": repr(obj)}


def dumps(obj: Any, *, pretty: bool = False, **kwargs: Any) -> str:
    """An object as JSON. See `dumpd`.

    Args:
        obj: the object.
        pretty: indent it.
        **kwargs: for `json.dumps`.

    Example:
        >>> print(dumps(StrOutputParser() | CommaSeparatedListOutputParser())[:71])
        {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "runnabl
    """
    return json.dumps(dumpd(obj), **({"indent": 2} if pretty else {}) | kwargs)


def load(
    obj: Any,
    *,
    secrets_map: Mapping[str, str] | None = None,
    secrets_from_env: bool = False,
    **kwargs: Any,
) -> Any:
    """What `dumpd` has written of an object, as an object again.

    Args:
        obj: plain data.
        secrets_map: the secrets by their names, such as `{"OPENAI_API_KEY": "sk-..."}`.
        secrets_from_env: look for other secrets in the environment variables. One that isn't found is left out.
        **kwargs: what LangChain has besides; it is of no matter, for only classes of the table are made.

    Raises:
        NotImplementedError: when there is an object that couldn't be written.
        ValueError: when an object is of a class that isn't known.

    Example:
        >>> chain = StrOutputParser() | CommaSeparatedListOutputParser()
        >>> load(dumpd(chain)) == chain
        True
    """
    secrets = {**(os.environ if secrets_from_env else {}), **(secrets_map or {})}
    return _loaded(obj, secrets)


def loads(
    text: str,
    *,
    secrets_map: Mapping[str, str] | None = None,
    secrets_from_env: bool = False,
    **kwargs: Any,
) -> Any:
    """What `dumps` has written of an object, as an object again. Arguments and errors as for `load`.

    Example:
        >>> loads(dumps({"asked": HumanMessage("Hi")}))
        {'asked': HumanMessage(content='Hi')}
    """
    return load(json.loads(text), secrets_map=secrets_map, secrets_from_env=secrets_from_env)


ESCAPED = "__lc_escaped__"


def _loaded(data: Any, secrets: Mapping[str, str]) -> Any:
    if isinstance(data, list):
        return [_loaded(each, secrets) for each in data]
    if not isinstance(data, dict):
        return data
    if data.keys() == {ESCAPED}:
        return {key: _loaded(value, secrets) for key, value in data[ESCAPED].items()}
    if data.get("lc") != 1:
        return {key: _loaded(value, secrets) for key, value in data.items()}
    if data.get("type") == "secret":
        return secrets.get(data["id"][0])
    if data.get("type") == "not_implemented":
        if (error := _exception(data["id"])) is not None:
            return error
        raise NotImplementedError(
            f"{data.get('repr') or '.'.join(data['id'])} was written as its repr alone, so it can't be read; "
            "give a chain its functions and models anew, or write its graph (anabranch.engine.graph_json)"
        )
    cls = FOUND.get(tuple(data["id"]))
    if cls is None:
        raise ValueError(f"{'.'.join(data['id'])} is no class that is read; known are {', '.join(sorted(_NAMES))}")
    return MADE.get(cls, _made)(cls, {key: _loaded(value, secrets) for key, value in data["kwargs"].items()})


_NAMES = {cls.__name__ for cls in IDS}


EXCEPTIONS = ("retry_exception_types", "exceptions_to_handle")
"""Arguments that are tuples of exception classes."""


def _exception(id: list[str]) -> type[Exception] | None:
    """A class of the exceptions that Python has built in."""
    found = getattr(builtins, id[-1], None) if id[:-1] == ["builtins"] else None
    return found if isinstance(found, type) and issubclass(found, Exception) else None


def _made(cls: type[Any], kwargs: dict[str, Any]) -> Any:
    given = {key: tuple(value) if key in EXCEPTIONS else value for key, value in kwargs.items()}
    return cls(**{key: value for key, value in given.items() if value is not None})


def _made_sequence(cls: type[Any], kwargs: dict[str, Any]) -> Any:
    return cls(kwargs["first"], *kwargs.get("middle", ()), kwargs["last"], name=kwargs.get("name"))


def _made_branch(cls: type[Any], kwargs: dict[str, Any]) -> Any:
    return cls(*map(tuple, kwargs["branches"]), kwargs["default"], name=kwargs.get("name"))


def _made_retry(cls: type[Any], kwargs: dict[str, Any]) -> Any:
    bound: dict[str, Any] = {key: kwargs.pop(key, None) or {} for key in ("kwargs", "config")}  # as it may there
    made = _made(cls, kwargs)
    return bindings.RunnableBinding(made, **bound) if any(bound.values()) else made


MADE: dict[type[Any], Callable[[type[Any], dict[str, Any]], Any]] = {
    sequences.RunnableSequence: _made_sequence,
    branches.RunnableBranch: _made_branch,
    policies.RunnableRetry: _made_retry,
}
"""How objects are made whose class takes other arguments than were written."""


def _arguments_of(obj: Any) -> dict[str, Any]:
    """The arguments that make such an object."""
    if isinstance(obj, BaseModel):
        return _fields_of(obj)
    if isinstance(obj, sequences.RunnableSequence):
        named = {"name": obj.name} if obj.name else {}
        return {"first": obj.first, **({"middle": obj.middle} if obj.middle else {}), "last": obj.last, **named}
    return {name: value for name, value in vars(obj).items() if not name.startswith("_") and value is not None}


def _fields_of(model: BaseModel) -> dict[str, Any]:
    """The fields of a model that say something."""
    cls = type(model)
    return {
        name: value
        for name, value in model
        if name == "type" or name not in cls.model_fields or not is_default(cls, name, value)
    }


def _written(name: str, value: Any) -> Any:
    is_secret = isinstance(value, SecretStr) or name.endswith("_api_key")
    return {"lc": 1, "type": "secret", "id": [name.upper()]} if is_secret else dumpd(value)
