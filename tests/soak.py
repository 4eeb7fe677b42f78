"""Simulates random programs for as long as one wants: `make soak`, or `python tests/soak.py --minutes 1`.

Each is run under random seeds, caps, capacities, durations, timeouts and verbs, and must come to what it should, with
nothing left and every run told of once. What fails is printed with what it takes to do it again, and becomes a test.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
import warnings
from typing import Any

from built_programs import Watched, build
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisWarning
from programs import Injected, Program, Value, expected, programs, values

from anabranch.engine.trace_laws import Recorder, check_facts
from anabranch.nodes import simulate

VERBS = ("invoke", "ainvoke", "stream", "astream")
ROUND = 200  # programs between two looks at the clock


class Resting(Watched):
    """Leaves that sleep, now and then."""

    def rest(self) -> None:
        time.sleep(1)

    async def arest(self) -> None:
        await asyncio.sleep(1)


class Soak:
    """Counts what was done, and does a round of it."""

    def __init__(self) -> None:
        self.programs = self.runs = self.switches = self.steps = 0

    def round(self, number: int) -> None:
        """Random programs, each in every verb under a seed of its own. `number` makes it repeatable."""

        @seed(number)
        @settings(
            max_examples=ROUND,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        )
        @given(programs(max_leaves=24), values, st.integers(0, 2**32))
        def simulated(program: Program, value: Value, start: int) -> None:
            self.programs += 1
            for verb in VERBS:
                self.one(program, value, start, verb)

        simulated()

    def one(self, program: Program, value: Value, start: int, verb: Any) -> None:
        """One run of one program."""
        chance, watch, recorder = random.Random(start), Resting(), Recorder()
        wanted = expected(program, value)
        config: Any = {"channel_capacity": chance.choice((1, 1, 2, 16))}
        if heard := chance.random() < 0.5:
            config["callbacks"] = [recorder]
        if timed := chance.random() < 0.2:
            config["timeout"] = chance.uniform(0.1, 8)
        found = simulate(
            build(program, watch),
            value,
            config,
            verb=verb,
            seed=start,
            max_concurrency=chance.choice((None, 1, 2, 3, 5)),
            durations=lambda random: float(random.randint(0, 3)),
        )
        self.runs += 1
        self.switches += found.switches
        self.steps += len(found.runs)
        late = timed and isinstance(found.error, TimeoutError)
        if wanted.vague and verb in ("stream", "astream"):
            assert found.error is None or late or isinstance(found.error, Injected), repr(found.error)
        elif found.error is None:
            assert not wanted.errors, f"no error, but one of {wanted.errors} was due"
            assert found.value == wanted.value
        elif not late:
            assert isinstance(found.error, Injected), repr(found.error)
            assert wanted.errors, f"{found.error!r}, but no error was due"
        assert not found.left, f"left: {found.left}"
        assert not watch.left(), f"left: {watch.left()}"
        if heard:
            check_facts(recorder.facts)
        if found.max_concurrency is not None:
            assert found.peak <= found.max_concurrency, f"{found.peak} at once under a cap of {found.max_concurrency}"


def main() -> int:
    """Soak, and say how much was tried."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--first", type=int, default=None, help="the number of the first round; random by default")
    given = parser.parse_args()
    warnings.simplefilter("ignore", HypothesisWarning)  # of large programs, which are meant
    soak, end = Soak(), time.monotonic() + 60 * given.minutes
    number = random.randrange(10**9) if given.first is None else given.first
    while time.monotonic() < end:
        try:
            soak.round(number)
        except BaseException:
            print(f"round {number} failed: python tests/soak.py --first {number}", file=sys.stderr)
            raise
        number += 1
    print(f"{soak.programs} programs, {soak.runs} runs, {soak.steps} steps, {soak.switches} switches: all well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
