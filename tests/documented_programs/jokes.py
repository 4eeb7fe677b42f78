"""What the programs about parsers and structured output make: jokes."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, model_validator
from typing_extensions import TypedDict


class Joke(BaseModel):
    """A joke to tell."""

    setup: str = Field(description="question to set up a joke")
    punchline: str = Field(description="answer to resolve the joke")

    @model_validator(mode="before")
    @classmethod
    def question_ends_with_question_mark(cls, values):
        if isinstance(values, dict) and values.get("setup") and values["setup"][-1] != "?":
            raise ValueError("badly formed question")
        return values


class JokeDict(TypedDict):
    """A joke to tell."""

    setup: Annotated[str, ..., "The setup of the joke"]
    punchline: Annotated[str, ..., "The punchline"]
    rating: Annotated[int | None, None, "How funny, 1 to 10"]


def words(L, text):
    return L.GenericFakeChatModel(messages=iter([L.AIMessage(text)]))
