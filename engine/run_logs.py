"""The run log: what happened in a run, as JSON patches and as the state that they add up to.

The state of a run: `id, name, type, streamed_output, final_output, logs`; in `logs`, by name, one entry for each run
inside it: `id, name, type, tags, metadata, start_time, streamed_output, streamed_output_str, final_output, end_time`.
"""

from __future__ import annotations

import pprint
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import jsonpatch

from anabranch.engine.chunk_buffers import inherits_plus
from anabranch.engine.chunks import AddableDict, Algebra, add
from anabranch.engine.events import Filter, answered
from anabranch.engine.json_encoding import to_json
from anabranch.engine.json_growth import escaped, growth, same
from anabranch.engine.runs import MISSING, RunInfo

Op = dict[str, Any]
ISO_MILLISECONDS = "milliseconds"


class RunLogPatch:
    """JSON patch operations on the state of a run, each a dict with `op`, `path` and `value`.

    Adding a patch to another makes a `RunLog`. `astream_log` gives them.

    Args:
        *ops: the operations, in order.

    Example:
        >>> first = RunLogPatch({"op": "replace", "path": "", "value": {"final_output": None}})
        >>> log = first + RunLogPatch({"op": "replace", "path": "/final_output", "value": "done"})
        >>> log.state, len(log.ops)
        ({'final_output': 'done'}, 2)
    """

    def __init__(self, *ops: Op) -> None:
        self._ops = list(ops)

    @property
    def ops(self) -> list[Op]:
        """The operations."""
        return self._ops

    def to_json(self) -> list[Op]:
        """The operations as JSON (see `json_encoding`), for a client elsewhere: applied one after the other, to null
        at first, by any implementation of JSON patches, they give `to_json` of the state.
        """
        return [to_json(op) for op in self.ops]

    def __add__(self, other: Any) -> RunLog:
        if not isinstance(other, RunLogPatch):
            return NotImplemented
        return RunLog(*self.ops) + other

    def __repr__(self) -> str:
        # The brackets of the list are left out.
        return f"RunLogPatch({pprint.pformat(self.ops)[1:-1]})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunLogPatch) and self.ops == other.ops


class RunLog(RunLogPatch):
    """The state of a run after some patches. Adding a patch takes time for that patch only.

    Args:
        *ops: all operations so far.
        state: what they come to, if that is known.

    Example:
        >>> import asyncio
        >>> async def last_state(chain, value):
        ...     async for log in chain.astream_log(value, diff=False):
        ...         pass
        ...     return log.state
        >>> asyncio.run(last_state(RunnableLambda(len), "abc"))["final_output"]
        3
    """

    def __init__(self, *ops: Op, state: Any = MISSING) -> None:
        self._history = _History(list(ops))
        self._length = len(ops)
        if state is not MISSING:
            self._history.know(state)

    @property
    def ops(self) -> list[Op]:  # a copy, made when asked for
        """All operations so far."""
        return self._history.ops[: self._length]

    @property
    def state(self) -> Any:
        """The state: your own copy of its dicts and lists."""
        return self._history.state_at(self._length)

    def __add__(self, other: Any) -> RunLog:
        if not isinstance(other, RunLogPatch):
            return NotImplemented
        made = RunLog.__new__(RunLog)
        made._history = self._history.continued(self._length, other.ops)
        made._length = self._length + len(other.ops)
        return made

    def __repr__(self) -> str:
        return f"RunLog({pprint.pformat(self.state)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RunLog) and self.state == other.state and self.ops == other.ops


