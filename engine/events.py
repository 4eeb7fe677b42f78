"""Facts as events: the dicts that `astream_events` gives, in both versions, and which of them are wanted.

| version | differs |
|---|---|
| `v2` | `parent_ids`; the output of a model is a message, of a retriever a list of documents |
| `v1` | no `parent_ids`; outputs as in the run log (`{"generations": ...}`, `{"documents": ...}`); a prompt, a retriever or a tool that is the root streams, too |
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal
from uuid import UUID

from anabranch.engine.errors import ConfigError
from anabranch.engine.runs import MISSING, RunInfo

Version = Literal["v1", "v2"]
Event = dict[str, Any]

WHOLE = frozenset({"prompt", "retriever", "tool"})
"""Run types whose output comes in one piece."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which runs are wanted: all, unless something is to be included; less what is excluded."""

    include_names: Collection[str] | None = None
    include_types: Collection[str] | None = None
    include_tags: Collection[str] | None = None
    exclude_names: Collection[str] | None = None
    exclude_types: Collection[str] | None = None
    exclude_tags: Collection[str] | None = None

    def __post_init__(self) -> None:
        """See that nobody means a name and writes a string, each part of which would be wanted.

        Raises:
            ConfigError: a `ValueError` that names the argument.
        """
        for field in fields(self):
            if isinstance(given := getattr(self, field.name), str):
                raise ConfigError(f"{field.name}: expected a list of strings, got str {given!r}. Write [{given!r}]")

    def wants(self, name: str, run_type: str, tags: Sequence[str]) -> bool:
        """Whether a run is wanted."""
        included = (self.include_names, self.include_types, self.include_tags)
        wanted = all(each is None for each in included) or (
            (self.include_names is not None and name in self.include_names)
            or (self.include_types is not None and run_type in self.include_types)
            or (self.include_tags is not None and any(tag in self.include_tags for tag in tags))
        )
        return wanted and not (
            (self.exclude_names is not None and name in self.exclude_names)
            or (self.exclude_types is not None and run_type in self.exclude_types)
            or (self.exclude_tags is not None and any(tag in self.exclude_tags for tag in tags))
        )

    @property
    def is_open(self) -> bool:
        """Whether all runs are wanted."""
        return self == Filter()

    def wants_run(self, run: RunInfo) -> bool:
        """Whether a run is wanted."""
        return self.wants(run.name, run.run_type, run.tags)


class Formatter:
    """Makes events of facts.

    Args:
        version: of the events.
        given: the input of the call, which its root shows.
        errors: a failed run makes an event, too. Otherwise only a failed tool does.
    """

    def __init__(self, version: Version = "v2", given: Any = MISSING, errors: bool = False) -> None:
        self._version = version
        self._given = given
        self._errors = errors
        self._root: UUID | None = None  # not the run itself, which knows who listens
        self._streams: dict[RunInfo, tuple[str, str, list[str]] | None] = {}

    def started(self, run: RunInfo) -> Event | None:
        """A run has started."""
        if self._root is None:
            self._root = run.id
            value = run.input if self._given is MISSING else self._given
        else:
            value = asked(run)
        return self._event(run, "start", {} if value is MISSING else {"input": value})

    def chunk(self, run: RunInfo, chunk: Any) -> Event | None:
        """A run has made a chunk."""
        try:
            known = self._streams[run]
        except KeyError:
            known = self._streams[run] = self._known(run)
        if known is None:
            return None
        event, run_id, parents = known
        return {
            "event": event,
            "data": {"chunk": chunk},
            "name": run.name,
            "tags": run.tags,
            "run_id": run_id,
            "metadata": run.metadata,
            "parent_ids": parents,
        }

    def _known(self, run: RunInfo) -> tuple[str, str, list[str]] | None:
        """What all stream events of a run have in common; None when it has none."""
        if run.run_type in WHOLE and (self._version == "v2" or run.id is not self._root):
            return None
        return f"on_{run.run_type}_stream", str(run.id), self._parents(run)

    def _parents(self, run: RunInfo) -> list[str]:
        return [str(id) for id in run.parent_ids] if self._version == "v2" and run.id is not self._root else []

    def ended(self, run: RunInfo) -> Event | None:
        """A run has ended."""
        self._streams.pop(run, None)
        output = None if run.output is MISSING else run.output
        if run.id is self._root:
            return self._event(run, "end", {"output": output})
        if self._version == "v1":
            output = answered(run)
        value = asked(run)
        data = {"output": output} if value is MISSING else {"output": output, "input": value}
        return self._event(run, "end", data)

    def failed(self, run: RunInfo) -> Event | None:
        """A run has failed."""
        self._streams.pop(run, None)
        if not (self._errors or run.run_type == "tool"):
            return None
        data: dict[str, Any] = {"error": run.error}
        value = asked(run)
        if value is not MISSING:
            data["input"] = value
        if run.run_type == "tool":
            data["tool_call_id"] = tool_call_id(run)
        return self._event(run, "error", data)

    def told(self, run: RunInfo, what: str, *data: Any) -> Event | None:
        """A run has told something of its own."""
        if what != "custom_event":
            return None
        name, said = data
        return {**self._event(run, "", said), "event": "on_custom_event", "name": name}

    def _event(self, run: RunInfo, what: str, data: Any) -> Event:
        return {
            "event": f"on_{run.run_type}_{what}",
            "data": data,
            "name": run.name,
            "tags": run.tags,
            "run_id": str(run.id),
            "metadata": run.metadata,
            "parent_ids": self._parents(run),
        }


def asked(run: RunInfo) -> Any:
    """The input of a run that is part of another, as events show it."""
    value = run.input
    if value is MISSING:
        return value
    if run.run_type == "retriever":
        return {"query": value}
    if run.run_type == "chat_model" and run.about is not None:
        return {"messages": run.about.asked(value)}
    if run.run_type == "llm" and run.about is not None:
        return {"prompts": run.about.said(run.about.asked(value))}
    if run.run_type == "tool" and run.about is not None:
        return run.about.asked(value)
    return value


def tool_call_id(run: RunInfo) -> str | None:
    """Of a tool that was called with a model's tool call, the id of that."""
    known = run.run_type == "tool" and run.about is not None and run.input is not MISSING
    return run.about.tool_call_id(run.input) if known else None


def answered(run: RunInfo) -> Any:
    """The output of a run that is part of another, as run logs and events of version 1 show it."""
    output = None if run.output is MISSING else run.output
    if run.run_type == "retriever":
        return {"documents": output}
    if run.run_type in ("chat_model", "llm") and run.about is not None and output is not None:
        return _result_shown(run.about.answered(output))
    return output


def _result_shown(result: Any) -> Any:
    """A model's result as a dict, the messages in it as they are."""
    if not hasattr(result, "generations"):
        return result
    return {
        "generations": [[_generation_shown(each) for each in of_one] for of_one in result.generations],
        "llm_output": result.llm_output,
        "run": None,
        "type": "LLMResult",
    }


def _generation_shown(generation: Any) -> dict[str, Any]:
    shown = {
        "text": generation.text,
        "generation_info": generation.generation_info,
        "type": type(generation).__name__,
    }
    return {**shown, "message": generation.message} if hasattr(generation, "message") else shown
