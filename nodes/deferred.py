"""Modules that are imported when something of them is first used.

`engine.schemas`, tools and caches need pydantic models, for which pydantic must be loaded whole. That takes as long as
all else that is imported here, and few programs ask for them. `chat_prompts` is needed by what it is made of: a message
plus a message is a chat prompt.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anabranch.engine import schemas as schemas
    from anabranch.nodes import caching as caching
    from anabranch.nodes import drawable_chains as drawable_chains
    from anabranch.nodes import rate_limiting as rate_limiting
    from anabranch.nodes.langchain import listeners, objects
    from anabranch.nodes.prompts import chat_prompts as chat_prompts
    from anabranch.nodes.prompts import prompt_templates as prompt_templates
    from anabranch.nodes.tools import runnable_tools as runnable_tools

    langchain_listeners = listeners
    langchain_objects = objects
else:

    class _Deferred:
        """Stands for a module."""

        def __init__(self, module: str) -> None:
            self._module = module

        def __getattr__(self, name: str) -> Any:
            return getattr(import_module(self._module), name)

    schemas = _Deferred("anabranch.engine.schemas")
    runnable_tools = _Deferred("anabranch.nodes.tools.runnable_tools")
    chat_prompts = _Deferred("anabranch.nodes.prompts.chat_prompts")
    caching = _Deferred("anabranch.nodes.caching")
    drawable_chains = _Deferred("anabranch.nodes.drawable_chains")
    prompt_templates = _Deferred("anabranch.nodes.prompts.prompt_templates")
    langchain_listeners = _Deferred("anabranch.nodes.langchain.listeners")
    langchain_objects = _Deferred("anabranch.nodes.langchain.objects")
    rate_limiting = _Deferred("anabranch.nodes.rate_limiting")
