"""The trees of running steps on a terminal, drawn by rich."""

from __future__ import annotations

from time import time
from typing import Any

from anabranch.engine.runs import RunInfo
from anabranch.nodes.extras import import_extra

LONGEST_NAME = 60
"""Characters shown of a name."""

MOST_ROOTS, MOST_CHILDREN = 10, 50
"""Trees drawn at once, and branches of one."""

SIGNS = {"running": "•", "over": "✓", "failed": "✗"}
ASCII_SIGNS = {"running": "-", "over": "+", "failed": "!"}
MODULES = ("console", "errors", "live", "text", "tree")
STYLES = {"running": "yellow", "over": "green", "failed": "red"}


class Branch:
    """A run as the console shows it, and those inside it.

    Attributes:
        chunks: how many it has made.
        retries: how many attempts have failed that are repeated.
        error: what it failed with, as text.
        said: the latest custom event.
        value: as text, its input; when it is over its output. None where it is not to be shown.
    """

    __slots__ = ("children", "chunks", "depth", "ended", "error", "name", "retries", "said", "started", "value")

    def __init__(self, run: RunInfo, parent: Branch | None) -> None:
        self.name = shortened(run.name, LONGEST_NAME)
        self.started = run.started
        self.ended = 0.0
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.chunks = self.retries = 0
        self.error: str | None = None
        self.said: str | None = None
        self.value: str | None = None
        self.children: list[Branch] = []
        if parent is not None:
            parent.children.append(self)

    @property
    def facts(self) -> str:
        """How long it took or takes, and what came of it."""
        facts = [duration((self.ended or time()) - self.started)]
        if self.chunks:
            facts.append(f"{self.chunks:,} chunk{'s' * (self.chunks != 1)}")
        if self.retries:
            facts.append(f"{self.retries} retr{'y' if self.retries == 1 else 'ies'}")
        return ", ".join(facts)


class LiveTrees:
    """What runs stands at the bottom of the terminal, with its times running; what is over stays above it.

    One thread at a time calls its methods. rich draws from a thread of its own while something runs; that only reads.
    """

    def __init__(self, console: Any) -> None:
        self._console = console
        self._rich = {name: import_extra(f"rich.{name}", "console", "LiveTrees") for name in MODULES}
        self._roots: list[Branch] = []
        self._live: Any = None

    def show(self, branches: list[Branch]) -> None:
        """These have started or are over."""
        over = []
        for branch in branches:
            if branch.depth == 0 and branch.ended:
                if branch in self._roots:
                    self._roots.remove(branch)
                over.append(branch)
            elif branch.depth == 0:
                self._roots.append(branch)
        if self._roots and self._live is None:
            self._start()
        elif not self._roots:
            self._end()
        for branch in over:
            self._console.print(self._tree(branch))

    def _start(self) -> None:
        self._live = self._rich["live"].Live(
            console=self._console, get_renderable=self._drawn, transient=True, refresh_per_second=10
        )
        try:
            self._live.start(refresh=True)
        except self._rich["errors"].LiveError:
            self._live = None  # something else is live on this terminal; the trees are drawn when they are over

    def _end(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def stop(self) -> None:
        """Draw what is still running a last time."""
        self._end()
        for branch in self._roots:
            self._console.print(self._tree(branch))
        self._roots = []

    def _drawn(self) -> Any:
        text, roots = self._rich["text"].Text, list(self._roots)
        trees: list[Any] = [self._tree(branch) for branch in roots[:MOST_ROOTS]]
        if len(roots) > MOST_ROOTS:
            trees.append(text(f"and {len(roots) - MOST_ROOTS:,} more", style="dim"))
        return self._rich["console"].Group(*trees)

    def _tree(self, root: Branch) -> Any:
        made = self._rich["tree"].Tree(self._label(root))
        left = [(root, made)]
        while left:
            branch, tree = left.pop()
            children = list(branch.children)
            if len(children) > MOST_CHILDREN:
                tree.add(self._rich["text"].Text(f"{len(children) - MOST_CHILDREN:,} more", style="dim"))
            left += [(child, tree.add(self._label(child))) for child in children[-MOST_CHILDREN:]]
        return made

    def _label(self, branch: Branch) -> Any:
        """Made of pieces of text, in which nothing is markup."""
        state = "failed" if branch.error is not None else "over" if branch.ended else "running"
        signs = ASCII_SIGNS if self._console.options.ascii_only else SIGNS
        sign, facts = (signs[state], STYLES[state]), (f"  {branch.facts}", "dim")
        label = self._rich["text"].Text.assemble(sign, " ", branch.name, facts)
        if branch.value is not None:
            label.append(f"  {'-> ' if branch.ended else ''}{branch.value}")
        if branch.said is not None and state == "running":
            label.append(f"  {branch.said}", style="cyan")
        if branch.error is not None:
            label.append(f"  {branch.error}", style="red")
        return label


def shortened(text: str, length: int) -> str:
    """The beginning of a text, on one line, with nothing in it that a terminal obeys."""
    text = text[: length + 1]
    text = "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text)
    return text if len(text) <= length else text[: length - 3] + "..."


def duration(seconds: float) -> str:
    """Seconds, to be read.

    Example:
        >>> [duration(seconds) for seconds in (0.00042, 0.012, 1.25, 75)]
        ['0.4 ms', '12 ms', '1.2 s', '1 min 15 s']
    """
    if seconds < 0.01:
        return f"{max(seconds, 0) * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
