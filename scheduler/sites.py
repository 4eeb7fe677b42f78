"""Where code of a step runs: what a call made inside it finds, and the permit that it holds.

A site stands in the context variable `SITE` while the code of a unit runs. A runnable that is called there finds
its parent in it: the config to inherit, the ledger to share, the stop to obey.

The permit. A unit holds one while its code runs. With the first nested call that is outstanding the site lends
it to that call, and takes one again after the last has returned; so a step that waits for what it called holds
none, however deep it is nested, and one permit is enough for any depth.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from anabranch.engine.config import RunnableConfig, ensure_config, merge_configs
from anabranch.engine.graphs import Graph, Step
from anabranch.scheduler import primitives
from anabranch.scheduler.ledger import AGES, Ledger
from anabranch.scheduler.managers import RUN, CallbackManager, below


class Site:
    """Where code runs that needs no permit. There may be very many of these at once.

    Attributes:
        config: the config of the call; None where nobody gave any.
        graph, step: the step whose code runs, when config is bound to it.
        stopped: nothing more is to be started here.
        position: of a run of plain functions the one that was called last, when it raised or returned a runnable; in a
            stream the slot of the step that returned one.
        parent: the site around a nested stream.
        ledger, held, age: see `PermitSite`.
    """

    __slots__ = ("_hooks", "age", "config", "graph", "parent", "position", "result", "step", "stopped")

    ledger: Ledger | None = None
    held = False

    def __init__(self, config: RunnableConfig | None, graph: Graph, age: int = 0) -> None:
        self.config = config
        self.graph = graph
        self.step: Step | None = None
        self.position = 0
        self.parent: Site | None = None
        self.stopped = False
        self.age = age
        self.result: Any = None
        self._hooks: dict[object, Callable[[], Any]] | None = None  # made when needed

    def inherited(self) -> RunnableConfig | None:
        """The config that a nested call inherits; None where there is none at all."""
        site, step, speaker = self, self.step, SPEAKER.get()
        if speaker is not None and speaker[0] is self:
            site, step = speaker[1], speaker[2] or speaker[1].step
        return heard(site.config if step is None else inherited_config(site.config, site.graph, step))

    def full_config(self) -> RunnableConfig:
        """The config as a step sees it, with defaults."""
        return ensure_config(self.inherited())

    def config_for(self, step: Step) -> RunnableConfig:
        """The config as this step sees it, with defaults."""
        return ensure_config(heard(inherited_config(self.config, self.graph, step)))

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
        return False

    def take_back(self, has_permit: bool) -> bool:
        """A nested call has ended, with or without a permit in hand. True when the site must get one again."""
        return False

    def give_up(self) -> bool:
        """The code is about to wait: give up the permit. True when there was one, which is to be had again."""
        return False

    def end(self) -> bool:
        """The code has ended. True when a permit is still here."""
        return False

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


class PermitSite(Site):
    """Where code runs that holds a permit.

    Attributes:
        ledger: where the permit comes from.
        held: whether it has it.
        age: who came first is served first.
    """

    __slots__ = ("_counting", "_outstanding", "_over", "held", "ledger")

    def __init__(
        self, config: RunnableConfig | None, graph: Graph, ledger: Ledger, held: bool, age: int | None = None
    ) -> None:
        super().__init__(config, graph, next(AGES) if age is None else age)
        self.ledger: Ledger = ledger
        self.held = held
        self._outstanding = 0
        self._over = False
        self._counting = primitives.Lock()  # a step may make calls from its own threads

    def lend(self) -> bool:
        with self._counting:
            self._outstanding += 1
            lent, self.held = self.held, False
        return lent

    def take_back(self, has_permit: bool) -> bool:
        with self._counting:
            self._outstanding -= 1
            wanted = self._wants
            if wanted and has_permit:
                self.held = True
        if has_permit and not wanted:
            self.ledger.release()
        return wanted and not has_permit

    def take(self) -> None:
        """A permit is here. It goes back if it came too late: calls of one step may end, and begin, meanwhile."""
        with self._counting:
            keeps = self._wants
            if keeps:
                self.held = True
        if not keeps:
            self.ledger.release()

    @property
    def _wants(self) -> bool:
        return not (self.held or self._outstanding or self._over)

    def give_up(self) -> bool:
        if not self.held:
            return False
        self.held = False
        self.ledger.release()
        return True

    def end(self) -> bool:
        with self._counting:
            self._over = True
            return self.held


def site_of(
    config: RunnableConfig | None, graph: Graph, ledger: Ledger | None, *, held: bool, age: int | None = None
) -> Site:
    """A site, with a permit of the ledger if there is one; `held`: it has it already."""
    return Site(config, graph, age or 0) if ledger is None else PermitSite(config, graph, ledger, held, age)


SITE: ContextVar[Site | None] = ContextVar("anabranch_site", default=None)

SPEAKER: ContextVar[tuple[Site, Site, Step | None] | None] = ContextVar("anabranch_speaker", default=None)
"""A site, and whose config holds for what is called there: that of a site, and of a step if config is bound to it.

The steps of a stream share a site and its permit; and a nested run pulls its input from the code of another.
"""


class Speaking:
    """Until it is left, calls at the current site have the config of this site, and of this step."""

    __slots__ = ("_around", "_site", "_step")

    def __init__(self, site: Site, step: Step | None) -> None:
        self._site = site
        self._step = step

    def __enter__(self) -> None:
        self._around = SPEAKER.get()
        here = SITE.get()
        SPEAKER.set(None if here is None else (here, self._site, self._step))

    def __exit__(self, *_: object) -> None:
        SPEAKER.set(self._around)


def holders(site: Site) -> list[PermitSite]:
    """Who holds the permits of code that is about to wait; they are to be given up, and to be had again afterwards.

    A nested run reads its step's input with the permit that it was lent, so that is looked for, too.
    """
    at = SITE.get()
    return [each for each in (site, None if at is site else at) if isinstance(each, PermitSite) and each.held]


def pulling_site(parent: Site) -> Site:
    """Where the code runs that pulls a stream which was opened in a step.

    A stream may be opened by one step of a segment and pulled by a run that another made, which then has the permit.
    """
    at = SITE.get()
    return parent if at is None or at.ledger is not parent.ledger else at


def heard(config: RunnableConfig | None) -> RunnableConfig | None:
    """The config with the callbacks that what is called here inherits, if somebody listens."""
    if config is None or not isinstance(config.get("callbacks"), CallbackManager):
        return config
    run = RUN.get()
    return config if run is None else below(config, run)


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