class _History:
    """Operations that only grow, shared by the logs of one run, and the state after the first `applied` of them."""

    def __init__(self, ops: list[Op]) -> None:
        self.ops = ops
        self._state: Any = None
        self._applied = 0

    def know(self, state: Any) -> None:
        self._state, self._applied = _copied(state), len(self.ops)

    def continued(self, length: int, ops: Iterable[Op]) -> _History:
        history = self if length == len(self.ops) else _History(self.ops[:length])
        history.ops.extend(ops)
        return history

    def state_at(self, length: int) -> Any:
        if length < self._applied:
            return _History(self.ops[:length]).state_at(length)
        if length > self._applied:
            self._state = applied(self._state, self.ops[self._applied : length])
            self._applied = length
        return _copied(self._state)


def applied(state: Any, ops: Iterable[Op]) -> Any:
    """A state with operations applied to it, in place. The values of the operations stay as they are."""
    owned = [{**op, "value": _copied(op["value"])} if "value" in op else op for op in ops]
    return jsonpatch.JsonPatch(owned).apply(state, in_place=True)


def _copied(value: Any) -> Any:
    """A copy of the dicts and lists in a value; what else is in them is shared."""
    if isinstance(value, dict):
        made = {key: _copied(each) for key, each in value.items()}
        return made if type(value) is dict else AddableDict(made) if isinstance(value, AddableDict) else made
    return [_copied(each) for each in value] if type(value) is list else value


class LogWriter:
    """Makes patches of facts.

    Args:
        wanted: which runs inside the root get an entry.
        with_streamed_output_list: the root's chunks are listed, too.
    """

    def __init__(self, wanted: Filter | None = None, with_streamed_output_list: bool = True) -> None:
        self._wanted = wanted or Filter()
        self._lists_chunks = with_streamed_output_list
        self._output = Output("/final_output", None)
        self._keys: dict[Any, str] = {}
        self._counts: dict[str, int] = {}
        self._root: UUID | None = None  # not the run itself, which knows who listens

    def declare(self, algebra: Algebra | None) -> None:
        """Tell how the root's chunks combine, where their type doesn't, before there are any."""
        self._output = Output("/final_output", algebra)

    def started(self, run: RunInfo) -> RunLogPatch | None:
        """A run has started."""
        if self._root is None:
            self._root = run.id
            state: dict[str, Any] = {"id": str(run.id), "streamed_output": [], "final_output": None, "logs": {}}
            return RunLogPatch(_op("replace", "", {**state, "name": run.name, "type": _type_of(run)}))
        if not self._wanted.wants(run.name, _type_of(run), run.tags):
            return None
        self._counts[run.name] = count = self._counts.get(run.name, 0) + 1
        self._keys[run.id] = key = run.name if count == 1 else f"{run.name}:{count}"
        entry = {
            "id": str(run.id),
            "name": run.name,
            "type": _type_of(run),
            "tags": list(run.tags),
            "metadata": dict(run.metadata),
            "start_time": run.start_time.isoformat(timespec=ISO_MILLISECONDS),
            "streamed_output": [],
            "streamed_output_str": [],
            "final_output": None,
            "end_time": None,
        }
        return RunLogPatch(_op("add", f"/logs/{escaped(key)}", entry))

    def chunk(self, run: RunInfo, chunk: Any) -> RunLogPatch | None:
        """A run has made a chunk."""
        if run.id is self._root:
            changes = self._output.push(chunk)
            if self._lists_chunks:
                changes.insert(0, {"op": "add", "path": "/streamed_output/-", "value": chunk})
            return _patch(changes) if changes else None
        key = self._keys.get(run.id)
        if key is None:
            return None
        path, ops = f"/logs/{escaped(key)}", []
        if run.about is not None and run.run_type in ("llm", "chat_model"):
            ops.append(_op("add", f"{path}/streamed_output_str/-", run.about.piece(chunk)[0]))
        return RunLogPatch(*ops, _op("add", f"{path}/streamed_output/-", chunk))

    def ended(self, run: RunInfo) -> RunLogPatch | None:
        """A run has ended."""
        key = self._keys.pop(run.id, None)
        if key is None:
            return None
        output = answered(run)
        if not isinstance(output, dict) and run.run_type not in ("prompt", "retriever"):
            output = {"output": output}
        return self._over(run, key, output)

    def failed(self, run: RunInfo) -> RunLogPatch | None:
        """A run has failed."""
        key = self._keys.pop(run.id, None)
        return None if key is None else self._over(run, key, None)

    def told(self, run: RunInfo, what: str, *data: Any) -> RunLogPatch | None:
        """A run log has nothing of it."""
        return None

    def _over(self, run: RunInfo, key: str, output: Any) -> RunLogPatch:
        path, end = f"/logs/{escaped(key)}", run.end_time
        ended = None if end is None else end.isoformat(timespec=ISO_MILLISECONDS)
        return RunLogPatch(_op("add", f"{path}/final_output", output), _op("add", f"{path}/end_time", ended))


