"""Blocking code under asyncio, and annotations of parameters that are filled in."""

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

from documented_programs.expected import gives
from documented_programs.plain_data import plain

PERSON = contextvars.ContextVar("person", default="nobody")


@gives(
    [["hi", "Ada", "!", False], ["ho", "Ada", "?", False], ["he", "Ada", ".", False]],
    there="in an executor of one's own, context variables are not seen",
)
def blocking_code_in_a_thread(L):
    def where(greeting, *, mark):
        return greeting, PERSON.get(), mark, threading.current_thread() is threading.main_thread()

    async def main(executor):
        PERSON.set("Ada")
        return [
            await L.run_in_executor(None, where, "hi", mark="!"),
            await L.run_in_executor(executor, where, "ho", mark="?"),
            await L.run_in_executor({"tags": ["a"]}, where, "he", mark="."),
        ]

    with ThreadPoolExecutor(1) as executor:
        return asyncio.run(main(executor))


@gives(["ai", "whole"])
def async_stream_by_the_sync_one(L):
    class Model(L.BaseChatModel):
        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            return L.ChatResult(generations=[L.ChatGeneration(message=L.AIMessage("whole"))])

        async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
            given = run_manager.get_sync() if run_manager else None
            return await L.run_in_executor(None, self._generate, messages, stop, given, **kwargs)

        @property
        def _llm_type(self):
            return "m"

    return plain(asyncio.run(Model().ainvoke("q")))


@gives([2, ["x"], [1]])
def tool_that_hands_on_callbacks(L):
    inner = L.RunnableLambda(lambda x: x + 1)
    seen = []

    class Handler(L.BaseCallbackHandler):
        def on_chain_start(self, serialized, inputs, **kwargs):
            seen.append(inputs)

    @L.tool
    def add(x: int, callbacks: L.Callbacks = None) -> int:
        """Adds."""
        return inner.invoke(x, {"callbacks": callbacks})

    return add.invoke({"x": 1}, {"callbacks": [Handler()]}), sorted(add.args), seen
