"""How things look: colours, shapes and lines, on light paper and on dark.

The colours are those of Okabe and Ito, made pale; whoever can't tell them apart has the shapes and the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FONT = "Helvetica,Arial,sans-serif"

Theme = Literal["auto", "light", "dark"]


@dataclass(frozen=True, slots=True)
class Paint:
    """Fill and line of a box."""

    fill: str
    line: str


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a theme. `kinds` are the boxes by run type or kind, `states` the lines by what a run shows."""

    paper: str
    ink: str
    faint: str
    arrow: str
    frame: str
    inside: str
    wrong: str
    critical: str
    kinds: dict[str, Paint]
    states: dict[str, Paint]


LIGHT = Palette(
    paper="#ffffff",
    ink="#1b1f24",
    faint="#57606a",
    arrow="#7a828e",
    frame="#c3c9d2",
    inside="#f8f9fb",
    wrong="#c22f1f",
    critical="#b35900",
    kinds={
        "chain": Paint("#eef0f3", "#8a93a0"),
        "prompt": Paint("#fdf2d6", "#b98510"),
        "model": Paint("#e1ecfa", "#3571b8"),
        "parser": Paint("#e0f3eb", "#2b8a68"),
        "retriever": Paint("#f6e6f1", "#a65590"),
        "tool": Paint("#f1e9df", "#8a6a48"),
        "plain": Paint("#ffffff", "#8a93a0"),
    },
    states={
        "waiting": Paint("#ffffff", "#a9b0ba"),
        "running": Paint("#dcebfb", "#006ca9"),
        "done": Paint("#e0f3eb", "#007a58"),
        "failed": Paint("#fde5de", "#c22f1f"),
        "cancelled": Paint("#f3e9d8", "#8a5f0d"),
        "skipped": Paint("#ffffff", "#c3c9d2"),
    },
)

DARK = Palette(
    paper="#15181d",
    ink="#e8eaed",
    faint="#a3abb6",
    arrow="#8b94a1",
    frame="#4a525e",
    inside="#1b1f26",
    wrong="#ff8371",
    critical="#ffb45e",
    kinds={
        "chain": Paint("#2a2f37", "#8d96a3"),
        "prompt": Paint("#3a3016", "#d9a93f"),
        "model": Paint("#182b42", "#6da6e8"),
        "parser": Paint("#15332a", "#57bb97"),
        "retriever": Paint("#372232", "#d18bbd"),
        "tool": Paint("#332a21", "#c19d75"),
        "plain": Paint("#15181d", "#8d96a3"),
    },
    states={
        "waiting": Paint("#15181d", "#6b7480"),
        "running": Paint("#122c44", "#5fb4f0"),
        "done": Paint("#12332a", "#3fc79c"),
        "failed": Paint("#43201b", "#ff8371"),
        "cancelled": Paint("#352a14", "#d6a94f"),
        "skipped": Paint("#15181d", "#4a525e"),
    },
)

LOOKS = {"llm": "model", "chat_model": "model"}
"""Run types that look alike."""

SHAPES = {
    "chain": "box",
    "prompt": "note",
    "model": "octagon",
    "parser": "box",
    "retriever": "cylinder",
    "tool": "component",
}


MARGINS = {"octagon": "0.02,0.02", "hexagon": "0.02,0.02", "cylinder": "0.16,0.06"}
"""Room around the label, in inches, where the shape needs more or less than a box."""


def look_of(run_type: str) -> str:
    """The name of the look of a run type."""
    look = LOOKS.get(run_type, run_type)
    return look if look in SHAPES else "chain"
