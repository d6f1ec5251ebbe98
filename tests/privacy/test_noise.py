"""Noise: its distribution, its size in a contribution, and what it leaves unchanged."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from swarmhub.errors import MaskError
from swarmhub.merge.vectors import Buffer
from swarmhub.params import Layout, buffer_of
from swarmhub.privacy import Grid, Masking, NoiseTerms, make_ring_noise, mask_model
from swarmhub.privacy.noise import Noise
from swarmhub.privacy.noising import make_noising, measure_slack, noise_model

pytestmark = pytest.mark.unit

TERMS = NoiseTerms(clip_millionths=2_000_000, noise_millionths=3_000_000)
GRID = Grid(Fraction(10), 4, 1000)


def key(seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(32)


def model(count: int = 50_000, dtype: str = "<f4", seed: int = 1) -> tuple[Layout, Buffer]:
    values = np.random.default_rng(seed).normal(size=count).astype(dtype)
    layout, data = buffer_of({"w": values})
    return layout, Buffer(data)


def joined(chunks) -> bytes:
    return b"".join(bytes(c) for c in chunks)


@pytest.mark.parametrize("sd", [16.0, 23.7])
def test_noise_is_the_discrete_gaussian(sd):
    drawn = Noise(key(2), sd).draw(400_000)
    edges = np.arange(-3 * int(sd), 3 * int(sd) + 1)
    every = np.arange(-20 * int(sd), 20 * int(sd) + 1)
    mass = np.exp(-(every**2) / (2 * sd**2))
    chances = (mass / mass.sum())[np.isin(every, edges)]
    found = np.array([np.count_nonzero(drawn == k) for k in edges])
    rest = drawn.size - found.sum()
    expected = np.append(chances, 1 - chances.sum()) * drawn.size
    assert stats.chisquare(np.append(found, rest), expected).pvalue > 1e-4


@pytest.mark.parametrize("sd", [1e3, 2.0**33])
def test_wide_noise_is_gaussian(sd):
    drawn = Noise(key(3), sd).draw(200_000) / sd
    assert stats.kstest(drawn, "norm").pvalue > 1e-4
    assert np.corrcoef(drawn[1:], drawn[:-1])[0, 1] == pytest.approx(0.0, abs=0.01)


def test_pieces_of_a_stream_are_the_stream():
    whole = Noise(key(4), 100.0).draw(5_000)
    stream = Noise(key(4), 100.0)
    first = stream.draw(5_000)
    assert np.array_equal(whole, first)
    assert not np.array_equal(stream.draw(5_000), first)


def test_a_noisy_model_has_noise_of_the_terms():
    layout, base = model()
    own = Buffer(buffer_of({"w": np.frombuffer(base.data, "<f4") + np.float32(0.25)})[1])
    noising = make_noising(layout, base, TERMS, 40, key(5))
    found = np.frombuffer(joined(noise_model(noising, own, base)), "<f4").astype(np.float64)
    noise = 40 * (found - np.frombuffer(own.data, "<f4"))
    assert noise.std() == pytest.approx(3.0 * 2.0, rel=0.02)
    assert noise.mean() == pytest.approx(0.0, abs=0.1)


def test_the_noise_of_a_set_comes_together():
    layout, base = model()
    parts = dataclasses.replace(TERMS, parts=2)
    words = []
    for member in range(2):
        noise = make_ring_noise(layout, base, parts, GRID, key(6 + member))
        masking = Masking(layout, GRID, 250, (), noise)
        words.append(np.frombuffer(joined(c for c, _ in mask_model(masking, base, base)), "<i4"))
    total = words[0].astype(np.float64) + words[1]
    slack = measure_slack(layout, base, TERMS, 1000, 1 / float(GRID.scale))
    sd = (total / float(GRID.scale)).std()
    assert sd == pytest.approx(3.0 * (2.0 + slack), rel=0.02)
    assert slack < 0.1


@pytest.mark.parametrize(("dtype", "most"), [("<f4", 0.3), ("<f8", 0.01)])
def test_rounding_of_the_parameters_is_reckoned_with(dtype, most):
    layout, base = model(dtype=dtype)
    slack = measure_slack(layout, base, TERMS, 1000, 2.0**-30)
    values = np.frombuffer(base.data, dtype).astype(np.float64)
    unit = 2.0 ** (-24 if dtype == "<f4" else -53)
    assert slack >= 2 * 1000 * unit * float(np.linalg.norm(values))
    assert slack < most


def test_a_small_ring_and_coarse_types_are_refused():
    layout, base = model()
    with pytest.raises(MaskError, match=r"privacy\.clip of at least"):
        make_ring_noise(layout, base, TERMS, Grid(Fraction(1, 100), 4, 1000), key(1))
    layout, base = model(dtype="<f2")
    with pytest.raises(MaskError, match="use float32 or float64"):
        make_noising(layout, base, TERMS, 1000, key(1))
