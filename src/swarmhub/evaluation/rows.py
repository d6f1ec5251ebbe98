"""Charts with a row for each name: pure functions from numbers to SVG text (`svg` has the parts).

A value that is None is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from swarmhub.evaluation.svg import (
    BOTTOM,
    COLOURS,
    TOP,
    cut,
    legend,
    line,
    mark,
    nice_ticks,
    svg,
    text,
)

ROW = 26  # height of a row
NAMES = 190  # width of the names beside rows
LETTERS = 26  # of them
ACROSS = 920  # width of a chart that takes the page's
SEPARATE = 60  # rounds; of more, equal neighbours are one cell
SAID = 240  # width of the figures beside a forest plot
BESIDE = (("ring", COLOURS[1]), ("triangle", COLOURS[2]))  # marks of other models


@dataclass(frozen=True)
class Interval:
    """A value with its interval and its support, under a name. `shape` is that of its mark (see
    `svg.mark`), `beside` are values of other models in the same row, `said` is the value with its
    interval in words if three decimals do not suit it."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""
    shape: str = "square"
    beside: tuple[float | None, ...] = ()
    said: str = ""


def draw_forest(
    rows: Sequence[Interval],
    x: tuple[float, float],
    x_name: str,
    models: Sequence[str] = (),
    title: str = "Forest plot",
) -> str:
    """Return values with intervals, a row for each name; `models` names the row's own mark, then
    those beside it."""
    height = TOP + BOTTOM + ROW * max(1, len(rows))
    right, span = ACROSS - SAID, (x[1] - x[0]) or 1.0

    def place(value: float) -> float:
        return NAMES + (min(max(value, x[0]), x[1]) - x[0]) / span * (right - NAMES)

    body = []
    for tick in nice_ticks(x[0], x[1], 6):
        body.append(line((place(tick), TOP), (place(tick), height - BOTTOM), "grid"))
        body.append(text((place(tick), height - BOTTOM + 16), f"{tick:g}", "middle"))
    body.append(text(((NAMES + right) / 2, height - 8), cut(x_name, 100), "middle"))
    for k, row in enumerate(rows):
        y = TOP + ROW * (k + 0.5)
        body.append(text((NAMES - 10, y + 4), cut(row.name, LETTERS), "end"))
        if row.value is None:
            body.append(text((NAMES + 4, y + 4), cut(row.note or "not known", 100)))
            continue
        if row.low is not None and row.high is not None:
            body.append(line((place(row.low), y), (place(row.high), y), "bar"))
        for value, (shape, colour) in zip(row.beside, BESIDE, strict=False):
            if value is not None:
                body.append(mark((place(value), y), shape, colour))
        body.append(mark((place(row.value), y), row.shape, COLOURS[0]))
        body.append(text((right + 14, y + 4), _say(row)))
    shapes = (("square", COLOURS[0]), *BESIDE)
    entries = [(mark((0, 0), *s), name) for s, name in zip(shapes, models, strict=False)]
    found, end = legend(entries, ACROSS, height + 12)
    said = f"{x_name} of each row with its 95% interval."
    return svg(title, said, [*body, *found], ACROSS, end if entries else height)


def draw_bars(rows: Sequence[tuple[str, float]], x_name: str, title: str = "Bars") -> str:
    """Return horizontal bars with signs, a row for each name."""
    height = TOP + BOTTOM + ROW * max(1, len(rows))
    left, right = NAMES + 50, ACROSS - 70
    most = max((abs(v) for _, v in rows), default=1.0) or 1.0
    zero, scale = (left + right) / 2, (right - left) / 2 / most
    body = [line((zero, TOP), (zero, height - BOTTOM), "axis")]
    for k, (name, value) in enumerate(rows):
        y = TOP + ROW * (k + 0.5)
        start = zero if value >= 0 else zero + value * scale
        colour = COLOURS[0] if value >= 0 else COLOURS[1]
        body.append(
            f'<rect x="{start:.1f}" y="{y - 7:.1f}" width="{abs(value) * scale:.1f}" height="14" '
            f'fill="{colour}"/>'
        )
        body.append(text((left - 8, y + 4), cut(name, 34), "end"))
        said = f"{value:+.3f}" if not value or 0.01 <= abs(value) < 1000 else f"{value:+.3g}"
        body.append(text((right + 10, y + 4), said))
    body.append(text((zero, height - 24), cut(x_name, 100), "middle"))
    return svg(title, f"{x_name} of each row.", body, ACROSS, height - 14)


def draw_grid(
    names: Sequence[str], took_part: Sequence[Sequence[bool]], title: str = "Contributions"
) -> str:
    """Return the rounds to which each name contributed: a row for each name, a column a round."""
    columns = max((len(row) for row in took_part), default=1)
    cell = min(22.0, (ACROSS - NAMES) / max(1, columns))
    height = TOP + ROW * max(1, len(names))
    body = []
    for k, (name, row) in enumerate(zip(names, took_part, strict=True)):
        y = TOP + ROW * k
        body.append(text((NAMES - 10, y + ROW / 2 + 4), cut(name, LETTERS), "end"))
        for first, count, here in _list_runs(row, 1 if columns <= SEPARATE else columns):
            fill, said = (COLOURS[2], "contributed") if here else ("none", "did not contribute")
            rounds = f"round {first + 1}" + (f" to {first + count}" if count > 1 else "")
            body.append(
                f'<rect x="{NAMES + first * cell:.1f}" y="{y + 4:.1f}" '
                f'width="{max(count * cell - 2, 0.5):.1f}" height="{ROW - 8}" fill="{fill}" '
                f'stroke="currentColor" stroke-opacity="0.4"><title>{rounds}: {said}</title></rect>'
            )
    body.append(text((NAMES, height + 14), f"rounds 1 to {columns}"))
    return svg(title, "Filled: contributed to the round.", body, ACROSS, height + 26)


def _list_runs(row: Sequence[bool], longest: int) -> Iterator[tuple[int, int, bool]]:
    """Yield (first, length, value) of equal neighbours, at most so many together."""
    start = 0
    for k in range(1, len(row) + 1):
        if k == len(row) or row[k] != row[start] or k - start == longest:
            yield start, k - start, row[start]
            start = k


def draw_hundred(filled: int, colour: int, title: str) -> str:
    """Return a hundred dots in rows of twenty, so many of them filled."""
    body = []
    for k in range(100):
        x, y = 12 + 22 * (k % 20), 12 + 22 * (k // 20)
        fill = COLOURS[colour] if k < filled else "none"
        body.append(
            f'<circle cx="{x}" cy="{y}" r="8" fill="{fill}" stroke="{COLOURS[colour]}" '
            'stroke-width="1.5"/>'
        )
    return svg(title, f"{filled} of 100 dots are filled.", body, 442, 112)


def _say(row: Interval) -> str:
    assert row.value is not None
    if row.said:
        return cut(f"{row.said} {row.note}".strip(), 34)
    interval = "" if row.low is None or row.high is None else f" ({row.low:.2f} to {row.high:.2f})"
    return f"{row.value:.3f}{interval}{f' {row.note}' if row.note else ''}"
