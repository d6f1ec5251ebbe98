"""Parts of charts as SVG text. No script, no reference to anything outside, no style attribute (a
page may forbid them); all text is escaped and cut, since names come from strangers.

Colours are custom properties of the page with fallbacks, and `currentColor`: a chart is legible in
light and dark, and on its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT = 460, 320
LEFT, BOTTOM, TOP, RIGHT = 56, 44, 14, 14
MAX_NAME = 28  # letters of a name
COLOURS = tuple(
    f"var(--c{k}, {colour})"
    for k, colour in enumerate(
        ("#2563eb", "#c2620a", "#047857", "#9333ea", "#dc2626", "#0e7490", "#4d7c0f", "#be185d")
    )
)
STYLES = {
    "grid": 'stroke="currentColor" stroke-opacity="0.15"',
    "axis": 'stroke="currentColor" stroke-opacity="0.5"',
    "chance": 'stroke="currentColor" stroke-opacity="0.5" stroke-dasharray="4 4"',
    "bar": f'stroke="{COLOURS[0]}" stroke-width="2"',
}
Point = tuple[float, float]


def line(start: Point, end: Point, kind: str) -> str:
    """Return a line; `kind` is a key of STYLES."""
    (x1, y1), (x2, y2) = start, end
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {STYLES[kind]}/>'


def text(at: Point, said: str, anchor: str = "start", more: str = "") -> str:
    """Return a text that starts, ends or has its middle (`anchor`) at a point."""
    return (
        f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}" fill="currentColor" '
        f'font-size="12"{more}>{escape(said)}</text>'
    )


def mark(at: Point, shape: str, colour: str) -> str:
    """Return a mark: `square`, `open` (a hollow square), `diamond`, `ring` or `triangle`."""
    x, y = at
    if shape == "ring":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="none" stroke="{colour}" ' \
               'stroke-width="2"/>'  # fmt: skip
    if shape in ("square", "open"):
        fill = colour if shape == "square" else "none"
        return (
            f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{fill}" '
            f'stroke="{colour}" stroke-width="2"/>'
        )
    size = 7 if shape == "diamond" else 5
    corners = [(0, -size), (size, 0), (0, size), (-size, 0)]
    if shape == "triangle":
        corners = [(0, -size), (size, size), (-size, size)]
    path = " L".join(f"{x + dx:.1f} {y + dy:.1f}" for dx, dy in corners)
    fill = colour if shape == "diamond" else "none"
    return f'<path d="M{path} Z" fill="{fill}" stroke="{colour}" stroke-width="2"/>'


def cut(said: str, most: int = MAX_NAME) -> str:
    """Return a name on one line, at most so many letters of it."""
    plain = "".join(c if c.isprintable() else "?" for c in said)
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def nice_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers from `low` to `high`, about so many."""
    if not high > low:
        return [low]
    raw = (high - low) / max(about - 1, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * k for k in (1, 2, 2.5, 5, 10) if power * k >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 10) for k in range(first, last + 1)]


def legend(entries: Sequence[tuple[str, str]], width: float, y: float) -> tuple[list[str], float]:
    """Return a legend of (drawing at 0 0, name) from height `y` on, and the height below it."""
    found, x = [], 0.0
    for drawing, name in entries:
        said = cut(name, 40)
        room = 28 + 7 * len(said)
        if x and x + room > width:
            x, y = 0.0, y + 18
        found.append(f'<g transform="translate({x + 6:.1f} {y:.1f})">{drawing}</g>')
        found.append(text((x + 20, y + 4), said))
        x += room
    return found, (y + 14 if entries else y)


def svg(title: str, description: str, body: Sequence[str], width: float, height: float) -> str:
    """Return a chart with its title and description."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" font-family="system-ui, sans-serif">'
        f"<title>{escape(cut(title, 100))}</title><desc>{escape(cut(description, 120))}</desc>"
        f"{''.join(body)}</svg>"
    )