class Output:
    """An output so far, and how each chunk changes it: in time linear in the chunk, where chunks are lists or dicts.

    Text and what else has a `+` is replaced whole, as in any log of this kind; so is a snapshot, but for a dict,
    of which only what differs is: that takes time as `growth` says.
    """

    def __init__(self, path: str, algebra: Algebra | None, first: str = "replace") -> None:
        self._path = path
        self._algebra = algebra
        self._first = first  # the operation that brings the first value
        self._size: int | None = None  # of a list
        self._keys: dict[str, Output] | None = None  # of a dict
        self._known: Any = None  # of anything else: the sum so far

    def push(self, chunk: Any) -> list[Op]:
        """The operations for one more chunk."""
        known = self._known
        if type(chunk) is str and type(known) is str and self._algebra is not Algebra.SNAPSHOTS:  # mostly; no detours
            self._known = known + chunk
            return [{"op": "replace", "path": self._path, "value": self._known}] if chunk else []
        if chunk is None:
            return []
        if self._algebra is not Algebra.SNAPSHOTS:
            if isinstance(chunk, AddableDict):
                return self._push_keys(chunk)
            if isinstance(chunk, list) and (self._size is not None or (known is None and _adds_as_a_list(chunk))):
                return self._push_items(chunk)
        return self._push_whole(chunk)

    def _push_keys(self, chunk: AddableDict) -> list[Op]:
        fresh = self._keys is None
        keys = self._keys = self._keys or {}
        ops = []
        for key, value in chunk.items():
            if key not in keys:
                algebra = Algebra.SNAPSHOTS if key in chunk.snapshots else None
                keys[key] = Output(f"{self._path}/{escaped(key)}", algebra, "add")
                if value is None:
                    ops.append(_op("add", keys[key]._path, None))
            ops += keys[key].push(value)
        return [_op(self._first, self._path, chunk)] if fresh else ops

    def _push_items(self, chunk: list[Any]) -> list[Op]:
        start = self._size
        self._size = (start or 0) + len(chunk)
        if start is None:
            return [_op(self._first, self._path, list(chunk))]
        return [_op("add", f"{self._path}/{start + at}", item) for at, item in enumerate(chunk)]

    def _push_whole(self, chunk: Any) -> list[Op]:
        before = self._known
        self._known = chunk if before is None else add(before, chunk, self._algebra, self._path)
        if before is None:
            return [_op(self._first, self._path, chunk)]
        if isinstance(self._known, dict):
            return growth(before, self._known, self._path)
        return [] if same(before, self._known) else [_op("replace", self._path, self._known)]


def _type_of(run: RunInfo) -> str:
    return "llm" if run.run_type == "chat_model" else run.run_type


def _adds_as_a_list(chunk: list[Any]) -> bool:
    return type(chunk) is list or inherits_plus(type(chunk), list)


def _patch(ops: list[Op]) -> RunLogPatch:
    """A patch of operations that nobody else has."""
    patch = RunLogPatch.__new__(RunLogPatch)
    patch._ops = ops
    return patch


def _op(op: str, path: str, value: Any) -> Op:
    return {"op": op, "path": path, "value": value}
