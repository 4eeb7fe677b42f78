"""The progress bar of a batch, drawn by tqdm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anabranch.nodes.extras import import_extra, require_extra


class Bar:
    """A bar on the standard error stream, as `config["progress"]` of one batch.

    Raises:
        MissingExtraError: an `ImportError`, when tqdm isn't installed.
    """

    def __init__(self) -> None:
        require_extra("tqdm", "progress", 'config={"progress": True}')
        self._bar: Any = None

    def begin(self, total: int, done: int = 0) -> None:
        """Draw it, with so many done already."""
        if total:
            library = import_extra("tqdm.auto", "progress", 'config={"progress": True}')
            # tqdm would start a thread of its own to watch over bars that have come to a halt.
            self._bar = type("Bar", (library.tqdm,), {"monitor_interval": 0})(total=total, initial=done)

    def __call__(self, done: int, total: int) -> None:
        if self._bar is not None:
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """Leave it as it is."""
        if self._bar is not None:
            self._bar.close()


def with_bar(configs: Any) -> Any:
    """The config of a batch, or one for each input, with a bar where the first asks for one."""
    if isinstance(configs, Mapping):
        return {**configs, "progress": Bar()} if configs.get("progress") is True else configs
    if not isinstance(configs, list | tuple):
        return configs  # it is refused later
    for index, config in enumerate(configs):
        if isinstance(config, Mapping) and config.get("progress") is True:
            return [*configs[:index], with_bar(config), *configs[index + 1 :]]
    return configs
