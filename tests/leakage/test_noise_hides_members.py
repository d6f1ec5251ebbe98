"""Membership attacks on a swarm with a model that learns rows by heart: with noise and without."""

import numpy as np
import pytest
from overfitted import fit_linear, losses, rows

from swarmhub.leakage.membership import score_loss, score_trajectory
from swarmhub.leakage.scores import measure_attack
from swarmhub.merge.vectors import Buffer
from swarmhub.params import buffer_of
from swarmhub.privacy import NoiseTerms, make_noising, noise_model
from swarmhub.privacy.accounting import compute_noise
from swarmhub.recipes.linear.clipped import Rows, Step, take_step
from swarmhub.recipes.linear.losses import LOGISTIC
from swarmhub.train.bounded import Bound

HOSPITALS, ROWS, ROUNDS, CLIP = 4, 150, 10, 4.0
MOST = 0.60  # of the upper end of the interval
SEEDS = range(3)
EPSILON = 1.0
FEATURES = 500  # of 600 rows: the attack succeeds without noise


def table(seed):
    return rows(seed, HOSPITALS * ROWS, FEATURES)


def parts_of(seed):
    x, y = table(seed)
    return [(x[i::HOSPITALS], y[i::HOSPITALS]) for i in range(HOSPITALS)]


def add_noise(own, base, sigma, seed):
    """A contribution (p + 1,) as the node lets it leave, with its part of the noise of the sum."""
    terms = NoiseTerms(int(CLIP * 1e6), int(sigma * 1e6), parts=2)
    layout, start = buffer_of({"w": base})
    key = np.random.default_rng(seed).bytes(32)
    noising = make_noising(layout, Buffer(start), terms, ROWS, key)
    chunks = noise_model(noising, Buffer(buffer_of({"w": own})[1]), Buffer(start))
    return np.frombuffer(b"".join(bytes(c) for c in chunks), "<f4")[: own.size]


def train_with_noise(seed, epsilon):
    """The models of each round of four hospitals, as a masked swarm with noise makes them."""
    sigma = compute_noise(epsilon, 1e-5, ROUNDS)
    step = Step(2.0, 1e-3, Bound(CLIP, ROWS))
    every = [Rows.of(x, y, np.arange(len(y))) for x, y in parts_of(seed)]
    point, models = np.zeros((1, every[0].x.shape[1] + 1), np.float32), []
    for turn in range(ROUNDS):
        noisy = []
        for number, own in enumerate(every):
            made = take_step(own, LOGISTIC, point.astype(np.float64), step).astype(np.float32)
            noisy.append(add_noise(made[0], point[0], sigma, [seed, turn, number]))
        point = np.atleast_2d(np.mean(noisy, axis=0, dtype=np.float64)).astype(np.float32)
        models.append((point[0, :-1].astype(np.float64), float(point[0, -1])))
    return models


def attack(models, seed):
    """AUROC of the mean loss over models: the rows trained on against others."""
    inside, outside = (table(s) for s in (seed, seed + 1000))
    scores = [score_trajectory([losses(m, *part) for m in models]) for part in (inside, outside)]
    return measure_attack(*scores)["auroc"]


@pytest.mark.parametrize("seed", SEEDS)
def test_without_noise_the_swarms_members_are_found(seed):
    model = fit_linear(*table(seed))
    inside, outside = (score_loss(losses(model, *table(s)))
                       for s in (seed, seed + 1000))  # fmt: skip
    assert measure_attack(inside, outside)["auroc"].low > 0.6


@pytest.mark.parametrize("seed", SEEDS)
def test_with_masks_and_noise_they_are_not(seed):
    models = train_with_noise(seed, EPSILON)
    assert attack(models, seed).high <= MOST
    assert attack(models[-1:], seed).high <= MOST
