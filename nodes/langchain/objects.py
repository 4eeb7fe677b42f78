"""What comes from LangChain and goes there: `from_langchain` and `to_langchain`."""

from __future__ import annotations

from typing import Any

from anabranch.engine.errors import NotRunnableError
from anabranch.nodes.coercion import coerce_to_runnable
from anabranch.nodes.extras import import_extra
from anabranch.nodes.langchain.components import chat_model_for, retriever_for, tool_for
from anabranch.nodes.langchain.nodes import LangChainRunnable
from anabranch.nodes.langchain.parts import taken_apart
from anabranch.nodes.langchain.presence import is_langchain
from anabranch.nodes.langchain.runnables import Verbs, runnable_for
from anabranch.nodes.models.chat_models import BaseChatModel
from anabranch.nodes.retrieval.retrievers import BaseRetriever
from anabranch.nodes.runnables import Runnable
from anabranch.nodes.tools.tools import BaseTool


def from_langchain(thing: Any) -> Runnable[Any, Any]:
    """An object of LangChain's as a node of ours.

    It is rarely needed: where a runnable is expected, an object of LangChain's will do. What LangChain has composed of
    others (by `|`, dicts, `assign`, `bind`, `with_retry` and their kin) is taken apart, so that its steps are ours to
    run and to trace.

    Args:
        thing: a Runnable of langchain-core's: prompt, model, parser, tool, retriever, compiled graph ...

    Raises:
        NotRunnableError: a `TypeError`, when it is none.

    Example:
        >>> from langchain_core.runnables import RunnableLambda as Theirs
        >>> from_langchain(Theirs(len) | Theirs(str)).invoke("abc")
        '3'
    """
    if not is_langchain(thing):
        raise NotRunnableError(f"expected a Runnable of langchain-core's, got {type(thing).__name__}: {thing!r:.80}")
    if isinstance(thing, Verbs):
        return thing.runnable
    return taken_apart(thing) or LangChainRunnable(thing)


def to_langchain(thing: Any) -> Any:
    """A chain of ours as an object of LangChain's: for its `|`, its agents, and LangGraph.

    A chat model becomes a chat model, a tool a tool, a retriever a retriever; anything else a Runnable with all verbs,
    which streams. It takes and gives LangChain's messages, prompt values and documents. In LangChain's traces it is one
    run, with the steps as its children. What came from LangChain is given back as it was.

    Args:
        thing: a runnable, function or dict.

    Example:
        >>> from langchain_core.messages import HumanMessage as TheirMessage
        >>> chain = to_langchain(FakeListChatModel(responses=["Hi"]) | StrOutputParser())
        >>> chain.invoke([TheirMessage("Hello")])
        'Hi'
    """
    import_extra("langchain_core.runnables", "langchain", "to_langchain")
    runnable = coerce_to_runnable(thing)
    if isinstance(runnable, LangChainRunnable):
        return runnable.runnable
    if isinstance(runnable, BaseChatModel):
        return chat_model_for(runnable)
    if isinstance(runnable, BaseTool):
        return tool_for(runnable)
    if isinstance(runnable, BaseRetriever):
        return retriever_for(runnable)
    return runnable_for(runnable)
