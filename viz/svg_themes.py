"""Dresses an SVG of Graphviz in style sheets: light and dark, by what the reader's system prefers."""

from __future__ import annotations

import re

from anabranch.viz.styles import DARK, LIGHT, Palette, Theme

_OPENING = re.compile(r"<svg\b")
_PROLOGUE = re.compile(r"^.*?(?=<svg\b)", re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
FILLED = ':is(path,polygon,ellipse):not([fill="none"])'
LINED = ":is(path,polygon,ellipse,polyline)"


def dressed(svg: str, theme: Theme) -> str:
    """An SVG of Graphviz as a fragment that may stand in a page, in the colours of a theme.

    Args:
        svg: what Graphviz made, in the colours of the light palette, or of the dark one for that theme.
        theme: `auto` follows the system of whoever looks at it; the others are left as they are.
    """
    bare = _COMMENT.sub("", _PROLOGUE.sub("", svg, count=1))
    opened = _OPENING.sub('<svg class="anabranch"', bare, count=1)
    if theme != "auto":
        return opened
    end = opened.index(">", opened.index("<svg")) + 1
    style = f"\n<style>@media (prefers-color-scheme: dark) {{\n{_rules(DARK)}}}</style>"
    return opened[:end] + style + opened[end:]


def _rules(palette: Palette) -> str:
    """A style sheet that puts a palette in place of the light one; lines that mean something keep their meaning."""
    rules = [
        (":is(.graph>polygon,.graph>g>a>polygon)", f"fill:{palette.paper}"),
        ("text", f"fill:{palette.ink}"),
        (f'text[fill="{LIGHT.faint}"]', f"fill:{palette.faint}"),
        (".edge :is(path,polygon)", f"stroke:{palette.arrow}"),
        (".edge polygon", f"fill:{palette.arrow}"),
        (f".cluster>{LINED}", f"stroke:{palette.frame}"),
        (f".cluster {LINED}", f"stroke:{palette.frame}"),
        (f".cluster {FILLED}", f"fill:{palette.inside}"),
    ]
    for name, paint in {**palette.kinds, **palette.states}.items():
        rules += [(f".node.{name} {LINED}", f"stroke:{paint.line}"), (f".node.{name} {FILLED}", f"fill:{paint.fill}")]
    rules.append((".node.merge ellipse", f"fill:{palette.arrow} !important"))
    for name, paint in palette.states.items():
        rules.append((f".cluster.{name} {LINED}", f"stroke:{paint.line}"))
        rules.append((f'text[fill="{LIGHT.states[name].line}"]', f"fill:{paint.line}"))
    for meant, colour in ((LIGHT.critical, palette.critical), (LIGHT.wrong, palette.wrong)):
        rules.append((f'[stroke="{meant}"]', f"stroke:{colour} !important"))
        rules.append((f':is(text,.edge polygon)[fill="{meant}"]', f"fill:{colour} !important"))
    return "".join(f".anabranch {selector} {{{body}}}\n" for selector, body in rules)
