"""The verbs that tell what happens in a run: `astream_events`, `stream_events`, `astream_log`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from anabranch.engine.config import RunnableConfig
from anabranch.engine.events import Event, Filter, Formatter, Version
from anabranch.engine.run_logs import LogWriter, RunLog, RunLogPatch
from anabranch.scheduler.mailboxes import AsyncMailbox, ThreadMailbox, listened

if TYPE_CHECKING:
    from anabranch.engine.graphs import Graph
    from anabranch.scheduler.chunk_streams import AsyncChunkStream, ChunkStream

Input = TypeVar("Input", contravariant=True)
Names = Sequence[str] | None


class Telling(Generic[Input]):
    """See the module. Part of every runnable."""

    if TYPE_CHECKING:  # what every runnable has

        @property
        def __graph__(self) -> Graph: ...
        def stream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> ChunkStream[Any]: ...
        def astream(
            self, input: Input, config: RunnableConfig | None = None, **kwargs: Any
        ) -> AsyncChunkStream[Any]: ...

    def astream_events(
        self,
        input: Input,
        config: RunnableConfig | None = None,
        *,
        version: Version = "v2",
        include_names: Names = None,
        include_types: Names = None,
        include_tags: Names = None,
        exclude_names: Names = None,
        exclude_types: Names = None,
        exclude_tags: Names = None,
        errors: bool = False,
        **kwargs: Any,
    ) -> AsyncGenerator[Event, None]:
        """Run on one input and yield what happens, as it happens.

        An event is a dict with `event` (`on_<type>_start`, `_stream`, `_end`), `name`, `run_id`, `parent_ids`, `tags`,
        `metadata` and `data`. The input of a step that streams in is there at the step's end. A slow reader slows
        the run; closing cancels it.

        Args:
            input: what the first step takes.
            config: as for `invoke`.
            version: `v2`, or `v1` for those who read its events; what differs is told in `engine.events`.
            include_names, include_types, include_tags: only events of runs with one of these.
            exclude_names, exclude_types, exclude_tags: no events of runs with one of these.
            errors: a failed run makes an `on_<type>_error` event, too, whether the error was handled or not.
            **kwargs: reach the first step only.

        Raises:
            Exception: that of the run, after the events so far.
        """
        _check_version(version)
        wanted = Filter(include_names, include_types, include_tags, exclude_names, exclude_types, exclude_tags)
        mailbox = AsyncMailbox(Formatter(version, input, errors), wanted)
        return mailbox.read(lambda: self.astream(input, listened(config, mailbox), **kwargs))

    def stream_events(
        self,
        input: Input,
        config: RunnableConfig | None = None,
        *,
        version: Version = "v2",
        include_names: Names = None,
        include_types: Names = None,
        include_tags: Names = None,
        exclude_names: Names = None,
        exclude_types: Names = None,
        exclude_tags: Names = None,
        errors: bool = False,
        **kwargs: Any,
    ) -> Generator[Event, None, None]:
        """`astream_events` for blocking code. The run goes on in a thread of its own, while events are read."""
        _check_version(version)
        wanted = Filter(include_names, include_types, include_tags, exclude_names, exclude_types, exclude_tags)
        mailbox = ThreadMailbox(Formatter(version, input, errors), wanted)
        told = listened(config, mailbox)

        def run() -> None:
            for _ in self.stream(input, told, **kwargs):
                pass

        return mailbox.read(run, self.__graph__)

    @overload
    def astream_log(
        self, input: Input, config: RunnableConfig | None = None, *, diff: Literal[True] = True, **kwargs: Any
    ) -> AsyncGenerator[RunLogPatch, None]: ...
    @overload
    def astream_log(
        self, input: Input, config: RunnableConfig | None = None, *, diff: Literal[False], **kwargs: Any
    ) -> AsyncGenerator[RunLog, None]: ...
    def astream_log(
        self,
        input: Input,
        config: RunnableConfig | None = None,
        *,
        diff: bool = True,
        with_streamed_output_list: bool = True,
        include_names: Names = None,
        include_types: Names = None,
        include_tags: Names = None,
        exclude_names: Names = None,
        exclude_types: Names = None,
        exclude_tags: Names = None,
        **kwargs: Any,
    ) -> Any:
        """Run on one input and yield the run log as it grows: as patches, or as states.

        Args:
            input: what the first step takes.
            config: as for `invoke`.
            diff: yield a `RunLogPatch` a fact, which add up by `+`; otherwise a `RunLog`, whose `state` is the whole.
            with_streamed_output_list: list the output's chunks in `streamed_output`.
            include_names, include_types, include_tags: only runs with one of these get an entry in `logs`.
            exclude_names, exclude_types, exclude_tags: no run with one of these does.
            **kwargs: reach the first step only.
        """
        wanted = Filter(include_names, include_types, include_tags, exclude_names, exclude_types, exclude_tags)
        writer = LogWriter(wanted, with_streamed_output_list)
        mailbox = AsyncMailbox(writer)

        def open_stream() -> AsyncIterator[Any]:
            stream = self.astream(input, listened(config, mailbox), **kwargs)
            writer.declare(stream.algebra)
            return stream

        patches = mailbox.read(open_stream)
        return patches if diff else _states(patches)


async def _states(patches: AsyncGenerator[RunLogPatch, None]) -> AsyncGenerator[RunLog, None]:
    """What the patches come to, after each."""
    log = RunLog()
    try:
        async for patch in patches:
            log = log + patch
            yield log
    finally:
        await patches.aclose()


def _check_version(version: str) -> None:
    if version not in ("v1", "v2"):
        raise NotImplementedError(f"events come in version 'v1' or 'v2', not {version!r}")
