"""Noisy contributions: how much noise one has, and the model that leaves without masks.

One patient changes weight x (own - base) by at most the terms' clip in the L2 norm; the trainer
sees to that. What leaves is in whole steps of a grid, so rounding adds to it, by at most `slack`:
each value errs by 2^-24 (float32) of its size in the trainer's type, and by half a step of the
grid. All of this follows from public numbers (the base, the terms), so that the size of the noise
tells nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from swarmhub.errors import MaskError
from swarmhub.merge.arithmetic import Float64s, narrow
from swarmhub.merge.blocks import BLOCK, Scratch
from swarmhub.merge.pieces import Source, piece_of
from swarmhub.params import CHUNK_BYTES, DTYPES, Layout, chunk_count
from swarmhub.privacy.fixed_point import Grid
from swarmhub.privacy.models import Span, read_span, ring_layout, spans_of_model
from swarmhub.privacy.noise import LEAST_SD, MOST_SD, Noise

MILLION = 1_000_000
ROUNDING = {"F64": 2.0**-53, "F32": 2.0**-24, "F16": 2.0**-11, "BF16": 2.0**-9}
FINE = 1024  # steps in the clip, for each unit of the square root of the number of values
HEADROOM = 9.0  # standard deviations: 2^30 values stay below it but for a chance of 10^-9


@dataclass(frozen=True)
class NoiseTerms:
    """The noise of one contribution: the clip (10^-6), the noise of what is read in clips (10^-6),
    and over how many honest members' parts that noise comes together."""

    clip_millionths: int
    noise_millionths: int
    parts: int = 1

    @property
    def clip(self) -> float:
        """The most that one patient changes weight x (own - base), in the L2 norm."""
        return self.clip_millionths / MILLION

    def compute_sd(self, slack: float) -> float:
        """Return the standard deviation of this member's noise, in weight x value."""
        part = self.noise_millionths / MILLION / math.sqrt(self.parts)
        return (self.clip + slack) * part


def measure_slack(
    layout: Layout, base: Source, terms: NoiseTerms, weight: int, step: float
) -> float:
    """Return how much rounding may add to one patient's part, for weights up to `weight` and a grid
    of `step` (both of weight x value). Raises MaskError if it is more than the clip itself."""
    total, reach = 0.0, terms.clip  # `weight` patients change it by clip / weight each
    for index in range(chunk_count(layout.nbytes)):
        for span in _spans(layout, index):
            error = weight * ROUNDING[span.dtype]
            for values in _widened(base, span):
                each = error * (np.abs(values) + reach) + step / 2.0
                total += float(each @ each)
    slack = 2.0 * math.sqrt(total)
    if slack > terms.clip:
        raise MaskError(
            f"Expected parameters with which rounding stays below privacy.dp.clip = "
            f"{terms.clip:g}, got {slack:.3g}; use float32 or float64, a larger dp.clip, or a "
            "smaller privacy.clip."
        )
    return slack


def make_ring_noise(
    layout: Layout, base: Source, terms: NoiseTerms, grid: Grid, key: bytes
) -> Noise:
    """Return the noise of a masked contribution, in steps of the ring. Raises MaskError if the ring
    has no room for it."""
    scale = float(grid.scale)
    slack = measure_slack(layout, base, terms, grid.total_weight, 1.0 / scale)
    sd = terms.compute_sd(slack) * scale
    need = HEADROOM * sd + (terms.clip + slack) * scale
    if need > grid.largest_part:
        clip = float(grid.clip) * need / grid.largest_part
        raise MaskError(
            f"Expected privacy.clip of at least {clip:.3g} for the noise of these terms, got "
            f"{float(grid.clip):g}; propose a larger one."
        )
    if sd < LEAST_SD:
        raise MaskError(
            f"Expected noise of at least {LEAST_SD:g} steps of the ring, got {sd:.3g}; propose a "
            "smaller privacy.clip."
        )
    return Noise(key, min(sd, MOST_SD))


@dataclass(frozen=True)
class Noising:
    """How one trained model becomes the noisy one that leaves: in whole steps of `step` (of weight
    x value), with noise of `noise.sd` steps."""

    layout: Layout
    weight: int
    step: float
    noise: Noise


def make_noising(
    layout: Layout, base: Source, terms: NoiseTerms, weight: int, key: bytes
) -> Noising:
    """Return how a contribution of this weight gets its noise. Raises MaskError as `measure_slack`
    does."""
    ring_layout(layout)  # floats only
    count = max(1, sum(t.count for t in layout.tensors))
    step = 2.0 ** math.floor(math.log2(terms.clip / (FINE * math.sqrt(count))))
    slack = measure_slack(layout, base, terms, weight, step)
    return Noising(layout, weight, step, Noise(key, terms.compute_sd(slack) / step))


def noise_model(noising: Noising, own: Source, base: Source) -> Iterator[memoryview]:
    """Yield the noisy model's canonical buffer in chunks of CHUNK_BYTES. Raises MaskError for a
    value that is not finite."""
    for index in range(chunk_count(noising.layout.nbytes)):
        piece, scratch = piece_of(noising.layout, index), Scratch(2)
        out = np.zeros(piece.nbytes, np.uint8)
        for span in _spans(noising.layout, index):
            size = DTYPES[span.dtype].itemsize
            target = out[span.at - piece.offset :][: span.count * size].view(DTYPES[span.dtype])
            mine, theirs = read_span(own, span), read_span(base, span)
            for at in range(0, span.count, BLOCK):
                here = slice(at, min(at + BLOCK, span.count))
                value, start = scratch.widened([mine[here], theirs[here]], span.dtype)
                steps = np.rint((value - start) * (noising.weight / noising.step))
                steps += noising.noise.draw(steps.size)
                np.add(start, steps * (noising.step / noising.weight), out=value)
                with np.errstate(all="ignore"):
                    narrow(value, span.dtype, target[here])
        out[piece.padding] = 0
        yield out.data


def _spans(layout: Layout, index: int) -> list[Span]:
    start = index * CHUNK_BYTES
    stop = min(start + CHUNK_BYTES, layout.nbytes)
    return spans_of_model(layout, ring_layout(layout), start, stop)


def _widened(source: Source, span: Span) -> Iterator[Float64s]:
    values = read_span(source, span)
    for at in range(0, span.count, BLOCK):
        (wide,) = Scratch(1).widened([values[at : at + BLOCK]], span.dtype)
        yield wide
