"""Models that answer what was written down for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import PrivateAttr


def scripted_model(L: Any, *answers: Any, **fields: Any) -> Any:
    """A chat model that gives the answers in turn, streams them word by word, and can be told of tools."""

    class ScriptedModel(L.BaseChatModel):
        answers: list[Any]
        temperature: float = 0.0
        _calls: list[Any] = PrivateAttr(default_factory=list)

        @property
        def asked(self) -> list[Any]:
            """The messages and arguments of each call."""
            return self._calls

        @property
        def _llm_type(self) -> str:
            return "scripted"

        def _next(self, messages: list[Any], kwargs: dict[str, Any]) -> Any:
            answer = self.answers[len(self.asked) % len(self.answers)]
            self.asked.append((messages, kwargs))
            if isinstance(answer, Exception):
                raise answer
            return L.AIMessage(answer) if isinstance(answer, str) else answer.model_copy()

        def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            return L.ChatResult(generations=[L.ChatGeneration(message=self._next(messages, {"stop": stop, **kwargs}))])

        def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Iterator[Any]:
            answer = self._next(messages, {"stop": stop, **kwargs})
            for number, word in enumerate(answer.content.split(" ")):
                text = word if number == 0 else " " + word
                chunk = L.ChatGenerationChunk(message=L.AIMessageChunk(text))
                if run_manager:
                    run_manager.on_llm_new_token(text, chunk=chunk)
                yield chunk
            for number, call in enumerate(answer.tool_calls):
                part = L.tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=number)
                yield L.ChatGenerationChunk(message=L.AIMessageChunk("", tool_call_chunks=[part]))

        def bind_tools(self, tools: Any, *, tool_choice: Any = None, **kwargs: Any) -> Any:
            told = [L.convert_to_openai_tool(tool) for tool in tools]
            return self.bind(tools=told, **({"tool_choice": tool_choice} if tool_choice else {}), **kwargs)

    return ScriptedModel(answers=list(answers), **fields)


def calling(L: Any, name: str, arguments: dict[str, Any], id: str = "call_1") -> Any:
    """An answer that calls a tool."""
    return L.AIMessage("", tool_calls=[L.ToolCall(name=name, args=arguments, id=id)])
