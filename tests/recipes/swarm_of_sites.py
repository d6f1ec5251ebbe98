"""A swarm without network or ledger: the weighted mean over sites, round after round."""

import numpy as np


def mean(contributions, weights):
    share = np.array(weights, dtype=float) / sum(weights)
    return {
        k: sum(w * c[k] for w, c in zip(share, contributions, strict=True))
        for k in contributions[0]
    }


def train(model, inputs, labels, rounds=10, absent=frozenset(), lost=frozenset(), merge=mean):
    """Merged parameters after `rounds`. `absent` and `lost` hold (round, site): a site that does
    not take part in that round, a site whose local state is gone before it."""
    merged, state = model.initial(), [{} for _ in inputs]
    for number in range(1, rounds + 1):
        sent, rows = [], []
        for i, (x, y) in enumerate(zip(inputs, labels, strict=True)):
            if (number, i) in absent:
                continue
            before = {} if (number, i) in lost else state[i]
            contribution, state[i] = model.fit(merged, x, y, before)
            assert all(np.isfinite(v).all() for v in contribution.values())
            assert {k: v.shape for k, v in contribution.items()} == {
                k: v.shape for k, v in merged.items()
            }
            sent.append(contribution)
            rows.append(len(y))
        merged = merge(sent, rows)
    return merged


def synthetic(rng, sizes, p, rates=None, signal=1.0):
    """(x, y) of sites that differ in size, in means and, if `rates` is given, in prevalence;
    standardised over all of them."""
    direction = rng.normal(size=p)
    direction *= signal / np.linalg.norm(direction)
    inputs, labels = [], []
    for k, n in enumerate(sizes):
        y = (rng.random(n) < (0.5 if rates is None else rates[k])).astype(np.int64)
        labels.append(y)
        centre = rng.normal(size=p) + 2 * np.outer(y - 0.5, direction)
        inputs.append(rng.normal(size=(n, p)) + centre)
    every = np.vstack(inputs)
    return [(x - every.mean(axis=0)) / every.std(axis=0) for x in inputs], labels
