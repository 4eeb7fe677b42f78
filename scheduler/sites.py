"""Where code of a step runs: what a call made inside it finds, and the permit that it holds.

A site stands in the context variable `SITE` while the code of a unit runs. A runnable that is called there finds
its parent in it: the config to inherit, the ledger to share, the stop to obey.

The permit. A unit holds one while its code runs. With the first nested call that is outstanding the site lends
it to that call, and takes one again after the last has returned; so a step that waits for what it called holds
none, however deep it is nested, and one permit is enough for any depth.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from anabranch.engine.config import RunnableConfig, ensure_config, merge_configs
from anabranch.engine.graphs import Graph, Step
from anabranch.scheduler.ledger import AGES, Ledger


class Site:
    """See the module.

    Attributes:
        config: the config of the call; None where nobody gave any.
        graph, step: the step whose code runs, when config is bound to it.
        ledger: where its permit comes from; None when it needs none.
        held: whether it has its permit.
        stopped: nothing more is to be started here.
        position: of a run of plain functions the one that was called last, when it raised or returned a runnable; in a
            stream the slot of the step that returned one.
        parent: the site around a nested stream.
    """

    __slots__ = (
        "_counting",
        "_hooks",
        "age",
        "config",
        "graph",
        "held",
        "ledger",
        "outstanding",
        "over",
        "parent",
        "position",
        "step",
        "stopped",
    )

    def __init__(
        self, config: RunnableConfig | None, graph: Graph, ledger: Ledger | None, held: bool, age: int | None = None
    ) -> None:
        self.config = config
        self.graph = graph
        self.step: Step | None = None
        self.ledger = ledger
        self.held = held
        self.age = age if age is not None else (0 if ledger is None else next(AGES))
        self.position = 0
        self.parent: Site | None = None
        self.outstanding = 0
        self.over = False
        self.stopped = False
        self._counting = None if ledger is None else threading.Lock()  # a step may make calls from its own threads
        self._hooks: dict[object, Callable[[], Any]] | None = None  # made when needed: there are many sites

    def inherited(self) -> RunnableConfig | None:
        """The config that a nested call inherits; None where there is none at all."""
        return self.config if self.step is None else inherited_config(self.config, self.graph, self.step)

    def full_config(self) -> RunnableConfig:
        """The config as a step sees it, with defaults."""
        return ensure_config(self.inherited())

    def config_for(self, step: Step) -> RunnableConfig:
        """The config as this step sees it, with defaults."""
        return ensure_config(inherited_config(self.config, self.graph, step))

    def trail(self) -> list[str]:
        """Where the functions stand that returned the runnables that are streamed, outermost first."""
        places: list[str] = []
        at: Site | None = self
        while at is not None:
            places.append(at.graph.place(at.position))
            at = at.parent
        return places[::-1]

    def lend(self) -> bool:
        """A nested call begins. True when it gets the permit of this site."""
        if self.ledger is None or self._counting is None:
            return False
        with self._counting:
            self.outstanding += 1
            lent, self.held = self.held, False
        return lent

    def take_back(self, has_permit: bool) -> bool:
        """A nested call has ended, with or without a permit in hand. True when the site must get one again."""
        if self.ledger is None or self._counting is None:
            return False
        with self._counting:
            self.outstanding -= 1
            wanted = not self.outstanding and not self.over
            self.held = wanted and has_permit
        if has_permit and not wanted:
            self.ledger.release()
        return wanted and not has_permit

    def end(self) -> bool:
        """The code has ended. True when the permit is still here."""
        if self._counting is None:
            return self.held
        with self._counting:
            self.over = True
            return self.held

    def stop(self) -> None:
        """Start nothing more here, and stop what was started."""
        self.stopped = True
        for hook in list((self._hooks or {}).values()):
            hook()

    def hook(self, key: object, act: Callable[[], Any]) -> None:
        """Call this when the site is stopped: to stop a nested call, or what runs on the portal."""
        if self._hooks is None:
            self._hooks = {}
        self._hooks[key] = act
        if self.stopped:
            act()

    def unhook(self, key: object) -> None:
        """Don't call it any more."""
        if self._hooks is not None:
            self._hooks.pop(key, None)


SITE: ContextVar[Site | None] = ContextVar("anabranch_site", default=None)


def give_up(site: Site) -> list[Site]:
    """Give up what permits are held for code that is about to wait; they are to be had again afterwards.

    A nested run reads its step's input with the permit that it was lent, so that is looked for, too.
    """
    held = [each for each in {site, SITE.get()} if each is not None and each.held and each.ledger is not None]
    for each in held:
        each.held = False
        assert each.ledger is not None
        each.ledger.release()
    return held


def inherited_config(config: RunnableConfig | None, graph: Graph, step: Step) -> RunnableConfig | None:
    """The config of a call, over what is bound to a step and to the scopes around it. Names stay behind."""
    bound = [step.config]
    index = step.scope
    while index >= 0:
        scope = graph.scopes[index]
        bound.append(scope.config)
        index = scope.parent
    layers = [layer for layer in (*reversed(bound), config) if layer]
    if not layers:
        return None
    merged = merge_configs(*layers) if len(layers) > 1 else layers[0].copy()
    merged.pop("run_name", None)
    merged.pop("run_id", None)
    return merged
