"""What goes into the scopes of a graph and comes out of them, made of what their steps take and make."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from anabranch.engine.chunks import Accumulator, Tally
from anabranch.engine.errors import StepInputError
from anabranch.engine.runs import MISSING
from anabranch.scheduler.gathering import gathered
from anabranch.scheduler.inlets import CLOSED, EMPTY, FlowInlet
from anabranch.scheduler.ports import Ports
from anabranch.scheduler.shapes import ScopeShape


class KnownValues:
    """What is known, by slot, of the values that flow through a graph: whole ones, and sums so far."""

    def __init__(self, values: dict[int, Any]) -> None:
        self.values = values

    def about(self, ports: Ports) -> Any:
        """What is known of an input. What can't be made needn't be, where its steps read other parts."""
        try:
            return self.gathered(ports)
        except StepInputError:
            return self._partly(ports)

    def gathered(self, ports: Ports) -> Any:
        """What ports read; as far as it is known, if that isn't all.

        Raises:
            StepInputError: it can't be made.
        """
        slots = ports.slots
        if any(slot not in self.values for slot in slots):
            return self._partly(ports)
        return gathered(ports.recipe, [self._value_of(slot) for slot in slots])

    def _value_of(self, slot: int) -> Any:
        value = self.values[slot]
        return value.value if isinstance(value, Accumulator) else value

    def _partly(self, ports: Ports) -> Any:
        """Those keys of a dict that are known."""
        known = {
            leaf.path[0]: self._value_of(leaf.slot) for leaf in ports.leaves if leaf.path and leaf.slot in self.values
        }
        return known or MISSING


class ScopeOutputs:
    """The outputs of scopes, made of the chunks of the steps that feed them. A scope is known by its index.

    Attributes:
        totals: what the chunks of each scope come to so far, as far as there are some.
        refusals: why the output of a scope can't be made.
    """

    def __init__(self, scopes: Sequence[ScopeShape]) -> None:
        self._shapes = scopes
        self._inlets: dict[int, FlowInlet] = {}
        self.totals: dict[int, Accumulator] = {}
        self.refusals: dict[int, StepInputError] = {}

    def made(self, index: int, leaf: int, chunk: Any) -> list[Any]:
        """The chunks that a chunk of a part makes, or the end of that part, which is `CLOSED`.

        Raises:
            StepInputError: that chunk can't be taken. None is taken after it.
        """
        inlet = self._inlet(index)
        if inlet.detached:
            return []
        try:
            if chunk is CLOSED:
                inlet.close(leaf)
            else:
                inlet.put(leaf, chunk, force=True)
        except StepInputError as error:
            inlet.detached = True
            self.refusals[index] = error
            raise
        made = []
        while (each := inlet.take()) is not EMPTY and each is not CLOSED:
            self.totals[index].push(each)
            made.append(each)
        return made

    def is_whole(self, index: int) -> bool:
        """Whether all parts of an output have come to their end."""
        return index in self._inlets and self._inlets[index].closed

    def refusals_from_within(self) -> Iterable[tuple[int, StepInputError]]:
        """Why outputs can't be made, those of inner scopes first."""
        return sorted(self.refusals.items(), reverse=True)

    def _inlet(self, index: int) -> FlowInlet:
        inlet = self._inlets.get(index)
        if inlet is None:
            ports = self._shapes[index].output
            inlet = self._inlets[index] = FlowInlet(ports, 0)
            self.totals[index] = Tally(None if ports.joins else ports.leaves[0].algebra)
        return inlet
