"""A timeline as a page of its own: the SVG, and a script that zooms it. Nothing is fetched, and no text is markup."""

from __future__ import annotations

from html import escape
from importlib.resources import files

from anabranch.viz.labels import clean
from anabranch.viz.lanes import CHARACTER, Lanes
from anabranch.viz.styles import DARK, FONT, LIGHT, Palette, Theme
from anabranch.viz.timeline_svg import MARGIN, WIDTH, svg_of

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def html_of(lanes: Lanes, title: str, theme: Theme = "auto") -> str:
    """The page."""
    script = files("anabranch.viz").joinpath("timeline.js").read_text(encoding="utf-8")
    shown = escape(clean(title))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width">
<title>{shown}</title>
<style>{_style(theme)}</style>
</head>
<body>
<p class="help">Wheel or + and - zoom, dragging or arrows move, 0 shows all. A click on a bar tells all about it.</p>
<div id="timeline" tabindex="0" data-length="{lanes.length:.9g}" data-margin="{MARGIN}" data-width="{WIDTH}" \
data-character="{CHARACTER}" data-crowded="{str(lanes.crowded).lower()}">
{svg_of(lanes, title, theme, times=True)}
</div>
<pre id="told" aria-live="polite"></pre>
<script>
{script}</script>
</body>
</html>
"""


def _style(theme: Theme) -> str:
    text = (
        f"body{{margin:0;font:13px {FONT}}}.help{{margin:8px 20px;opacity:.75}}"
        "#timeline{cursor:grab;overflow:hidden;outline-offset:-2px}#timeline svg{display:block;width:100%;height:auto}"
        "#timeline .bar{cursor:pointer}#timeline .chosen .body{stroke-width:3}"
        "#told{position:sticky;bottom:0;margin:0;padding:8px 20px;max-height:40vh;overflow:auto;"
        "white-space:pre-wrap;overflow-wrap:anywhere;font:12px ui-monospace,monospace}#told:empty{display:none}"
    )
    if theme != "auto":
        return text + _colours(DARK if theme == "dark" else LIGHT)
    return f"{text}{_colours(LIGHT)}@media (prefers-color-scheme:dark){{{_colours(DARK)}}}"


def _colours(palette: Palette) -> str:
    return (
        f"body{{background:{palette.paper};color:{palette.ink}}}"
        f"#told{{background:{palette.inside};border-top:1px solid {palette.frame}}}"
    )
