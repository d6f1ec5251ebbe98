"""Charts of curves over two axes: pure functions from numbers to SVG text (`svg` has the parts).

A value that is None is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from swarmhub.evaluation.svg import (
    BOTTOM,
    COLOURS,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Point,
    cut,
    legend,
    line,
    mark,
    nice_ticks,
    svg,
    text,
)


@dataclass(frozen=True)
class Series:
    """Points (x, y) under a name; a point with y None interrupts the line. `is_main` is drawn
    broad."""

    name: str
    points: Sequence[tuple[float, float | None]]
    is_main: bool = False


@dataclass(frozen=True)
class Axes:
    """A chart's frame: ranges, and what they are. `x_words` stand for the ticks of x."""

    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)
    x_name: str = ""
    y_name: str = ""
    x_ticks: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0)
    y_ticks: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0)
    x_words: Sequence[str] = ()

    def at(self, x: float, y: float) -> Point:
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
        words = self.x_words or [f"{tick:g}" for tick in self.x_ticks]
        for tick, word in zip(self.x_ticks, words, strict=True):
            x, y = self.at(tick, self.y[0])
            found.append(line((x, y), (x, TOP), "grid"))
            found.append(text((x, y + 16), word, "middle"))
        for tick in self.y_ticks:
            x, y = self.at(self.x[0], tick)
            found.append(line((x, y), (WIDTH - RIGHT, y), "grid"))
            found.append(text((x - 6, y + 4), f"{tick:g}", "end"))
        middle = (LEFT + WIDTH - RIGHT) / 2
        found.append(text((middle, HEIGHT - 8), cut(self.x_name, 60), "middle"))
        up = (TOP + HEIGHT - BOTTOM) / 2
        turned = f' transform="rotate(-90 14 {up:.1f})"'
        found.append(text((14, up), cut(self.y_name, 40), "middle", turned))
        return found


def draw_roc(
    series: Sequence[Series], threshold: Point | None = None, title: str = "ROC curve"
) -> str:
    """Return ROC curves: points are (false positive rate, recall); `threshold` is the point of the
    declared one."""
    axes = Axes(x_name="false alarms (1 - specificity)", y_name="found (sensitivity)")
    body = [*axes.frame(), line(axes.at(0, 0), axes.at(1, 1), "chance"), *_curves(axes, series)]
    entries = _entries(series)
    if threshold is not None:
        body.append(mark(axes.at(*threshold), "diamond", COLOURS[1]))
        entries.append((mark((0, 0), "diamond", COLOURS[1]), "at the declared threshold"))
    said = "Share of patients with the outcome that are found against the share of false alarms."
    return _close(title, f"{said} The diagonal is chance.", body, entries)


def draw_calibration(
    points: Sequence[tuple[float, float, int]],
    intervals: Sequence[Point] = (),
    title: str = "Calibration",
    y_name: str = "share with the outcome",
) -> str:
    """Return a calibration plot: points are (predicted share, found share, rows), `intervals` those
    of the found shares."""
    axes = Axes(x_name="predicted probability", y_name=y_name)
    body = [*axes.frame(), line(axes.at(0, 0), axes.at(1, 1), "chance")]
    for (predicted, *_), (low, high) in zip(points, intervals, strict=False):
        body.append(line(axes.at(predicted, low), axes.at(predicted, high), "bar"))
    most = max((rows for *_, rows in points), default=1)
    for predicted, found, rows in points:
        x, y = axes.at(predicted, found)
        size = 3 + 5 * (rows / most) ** 0.5
        body.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:.1f}" fill="{COLOURS[0]}" '
            f'fill-opacity="0.7"><title>{rows} patients</title></circle>'
        )
    said = "Found shares against predicted ones; points on the diagonal are right."
    return _close(title, said, body, [])


def draw_agreement(
    ends: tuple[Point, Point], middle: Point, name: str, title: str = "Predicted and found"
) -> str:
    """Return the line of found on predicted values between two points (predicted, found), with the
    means of both; on the diagonal the two agree."""
    values = [v for point in (*ends, middle) for v in point]
    low, high = min(values), max(values)
    pad = 0.05 * (high - low) or 1.0
    both = (low - pad, high + pad)
    ticks = nice_ticks(*both)
    axes = Axes(both, both, f"predicted {name}", f"found {name}", ticks, ticks)
    series = [Series("found, by predicted value", ends, is_main=True)]
    body = [
        *axes.frame(), line(axes.at(both[0], both[0]), axes.at(both[1], both[1]), "chance"),
        *_curves(axes, series), mark(axes.at(*middle), "diamond", COLOURS[1]),
    ]  # fmt: skip
    entries = [*_entries(series), (mark((0, 0), "diamond", COLOURS[1]), "means of both")]
    return _close(title, f"Found by predicted {name}; on the diagonal both agree.", body, entries)


