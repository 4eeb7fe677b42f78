"""How those who listen see LangChain's models and tools: what goes in, and what comes out. See `ModelView`."""

from __future__ import annotations

from typing import Any

from anabranch.nodes.models.chat_models import BaseChatModel
from anabranch.nodes.models.chat_runs import ChatView
from anabranch.nodes.models.llm_runs import LLMView
from anabranch.nodes.models.llms import BaseLLM
from anabranch.nodes.tools.inputs import ToolView


class _Model:
    """What a view asks of a model. `settings`: as LangChain tells them."""

    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        self._name = name
        self._identifying_params = settings
        self._llm_type = str(settings.get("_type", name))

    def get_name(self) -> str:
        return self._name


class _ChatModel(_Model):
    _asked = BaseChatModel._asked


class _LLM(_Model):
    _asked = BaseLLM._asked


class _Arguments:
    """What a view asks of a tool's arguments: they are shown as they are."""

    def shown(self, given: Any) -> Any:
        return given


def chat_view(name: str, settings: dict[str, Any]) -> ChatView:
    """The view of a chat model."""
    return ChatView(_ChatModel(name, settings), {})


def llm_view(name: str, settings: dict[str, Any]) -> LLMView:
    """The view of a model from text to text."""
    return LLMView(_LLM(name, settings), {})


def tool_view(name: str, description: str) -> ToolView:
    """The view of a tool."""
    return ToolView(name, description, _Arguments())  # type: ignore[arg-type] # it asks no more of them


def view_of(run_type: str, name: str, serialized: Any, about: dict[str, Any]) -> Any:
    """The view of a run that LangChain tells of; None where its values are shown as they are."""
    if run_type == "tool":
        return tool_view(name, str((serialized or {}).get("description", "")))
    settings = dict(about.get("invocation_params") or {})
    if run_type == "chat_model":
        return chat_view(name, settings)
    return llm_view(name, settings) if run_type == "llm" else None
