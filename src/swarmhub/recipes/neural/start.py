"""A network's parameters before the first round: random, and alike at all hospitals.

Weights are uniform between -a and a with a = sqrt(6 / (inputs + outputs)) (Glorot and Bengio,
AISTATS 2010), the default of Keras, in which the paper's network was written; biases are 0. They
follow from the study's seed by NumPy's PCG64 and one multiplication, which are the same everywhere.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from swarmhub.recipes.site import Arrays


def start_dense(widths: Sequence[int], seed: int) -> Arrays:
    """Return dense layers from widths[0] inputs over hidden units to widths[-1] outputs."""
    found: Arrays = {}
    for place, (inputs, units) in enumerate(itertools.pairwise(widths), 1):
        name = f"dense{place}" if place < len(widths) - 1 else "output"
        rng = np.random.default_rng([seed, 1, place])
        found[f"{name}.bias"] = np.zeros(units, dtype=np.float32)
        found[f"{name}.weight"] = _draw(rng, (inputs, units), inputs, units)
    return found


def start_convolutions(channels: Sequence[int], kernel: int, seed: int) -> Arrays:
    """Return convolutions from channels[0] to channels[-1]."""
    found: Arrays = {}
    for place, (inputs, units) in enumerate(itertools.pairwise(channels), 1):
        rng, area = np.random.default_rng([seed, 2, place]), kernel * kernel
        found[f"conv{place}.bias"] = np.zeros(units, dtype=np.float32)
        shape = (units, inputs, kernel, kernel)
        found[f"conv{place}.weight"] = _draw(rng, shape, inputs * area, units * area)
    return found


def _draw(
    rng: np.random.Generator, shape: tuple[int, ...], inputs: int, outputs: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    reach = math.sqrt(6.0 / (inputs + outputs))
    found = rng.random(shape, dtype=np.float32)
    found -= np.float32(0.5)
    found *= np.float32(2.0 * reach)
    return found
