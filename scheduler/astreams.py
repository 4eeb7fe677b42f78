"""The asynchronous verb over chunks: `astream`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextvars import copy_context
from functools import partial
from typing import Any

from anabranch.engine.config import RunnableConfig
from anabranch.engine.errors import Stopped
from anabranch.engine.graphs import Graph
from anabranch.scheduler.actions import ASYNC
from anabranch.scheduler.advancing import in_context, within
from anabranch.scheduler.apulling import AsyncPuller
from anabranch.scheduler.awatching import AsyncWatchedPuller
from anabranch.scheduler.calls import cap_for, opened_config, timeout_of
from anabranch.scheduler.chunk_streams import AsyncChunkStream, held_in
from anabranch.scheduler.closing import AClosing, raise_if_cancelled, times_cancelled
from anabranch.scheduler.managers import is_heard, managed
from anabranch.scheduler.reporting import Reporter
from anabranch.scheduler.roots import Root
from anabranch.scheduler.sites import SITE, Site, pulling_site, site_of
from anabranch.scheduler.stages import ChunkPlan, chunk_plan_of
from anabranch.scheduler.stays import AStay, take_permit_async
from anabranch.scheduler.task_streams import TaskStream
from anabranch.scheduler.traces import Trace


def astream(
    graph: Graph, source: AsyncIterator[Any], config: RunnableConfig | None = None, *, whole: bool = False
) -> AsyncChunkStream[Any]:
    """The chunks of a graph's output, as it is run on the chunks of an input. `whole`: the input is one chunk."""
    parent, timeout = SITE.get(), timeout_of(config)
    if config is not None or parent is not None:
        config = opened_config(config, parent)
    if is_heard(config, graph):
        return _astream_heard(graph, source, managed(config), parent, timeout, whole)
    plan = chunk_plan_of(graph, ASYNC)
    if plan.straight and timeout is None:
        opened: list[AsyncPuller] = []
        return AsyncChunkStream(
            _astream_straight(plan, source, config, parent, opened, AsyncPuller), plan.algebra, lambda: held_in(opened)
        )
    run = TaskStream(plan, source, config, parent, timeout, whole, astream)
    return AsyncChunkStream(run.chunks(), plan.algebra, run.statistics)


def _astream_heard(
    graph: Graph,
    source: AsyncIterator[Any],
    config: RunnableConfig,
    parent: Site | None,
    timeout: float | None,
    whole: bool,
) -> AsyncChunkStream[Any]:
    """The same where somebody listens."""
    reporter = Reporter()  # which enters the loop when it is known, for a stream may be opened before
    plan, root = chunk_plan_of(graph, ASYNC, heard=True), Root(Trace(graph, config, reporter, in_chunks=True))
    source, open_puller = root.afed(source, whole), partial(AsyncWatchedPuller, root.trace)
    if plan.straight and timeout is None:
        opened: list[AsyncPuller] = []
        chunks = _astream_straight(plan, source, config, parent, opened, open_puller)
        return AsyncChunkStream(root.atold(chunks, plan.algebra), plan.algebra, lambda: held_in(opened))
    run = TaskStream(plan, source, config, parent, timeout, whole, astream, open_puller)
    return AsyncChunkStream(root.atold(run.chunks(), plan.algebra), plan.algebra, run.statistics)


async def _astream_straight(
    plan: ChunkPlan,
    source: AsyncIterator[Any],
    config: RunnableConfig | None,
    parent: Site | None,
    opened: list[AsyncPuller],
    open_puller: Callable[..., AsyncPuller],
) -> AsyncGenerator[Any, None]:
    """One segment is all there is: no strand and no task."""
    ledger = cap_for(config, parent, plan.graph)
    site = site_of(config, plan.graph, ledger, held=parent is None or ledger is not parent.ledger)
    site.parent = parent
    context = copy_context()
    context.run(SITE.set, site)
    puller = context.run(open_puller, plan.segments[0].stages, source, site, plan.graph, astream)
    opened.append(puller)
    run, pull = context.run, puller.pull
    puller_site: list[Site] = []
    if parent is not None:
        site.age = parent.age
        pull = _staying(parent, site, pull, puller_site)
    out = _Out([CHUNK])
    pulled = _pulled(pull, out)
    go_on = pulled.send
    cancelled = times_cancelled()
    try:
        async with AClosing([puller], lambda _: within(puller.aclose(), context)):
            try:
                while True:
                    if parent is not None:
                        puller_site[:] = [pulling_site(parent)]
                    waits_for = run(go_on, None)
                    if waits_for is not CHUNK:
                        await in_context(pulled, context, waits_for, CHUNK)
                    yield out.chunk
            except StopAsyncIteration:
                pass
            except GeneratorExit:
                raise
            except BaseException as error:
                puller.blame(error)
                raise
            finally:
                if parent is not None:
                    parent.unhook(site)
                run(pulled.close)
    except Exception as error:
        raise_if_cancelled(error, cancelled)
        raise


CHUNK = object()


class _Out(list[object]):
    """Awaited, it yields what is in it, without a frame of its own; the chunk stands beside."""

    __slots__ = ("chunk",)

    chunk: Any
    __await__: Any = list.__iter__


async def _pulled(pull: Callable[[], Awaitable[Any]], out: _Out) -> None:
    """Pulls, and yields `CHUNK` after each. A chunk that is returned would cost an exception."""
    while True:
        out.chunk = await pull()
        await out


def _staying(
    parent: Site, site: Site, pull: Callable[[], Awaitable[Any]], puller_site: list[Site]
) -> Callable[[], Any]:
    """A pull inside a step: it is lent the permit of whoever pulls, and obeys the step's stop."""
    parent.hook(site, site.stop)

    async def stay() -> Any:
        if parent.stopped:
            raise Stopped("the call around this step was stopped")
        async with AStay(puller_site[0], site, hook=False):
            await take_permit_async(site)
            return await pull()

    return stay
