"""Callback handlers that print to the standard output: what runs, or a model's answer as it is made."""

from __future__ import annotations

from typing import Any, Literal

from anabranch.nodes.callbacks.handlers import BaseCallbackHandler

Color = Literal["blue", "yellow", "pink", "green", "red"]

_CODES: dict[str, str] = {"blue": "36;1", "yellow": "33;1", "pink": "38;5;200", "green": "32;1", "red": "31;1"}


class StdOutCallbackHandler(BaseCallbackHandler):
    """Prints when chains start and end, what tools give, and texts that functions tell.

    `ConsoleTracer` shows more: models, failures, times, and what stands within what.

    Args:
        color: of texts and of what tools give: blue, yellow, pink, green or red. By default texts have none, and what
            tools give is green.

    Raises:
        ValueError: when it doesn't know the color.

    Example:
        >>> import contextlib, io
        >>> with contextlib.redirect_stdout(io.StringIO()) as said:
        ...     length = RunnableLambda(len).invoke("abc", {"callbacks": [StdOutCallbackHandler()]})
        >>> "Entering new len chain" in said.getvalue()
        True
    """

    def __init__(self, color: Color | None = None) -> None:
        if color is not None and color not in _CODES:
            raise ValueError(f"what is printed can be {', '.join(_CODES)}, not {color!r}")
        self.color = color

    def on_chain_start(self, serialized: Any, inputs: Any, **kwargs: Any) -> None:
        """Print that a chain starts."""
        print(f"\n\n\033[1m> Entering new {kwargs.get('name') or 'unnamed'} chain...\033[0m")

    def on_chain_end(self, outputs: Any, **kwargs: Any) -> None:
        """Print that a chain has ended."""
        print("\n\033[1m> Finished chain.\033[0m")

    def on_tool_end(self, output: Any, **kwargs: Any) -> None:
        """Print what a tool gave."""
        self.on_text(str(output), self.color or "green")

    def on_text(self, text: str, color: Color | None = None, end: str = "", **kwargs: Any) -> None:
        """Print a text in a color, and `end` behind it."""
        print(colored(text, color or self.color), end=end, flush=True)


class StreamingStdOutCallbackHandler(BaseCallbackHandler):
    """Prints the answer of a model that streams, as it is made.

    Example:
        >>> model = FakeListChatModel(responses=["I see."], callbacks=[StreamingStdOutCallbackHandler()])
        >>> for chunk in model.stream("What?"):
        ...     pass
        I see.
    """

    def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
        """Print a piece of an answer at once."""
        print(token, end="", flush=True)


def colored(text: str, color: Color | None) -> str:
    """A text with the codes of a terminal for a color, if there is one."""
    code = _CODES.get(color or "")
    return f"\033[{code}m\033[1;3m{text}\033[0m" if code else text
