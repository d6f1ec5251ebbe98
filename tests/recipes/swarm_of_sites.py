"""A swarm without network or ledger: the weighted mean over sites, round after round."""

import numpy as np

from swarmhub.data import Design, Table, statistics_of
from swarmhub.merge import merge_statistics


def design_of(tables):
    return Design.from_statistics(
        merge_statistics({i: statistics_of(t) for i, t in enumerate(tables, start=1)})
    )


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


def synthetic(rng, sizes, p, rates=None, shift=1.0, signal=1.0):
    """Tables of sites that differ in size, in means and, if `rates` is given, in prevalence."""
    direction = rng.normal(size=p)
    direction *= signal / np.linalg.norm(direction)
    tables = []
    for k, n in enumerate(sizes):
        y = (rng.random(n) < (0.5 if rates is None else rates[k])).astype(np.int64)
        x = rng.normal(size=(n, p)) + shift * rng.normal(size=p) + 2 * np.outer(y - 0.5, direction)
        tables.append(Table({f"x{j:05d}": x[:, j] for j in range(p)}, y, n))
    return tables


def pooled(tables):
    columns = {c: np.concatenate([t.columns[c] for t in tables]) for c in tables[0].columns}
    label = np.concatenate([t.label for t in tables])
    return Table(columns, label, len(label))