def draw_steps(
    series: Sequence[Series], x_name: str, marked: float | None = None, title: str = "Survival"
) -> str:
    """Return survival curves as steps: points are (time, share alive after it), ascending, from
    (0, 1) on; `marked` is a time with a line."""
    last = max((x for s in series for x, _ in s.points), default=1.0) or 1.0
    ticks = nice_ticks(0.0, last)
    axes = Axes((0.0, last), (0.0, 1.0), x_name, "share without the event", ticks)
    body = axes.frame()
    if marked is not None:
        body.append(line(axes.at(marked, 0.0), axes.at(marked, 1.0), "chance"))
    stepped = [Series(s.name, list(_step(s.points)), s.is_main) for s in series]
    said = f"Share without the event by {x_name}, a step at each time with events."
    return _close(title, said, [*body, *_curves(axes, stepped)], _entries(stepped))


def _step(
    points: Sequence[tuple[float, float | None]],
) -> Iterator[tuple[float, float | None]]:
    """Yield the corners of steps: a value holds until the next time."""
    before: float | None = None
    for x, y in points:
        if before is not None and y is not None and y != before:
            yield x, before
        yield x, y
        before = y


def draw_learning(
    series: Sequence[Series], y_name: str, title: str = "Learning curve", x_name: str = "round"
) -> str:
    """Return a metric by round (or by another x), a line for each name; of more names than there
    are colours only the main one is coloured."""
    values = [y for s in series for _, y in s.points if y is not None]
    rounds = [x for s in series for x, _ in s.points]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    pad = max(0.1 * (high - low), 0.01 * max(abs(low), abs(high))) or 0.01
    first, last = min(rounds, default=0.0), max(rounds, default=1.0)
    across = sorted({round(first + k * (last - first) / 4) for k in range(5)})
    ticks = nice_ticks(low - pad, high + pad)
    axes = Axes((first, last), (low - pad, high + pad), x_name, y_name, across, ticks)
    body = [*axes.frame(), *_curves(axes, series)]
    return _close(title, f"{y_name} by {x_name}.", body, _entries(series))


def draw_penalty(
    strengths: Sequence[float],
    losses: Sequence[float],
    chosen: float | None = None,
    title: str = "Choice of the penalty",
) -> str:
    """Return the held-out loss by strength C on a logarithmic axis, with the chosen one marked."""
    points = [(math.log10(c), y) for c, y in zip(strengths, losses, strict=True)]
    xs, ys = [x for x, _ in points] or [0.0], list(losses) or [0.0]
    pad = max(0.1 * (max(ys) - min(ys)), 0.01)
    ticks = [float(k) for k in range(math.ceil(min(xs)), math.floor(max(xs)) + 1)]
    axes = Axes(
        (min(xs), max(xs)), (min(ys) - pad, max(ys) + pad), "C (smaller is a stronger penalty)",
        "held-out loss", ticks, nice_ticks(min(ys) - pad, max(ys) + pad),
        [f"{10**k:g}" for k in ticks],
    )  # fmt: skip
    body = [*axes.frame(), *_curves(axes, [Series("held-out loss", points)])]
    body += [mark(axes.at(x, y), "square", COLOURS[0]) for x, y in points]
    entries = []
    if chosen is not None and chosen in strengths:
        x, y = points[list(strengths).index(chosen)]
        body.append(mark(axes.at(x, y), "diamond", COLOURS[1]))
        entries.append((mark((0, 0), "diamond", COLOURS[1]), f"chosen: C = {chosen:g}"))
    return _close(title, "Held-out loss by the strength C of the penalty.", body, entries)


def _colour(k: int, series: Sequence[Series]) -> tuple[str, str]:
    """Return stroke and opacity of a line."""
    if len(series) <= len(COLOURS):
        return COLOURS[k], "1"
    return (COLOURS[0], "1") if series[k].is_main else ("currentColor", "0.3")


def _curves(axes: Axes, series: Sequence[Series]) -> list[str]:
    found = []
    for k, one in enumerate(series):
        path, is_open, last = [], False, None
        for x, y in one.points:
            if y is None:
                is_open = False
                continue
            across, up = axes.at(x, y)
            path.append(f"{'L' if is_open else 'M'}{across:.1f} {up:.1f}")
            is_open, last = True, (across, up)
        colour, opacity = _colour(k, series)
        found.append(
            f'<path d="{" ".join(path)}" fill="none" stroke="{colour}" '
            f'stroke-width="{4 if one.is_main else 2}" stroke-opacity="{opacity}"/>'
        )
        if last is not None and len(path) < 3:  # a line of a point or two may not be seen
            found.append(f'<circle cx="{last[0]:.1f}" cy="{last[1]:.1f}" r="3" fill="{colour}"/>')
    return found


def _entries(series: Sequence[Series]) -> list[tuple[str, str]]:
    """Return the legend of lines."""
    shown = list(enumerate(series))
    if len(series) > len(COLOURS):
        shown = [(k, one) for k, one in shown if one.is_main]
    return [
        (f'<rect x="-6" y="-2" width="12" height="4" fill="{_colour(k, series)[0]}"/>', one.name)
        for k, one in shown
    ]


def _close(
    title: str, description: str, body: Sequence[str], entries: Sequence[tuple[str, str]]
) -> str:
    """Return the chart with its legend."""
    found, end = legend(entries, WIDTH, HEIGHT + 12)
    return svg(title, description, [*body, *found], WIDTH, end if entries else HEIGHT)
