"""What is raised when a model's answer isn't what was asked for."""

from __future__ import annotations

from anabranch.engine.errors import AnabranchError

EXCERPT = 200


class OutputParserException(AnabranchError, ValueError):
    """Raised when a model's answer can't be parsed: a `ValueError`.

    Args:
        error: what is wrong, or the exception that says it.
        observation: what to tell the model of it, so that it can do better.
        llm_output: what the model said.
        send_to_llm: whether `observation` and `llm_output` are meant to be shown to the model.

    Raises:
        ValueError: `send_to_llm` without an `observation` and an `llm_output`.

    Example:
        >>> try:
        ...     JsonOutputParser().invoke("no idea")
        ... except OutputParserException as error:
        ...     print(error.llm_output)
        no idea
    """

    def __init__(
        self,
        error: object,
        observation: str | None = None,
        llm_output: str | None = None,
        send_to_llm: bool = False,
    ) -> None:
        if send_to_llm and (observation is None or llm_output is None):
            raise ValueError("send_to_llm needs an observation and an llm_output to send")
        super().__init__(str(error))
        self.error = error
        self.observation = observation
        self.llm_output = llm_output
        self.send_to_llm = send_to_llm


def excerpt(text: str, at: int = 0) -> str:
    """What of a text is worth showing in an error: some of it, around a place."""
    start = max(0, min(at - EXCERPT // 2, len(text) - EXCERPT))
    shown = text[start : start + EXCERPT]
    return f"{'...' * (start > 0)}{shown}{'...' * (start + EXCERPT < len(text))}"
