"""What an object of LangChain's is, and what it can do: found out by its class."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from inspect import isgeneratorfunction
from typing import Any

from anabranch.nodes.extras import import_extra

KINDS = {
    "chat_model": ("langchain_core.language_models", "BaseChatModel"),
    "llm": ("langchain_core.language_models", "BaseLLM"),
    "retriever": ("langchain_core.retrievers", "BaseRetriever"),
    "tool": ("langchain_core.tools", "BaseTool"),
    "prompt": ("langchain_core.prompts", "BasePromptTemplate"),
    "parser": ("langchain_core.output_parsers", "BaseLLMOutputParser"),
}
"""The class of each run type but `chain`."""

TRANSPARENT = {
    "RunnableBinding": "bound",
    "RunnableConfigurableFields": "default",
    "RunnableConfigurableAlternatives": "default",
}
"""Classes whose objects are no runs of their own, with the attribute that holds what is."""

COMPOSITES = ("langchain_core.runnables", "langgraph")
"""Where classes write a `batch` that only runs one input after the other, or each in a thread."""


def run_by(thing: Any) -> Any:
    """What LangChain tells of when an object runs: itself, or what something is bound to or configured of."""
    while type(thing).__module__.startswith(COMPOSITES) and type(thing).__name__ in TRANSPARENT:
        thing = getattr(thing, TRANSPARENT[type(thing).__name__])
    return thing


def kind_of(thing: Any) -> str:
    """The type of an object's runs."""
    for kind, (module, name) in KINDS.items():
        if isinstance(thing, getattr(import_extra(module, "langchain", "a LangChain object"), name)):
            return kind
    return "chain"


def streams_states(thing: Any) -> bool:
    """Whether it is a compiled graph of LangGraph's."""
    pregel = getattr(sys.modules.get("langgraph.pregel"), "Pregel", None)
    return pregel is not None and isinstance(thing, pregel)


def own_forms(thing: Any, kind: str) -> Iterator[str]:
    """The forms that an object's class writes itself; what LangChain derives of them, we derive as well."""
    is_blocking, is_async = _sides(thing)
    for form in _written_forms(thing, kind):
        if is_async if form.startswith("a") else is_blocking:
            yield form


def _sides(thing: Any) -> tuple[bool, bool]:
    """Whether an object that is made of functions has blocking forms, and asynchronous ones. Others have both."""
    name = type(thing).__name__ if type(thing).__module__.startswith("langchain_core.") else ""
    if name == "RunnableLambda":
        func = getattr(thing, "func", None)
        return func is not None, hasattr(thing, "afunc") or not isgeneratorfunction(func)
    if name == "RunnableGenerator":
        return hasattr(thing, "_transform"), hasattr(thing, "_atransform")
    if name in ("StructuredTool", "Tool"):
        return thing.func is not None, True
    return True, True


def _written_forms(thing: Any, kind: str) -> Iterator[str]:
    yield "invoke"
    if _writer(thing, "ainvoke"):
        yield "ainvoke"
    maps = kind in ("chain", "parser") and not streams_states(thing) and _writer(thing, "transform") is not None
    chunks = ("transform", "atransform") if maps else ("stream", "astream")
    yield from (form for form in chunks if _writer(thing, form))
    for form in ("batch", "abatch"):
        writer = _writer(thing, form)
        if writer is not None and not writer.__module__.startswith(COMPOSITES):
            yield form


def _writer(thing: Any, form: str) -> type | None:
    """The class that writes a form, unless it is langchain-core's `Runnable` itself."""
    root = import_extra("langchain_core.runnables", "langchain", "a LangChain object").Runnable
    cls = next(each for each in type(thing).__mro__ if form in vars(each))
    return None if cls is root else cls
