"""The laws of composing, of chunks, of the verbs and of scheduling, each a plain function.

Its docstring is the law in English. It takes runnables (anything with the verbs) or plain values, and raises
`LawBroken`, an `AssertionError`, with what was found on either side, where it doesn't hold. So a node or a driver of
your own is checked by calling the laws; `anabranch.nodes.laws.check_laws` calls all that apply to a node.

| file | holds |
|---|---|
| `composition_laws` | composing, dicts, `pick`, passthrough |
| `chunk_laws` | adding chunks, `fold(stream(x)) == invoke(x)` |
| `verb_laws` | `batch`, the asynchronous verbs, calling twice |
| `scheduling_laws` | the cap, the makespan, what is left alive |
| `trace_laws` | what is told of runs |

The laws are about deterministic operators, and about chunks that are mapped so that `op(a + b) == op(a) + op(b)`
and `op(None) == None`.
"""

from anabranch.engine.chunk_laws import (
    atransform_is_ainvoke_of_the_fold,
    chunks_form_a_monoid,
    chunks_of_a_stream_form_a_monoid,
    fold_of_astream_is_ainvoke,
    fold_of_stream_is_invoke,
    none_among_the_chunks_adds_nothing,
    operator_maps_chunks,
    transform_is_invoke_of_the_fold,
)
from anabranch.engine.composition_laws import (
    associativity_of_composition,
    distribution,
    passthrough_is_identity,
    pick_after_join,
)
from anabranch.engine.law_outcomes import LawBroken, Outcome, Verbs, afolded, aoutcome, folded, outcome
from anabranch.engine.scheduling_laws import (
    Occupancy,
    concurrency_within_cap,
    makespan_within_bound,
    nothing_alive_after,
)
from anabranch.engine.verb_laws import (
    abatch_is_map_of_ainvoke,
    batch_is_map_of_invoke,
    called_twice_it_gives_the_same,
    input_is_not_changed,
    one_failure_spoils_no_other,
    sync_equals_async,
    sync_stream_equals_async_stream,
)

__all__ = [
    "LawBroken",
    "Occupancy",
    "Outcome",
    "Verbs",
    "abatch_is_map_of_ainvoke",
    "afolded",
    "aoutcome",
    "associativity_of_composition",
    "atransform_is_ainvoke_of_the_fold",
    "batch_is_map_of_invoke",
    "called_twice_it_gives_the_same",
    "chunks_form_a_monoid",
    "chunks_of_a_stream_form_a_monoid",
    "concurrency_within_cap",
    "distribution",
    "fold_of_astream_is_ainvoke",
    "fold_of_stream_is_invoke",
    "folded",
    "input_is_not_changed",
    "makespan_within_bound",
    "none_among_the_chunks_adds_nothing",
    "nothing_alive_after",
    "one_failure_spoils_no_other",
    "operator_maps_chunks",
    "outcome",
    "passthrough_is_identity",
    "pick_after_join",
    "sync_equals_async",
    "sync_stream_equals_async_stream",
    "transform_is_invoke_of_the_fold",
]
