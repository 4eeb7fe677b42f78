"""Decides which ports of a join a consumer waits for.

A consumer that is known to read only some keys (`pick`, `operator.itemgetter`, a prompt) is fed by the ports
of those keys, so it starts as soon as these exist. Where a key that it needs can't be found among the ports, the whole
join is delivered, so that the consumer fails just as it would have without wiring.
"""

from __future__ import annotations

from anabranch.engine.graphs import Join, Source
from anabranch.engine.operators import Operator


def narrowed(source: Source, operator: Operator) -> Source:
    """The part of a source that an operator reads."""
    reads = operator.reads
    if reads is None or not isinstance(source, Join):
        return source
    ports: dict[str, Source] = {}
    wanted = set(reads)
    join: Source = source
    while wanted:
        if not isinstance(join, Join):
            return source  # a key may come from a base that nobody knows before it is there
        for key in sorted(wanted & join.ports.keys()):
            ports[key] = join.ports[key]
        wanted -= join.ports.keys()
        if join.base is None:
            break
        join = join.base
    if wanted - operator.optional or not _known(source):
        return source
    return Join(ports, source.scope)


def _known(join: Join) -> bool:
    """Whether the join is certainly a dict: an opaque base must be waited for, to be checked."""
    base: Source | None = join
    while isinstance(base, Join):
        base = base.base
    return base is None
