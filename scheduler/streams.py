"""The blocking verb over chunks: `stream`."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextvars import copy_context
from functools import partial
from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import Stopped
from anabranch.engine.graphs import Graph
from anabranch.scheduler.actions import SYNC
from anabranch.scheduler.calls import ledger_for, opened_config, timeout_of
from anabranch.scheduler.chunk_streams import ChunkStream, held_in
from anabranch.scheduler.closing import Closing
from anabranch.scheduler.managers import is_heard, managed
from anabranch.scheduler.pulling import Puller
from anabranch.scheduler.reporting import Reporter
from anabranch.scheduler.roots import Root
from anabranch.scheduler.sites import SITE, Site, pulling_site, site_of
from anabranch.scheduler.sources import close
from anabranch.scheduler.stages import ChunkPlan, chunk_plan_of
from anabranch.scheduler.stays import Stay, take_permit
from anabranch.scheduler.thread_streams import ThreadStream
from anabranch.scheduler.traces import Trace
from anabranch.scheduler.watching import WatchedPuller


def stream(
    graph: Graph, source: Iterator[Any], config: RunnableConfig | None = None, *, whole: bool = False
) -> ChunkStream[Any]:
    """The chunks of a graph's output, as it is run on the chunks of an input. `whole`: the input is one chunk."""
    parent, timeout = SITE.get(), timeout_of(config)
    if config is not None or parent is not None:
        config = opened_config(config, parent)
    if is_heard(config, graph):
        return _stream_heard(graph, source, managed(config), parent, timeout, whole)
    plan, source = chunk_plan_of(graph, SYNC), iter(source)
    if plan.straight and timeout is None:
        opened: list[Puller] = []
        return ChunkStream(
            _stream_straight(plan, source, config, parent, opened, Puller), plan.algebra, lambda: held_in(opened)
        )
    run = ThreadStream(plan, source, config, parent, timeout, whole, stream)
    return ChunkStream(run.chunks(), plan.algebra, run.statistics)


def _stream_heard(
    graph: Graph,
    source: Iterator[Any],
    config: RunnableConfig,
    parent: Site | None,
    timeout: float | None,
    whole: bool,
) -> ChunkStream[Any]:
    """The same where somebody listens."""
    plan, root = chunk_plan_of(graph, SYNC, heard=True), Root(Trace(graph, config, Reporter(), in_chunks=True))
    source, open_puller = root.fed(iter(source), whole), partial(WatchedPuller, root.trace)
    if plan.straight and timeout is None:
        opened: list[Puller] = []
        chunks = _stream_straight(plan, source, config, parent, opened, open_puller)
        return ChunkStream(root.told(chunks, plan.algebra), plan.algebra, lambda: held_in(opened))
    run = ThreadStream(plan, source, config, parent, timeout, whole, stream, open_puller)
    return ChunkStream(root.told(run.chunks(), plan.algebra), plan.algebra, run.statistics)


def _stream_straight(
    plan: ChunkPlan,
    source: Iterator[Any],
    config: RunnableConfig | None,
    parent: Site | None,
    opened: list[Puller],
    open_puller: Callable[..., Puller],
) -> Generator[Any, None, None]:
    """One segment is all there is: no strand, no lock, no thread."""
    ledger = ledger_for(config, parent, plan.graph)
    site = site_of(config, plan.graph, ledger, held=parent is None or ledger is not parent.ledger)
    site.parent = parent
    context = copy_context()
    context.run(SITE.set, site)
    puller = context.run(open_puller, plan.segments[0].stages, source, site, plan.graph, stream)
    opened.append(puller)
    run: Callable[..., Any] = context.run
    pull: Callable[[], Any] = partial(run, puller.pull)
    if parent is not None:
        site.age = parent.age
        pull = _staying(parent, site, pull)
    with Closing([puller], partial(run, close)):
        try:
            while True:
                yield pull()
        except StopIteration:
            pass
        except GeneratorExit:
            raise
        except BaseException as error:
            puller.blame(error)
            raise
        finally:
            if parent is not None:
                parent.unhook(site)


def _staying(parent: Site, site: Site, pull: Callable[[], Any]) -> Callable[[], Any]:
    """A pull inside a step: it is lent the step's permit, and obeys the step's stop."""
    parent.hook(site, site.stop)

    def stay() -> Any:
        if parent.stopped:
            raise Stopped("the call around this step was stopped")
        with Stay(pulling_site(parent), site, hook=False):
            take_permit(site)
            return pull()

    return stay
