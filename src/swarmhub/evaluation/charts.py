"""Charts as SVG, for reports and pages: pure functions from numbers to text.

No script, no reference to anything outside, all text escaped and cut: names come from strangers.
Colours are the page's (`currentColor` and custom properties with fallbacks), so a chart is legible
in light and dark. A value that is None is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 320
LEFT, BOTTOM, TOP, RIGHT = 56, 44, 14, 14
ROW = 26  # height of a line in charts with a row for each name
NAMES = 170  # width of the names beside such rows
MAX_NAME = 28  # letters of a name
COLOURS = ("#2563eb", "#d97706", "#059669", "#9333ea", "#dc2626", "#0891b2", "#65a30d", "#db2777")


@dataclass(frozen=True)
class Series:
    """Points (x, y) under a name; a point with y None interrupts the line."""

    name: str
    points: Sequence[tuple[float, float | None]]


@dataclass(frozen=True)
class Interval:
    """A value with its interval and its support, under a name."""

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Axes:
    """A chart's frame: ranges, and what they are."""

    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)
    x_name: str = ""
    y_name: str = ""
    x_ticks: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0)
    y_ticks: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return the place of a point in the drawing."""
        span_x = (self.x[1] - self.x[0]) or 1.0
        span_y = (self.y[1] - self.y[0]) or 1.0
        across = (min(max(x, self.x[0]), self.x[1]) - self.x[0]) / span_x
        up = (min(max(y, self.y[0]), self.y[1]) - self.y[0]) / span_y
        return (
            LEFT + across * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - TOP),
        )  # fmt: skip

    def frame(self) -> list[str]:
        """Return grid, ticks and names of the axes."""
        found = []
        for tick in self.x_ticks:
            x, y = self.at(tick, self.y[0])
            found.append(_line((x, y), (x, TOP), "grid"))
            found.append(_text((x, y + 16), f"{tick:g}", "middle"))
        for tick in self.y_ticks:
            x, y = self.at(self.x[0], tick)
            found.append(_line((x, y), (WIDTH - RIGHT, y), "grid"))
            found.append(_text((x - 6, y + 4), f"{tick:g}", "end"))
        middle = (LEFT + WIDTH - RIGHT) / 2
        found.append(_text((middle, HEIGHT - 8), self.x_name, "middle"))
        up = (TOP + HEIGHT - BOTTOM) / 2
        turned = f' transform="rotate(-90 14 {up:.1f})"'
        found.append(_text((14, up), self.y_name, "middle", turned))
        return found


def draw_roc(series: Sequence[Series], title: str = "ROC curve") -> str:
    """Return ROC curves: points are (false positive rate, recall)."""
    axes = Axes(x_name="1 - specificity", y_name="recall (sensitivity)")
    body = [*axes.frame(), _line(axes.at(0, 0), axes.at(1, 1), "chance")]
    body += _curves(axes, series)
    return _svg(title, "Recall against false positive rate; the diagonal is chance.", body,
                _legend(series))  # fmt: skip


def draw_calibration(points: Sequence[tuple[float, float, int]], title: str = "Calibration") -> str:
    """Return a calibration plot: points are (predicted share, found share, rows)."""
    axes = Axes(x_name="predicted probability", y_name="share with the outcome")
    body = [*axes.frame(), _line(axes.at(0, 0), axes.at(1, 1), "chance")]
    most = max((rows for *_, rows in points), default=1)
    for predicted, found, rows in points:
        x, y = axes.at(predicted, found)
        size = 3 + 7 * (rows / most) ** 0.5
        body.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" fill="{COLOURS[0]}" '
            f'fill-opacity="0.6"><title>{rows} patients</title></circle>'
        )
    return _svg(title, "Found shares against predicted ones; points on the diagonal are right.",
                body)  # fmt: skip


def draw_learning(
    series: Sequence[Series], y_name: str, title: str = "Learning curve", x_name: str = "round"
) -> str:
    """Return a metric by round (or by another x), a line for each name."""
    values = [y for s in series for _, y in s.points if y is not None]
    rounds = [x for s in series for x, _ in s.points]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    pad = max(0.05 * (high - low), 0.01)
    ticks = [low + k * (high - low) / 4 for k in range(5)] if high > low else [low]
    first, last = min(rounds, default=0.0), max(rounds, default=1.0)
    across = sorted({round(first + k * (last - first) / 4) for k in range(5)})
    axes = Axes(
        (first, last), (low - pad, high + pad), x_name, y_name, across,
        [round(t, 3) for t in ticks],
    )  # fmt: skip
    body = [*axes.frame(), *_curves(axes, series)]
    return _svg(title, f"{y_name} by {x_name}.", body, _legend(series))


def draw_forest(
    rows: Sequence[Interval], x: tuple[float, float], x_name: str, title: str = "Forest plot"
) -> str:
    """Return values with intervals, a row for each name."""
    height = TOP + BOTTOM + ROW * max(1, len(rows))
    left, right = NAMES, WIDTH + 200
    span = (x[1] - x[0]) or 1.0

    def place(value: float) -> float:
        inside = min(max(value, x[0]), x[1])
        return left + (inside - x[0]) / span * (right - left - 250)

    body = []
    for k in range(5):
        tick = x[0] + k * span / 4
        body.append(_line((place(tick), TOP), (place(tick), height - BOTTOM), "grid"))
        body.append(_text((place(tick), height - BOTTOM + 16), f"{tick:.2g}", "middle"))
    body.append(_text(((left + right - 250) / 2, height - 8), x_name, "middle"))
    for k, row in enumerate(rows):
        y = TOP + ROW * (k + 0.5)
        body.append(_text((left - 8, y + 4), _cut(row.name), "end"))
        if row.value is None:
            body.append(_text((left + 4, y + 4), _cut(row.note or "not known", 60), "start"))
            continue
        if row.low is not None and row.high is not None:
            body.append(_line((place(row.low), y), (place(row.high), y), "bar"))
        body.append(
            f'<rect x="{place(row.value) - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" '
            f'fill="{COLOURS[0]}"/>'
        )
        body.append(_text((right - 236, y + 4), _say(row), "start"))
    return _svg(title, f"{x_name} of each row with its 95% interval.", body, [], right, height)


def draw_bars(rows: Sequence[tuple[str, float]], x_name: str, title: str = "Bars") -> str:
    """Return horizontal bars with signs, a row for each name."""
    height = TOP + BOTTOM + ROW * max(1, len(rows))
    left, right = NAMES + 40, WIDTH + 100
    most = max((abs(v) for _, v in rows), default=1.0) or 1.0
    zero, scale = (left + right - 60) / 2, (right - 60 - left) / 2 / most
    body = [_line((zero, TOP), (zero, height - BOTTOM), "axis")]
    for k, (name, value) in enumerate(rows):
        y = TOP + ROW * (k + 0.5)
        start = zero if value >= 0 else zero + value * scale
        colour = COLOURS[0] if value >= 0 else COLOURS[1]
        body.append(
            f'<rect x="{start:.1f}" y="{y - 7:.1f}" width="{abs(value) * scale:.1f}" height="14" '
            f'fill="{colour}"/>'
        )
        body.append(_text((left - 8, y + 4), _cut(name), "end"))
        body.append(_text((right - 52, y + 4), f"{value:+.3f}", "start"))
    body.append(_text(((left + right - 60) / 2, height - 8), x_name, "middle"))
    return _svg(title, f"{x_name} of each row.", body, [], right, height)


def draw_grid(
    names: Sequence[str], took_part: Sequence[Sequence[bool]], title: str = "Contributions"
) -> str:
    """Return who contributed when: a row for each name, a column for each round."""
    columns = max((len(row) for row in took_part), default=1)
    cell = min(22.0, (WIDTH + 100 - NAMES - RIGHT) / max(1, columns))
    height = TOP + BOTTOM + ROW * max(1, len(names))
    body = []
    for k, (name, row) in enumerate(zip(names, took_part, strict=True)):
        y = TOP + ROW * k
        body.append(_text((NAMES - 8, y + ROW / 2 + 4), _cut(name), "end"))
        for j, here in enumerate(row):
            fill = COLOURS[2] if here else "none"
            body.append(
                f'<rect x="{NAMES + j * cell:.1f}" y="{y + 4:.1f}" width="{cell - 2:.1f}" '
                f'height="{ROW - 8}" fill="{fill}" class="cell"><title>round {j + 1}: '
                f"{'contributed' if here else 'did not'}</title></rect>"
            )
    body.append(_text((NAMES, height - 20), f"rounds 1 to {columns}", "start"))
    return _svg(title, "Filled: contributed to the round.", body, [], WIDTH + 100, height)


# parts


def _curves(axes: Axes, series: Sequence[Series]) -> list[str]:
    found = []
    for k, one in enumerate(series):
        path, is_open = [], False
        for x, y in one.points:
            if y is None:
                is_open = False
                continue
            across, up = axes.at(x, y)
            path.append(f"{'L' if is_open else 'M'}{across:.1f} {up:.1f}")
            is_open = True
        colour = COLOURS[k % len(COLOURS)]
        found.append(f'<path d="{" ".join(path)}" fill="none" stroke="{colour}" stroke-width="2"/>')
    return found


def _legend(series: Sequence[Series]) -> list[str]:
    found = []
    for k, one in enumerate(series):
        x, y = LEFT + (k % 3) * 150, HEIGHT + 14 + 18 * (k // 3)
        colour = COLOURS[k % len(COLOURS)]
        found.append(f'<rect x="{x}" y="{y - 9}" width="12" height="4" fill="{colour}"/>')
        found.append(_text((x + 18, y - 3), _cut(one.name, 20), "start"))
    return found


def _say(row: Interval) -> str:
    assert row.value is not None
    interval = "" if row.low is None or row.high is None else f" ({row.low:.2f}-{row.high:.2f})"
    return f"{row.value:.3f}{interval}{f' {row.note}' if row.note else ''}"


def _cut(text: str, most: int = MAX_NAME) -> str:
    plain = "".join(c if c.isprintable() else "?" for c in text)
    return plain if len(plain) <= most else plain[: most - 1] + "…"


def _line(start: tuple[float, float], end: tuple[float, float], kind: str) -> str:
    styles = {
        "grid": 'stroke="currentColor" stroke-opacity="0.15"',
        "axis": 'stroke="currentColor" stroke-opacity="0.5"',
        "chance": 'stroke="currentColor" stroke-opacity="0.5" stroke-dasharray="4 4"',
        "bar": f'stroke="{COLOURS[0]}" stroke-width="2"',
    }
    (x1, y1), (x2, y2) = start, end
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {styles[kind]}/>'


def _text(at: tuple[float, float], text: str, anchor: str, more: str = "") -> str:
    return (
        f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" text-anchor="{anchor}" fill="currentColor" '
        f'font-size="12"{more}>{escape(text)}</text>'
    )


def _svg(
    title: str,
    description: str,
    body: Sequence[str],
    legend: Sequence[str] = (),
    width: float = WIDTH,
    height: float = HEIGHT,
) -> str:
    rows = len(legend) // 2
    total = height + (24 + 18 * ((rows - 1) // 3) if rows else 0)
    inside = "".join([*body, *legend])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" viewBox="0 0 {width:g} {total:g}" '
        f'width="{width:g}" height="{total:g}" font-family="system-ui, sans-serif">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>{inside}</svg>"
    )
