"""Fixed point in the ring of 2^32: a weighted mean of models as a sum of integers.

Member i of at most n sends, for each value, with w_i its samples and W the samples declared by all,

    q_i = rint(clip(own - base) w_i S),     S = (2^31 - 1 - n) / (clip W)

so |q_1| + ... + |q_n| <= 2^31 - 1 - n + n / 2: the sum never wraps. The mean over members with w
samples in all is base + (sum of their q) / (S w). Each q errs by at most 1/2, hence the mean by
n / (2 S w) = clip n W / (2 w (2^31 - 1 - n)): for n = 16 and w = W, 3.8e-9 of the clip.

Deterministic: S and the weights are exact rationals, the factor is rounded once to float64, and the
arrays see only - min max x rint and a cast, each elementwise (IEEE 754 fixes every result).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from swarmhub.errors import MaskError

MAX_MEMBERS = 512
MAX_WEIGHT = 2**53 - 1

Float64s = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint32]


@dataclass(frozen=True)
class Grid:
    """The fixed point of a study: largest change of a value (`clip`, > 0), largest number of
    members in a sum, samples declared by all of them."""

    clip: Fraction
    members: int
    total_weight: int

    def __post_init__(self) -> None:
        if not 0 < self.clip < 10**9 or self.clip.denominator > 10**18:
            raise MaskError(
                "Expected a clip above 0 and below 10^9, with a denominator up to 10^18."
            )
        if not 1 <= self.members <= MAX_MEMBERS:
            raise MaskError(f"Expected 1 to {MAX_MEMBERS} members, got {self.members}.")
        need_weight(self.total_weight)

    @property
    def scale(self) -> Fraction:
        """S: steps of the ring for each unit of value and sample."""
        return (2**31 - 1 - self.members) / (self.clip * self.total_weight)

    def factor(self, weight: int) -> float:
        """Return steps per unit of one member's change. Raises MaskError for a weight outside 1 to
        the declared total."""
        return _compute_factor(self, weight)

    def unit(self, weight: int) -> float:
        """Return the change of the mean for one step of a sum over members with this weight in
        all."""
        return _compute_unit(self, weight)

    @property
    def largest_part(self) -> int:
        """Return the steps that each of all members may have, in either direction."""
        return (2**31 - 1 - self.members) // self.members

    def need_part(self, weight: int) -> None:
        """Raise MaskError for a weight that no member or sum of members has."""
        need_weight(weight)
        if weight > self.total_weight:
            raise MaskError(
                f"Expected a weight up to the {self.total_weight} samples declared, got {weight}."
            )


@functools.lru_cache(maxsize=16)  # asked for with each block of a model
def _compute_factor(grid: Grid, weight: int) -> float:
    grid.need_part(weight)
    return float(weight * grid.scale)


@functools.lru_cache(maxsize=16)
def _compute_unit(grid: Grid, weight: int) -> float:
    grid.need_part(weight)
    return float(1 / (grid.scale * weight))


def need_weight(weight: int) -> None:
    """Raise MaskError unless a weight is an integer from 1 to 2^53 - 1."""
    if type(weight) is not int or not 1 <= weight <= MAX_WEIGHT:
        raise MaskError(f"Expected a weight from 1 to 2^53 - 1, got {weight!r}.")


def quantise(grid: Grid, weight: int, delta: Float64s, out: Words) -> int:
    """Write the steps of finite changes (P,) to `out` (P,), two's complement; return how many were
    clipped. Overwrites `delta`."""
    limit, clipped = float(grid.clip), 0
    if delta.size and (delta.max() > limit or delta.min() < -limit):
        clipped = int(np.count_nonzero(np.abs(delta) > limit))
        np.clip(delta, -limit, limit, out=delta)
    np.multiply(delta, grid.factor(weight), out=delta)
    np.rint(delta, out=delta)
    np.copyto(out.view(np.int32), delta, casting="unsafe")
    return clipped


def mean_change(grid: Grid, weight: int, total: Words, out: Float64s) -> None:
    """Write the weighted mean of the changes (P,) to `out`: the sum (P,) of members with `weight`
    samples in all, as two's complement, times the unit."""
    np.copyto(out, total.view(np.int32))
    np.multiply(out, grid.unit(weight), out=out)


def add_noise(grid: Grid, values: Words, noise: npt.NDArray[np.int64]) -> int:
    """Add noise (P,) to one member's steps (P,), in place; return how many were cut to the member's
    equal part of the ring, in which the sum cannot wrap."""
    bound = grid.largest_part
    total = noise + values.view(np.int32)
    cut = int(np.count_nonzero(np.abs(total) > bound))
    np.clip(total, -bound, bound, out=total)
    np.copyto(values.view(np.int32), total, casting="unsafe")
    return cut
