"""Trees over hospitals without network or ledger: the sums of stages, encoded as trainers do."""

from dataclasses import replace

import numpy as np

from swarmhub.contract.records import Declaration, Outcome, Spec
from swarmhub.contract.stages import find_stage
from swarmhub.recipes import boosting
from swarmhub.recipes.linear.losses import LOGISTIC, Loss, Softmax, Squared
from swarmhub.recipes.plan import complete
from swarmhub.recipes.trees.cells import mark_patients
from swarmhub.recipes.trees.cuts import choose_cuts, count_rows, make_grid, refine
from swarmhub.recipes.trees.growing import Growth, Rows
from swarmhub.train.summands import decode, encode

LOSSES: dict[str, Loss] = {"binary": LOGISTIC, "classes": Softmax(3), "continuous": Squared()}
OUTCOMES = {
    "binary": Outcome("y", positive=("1",)),
    "classes": Outcome("y", "classes", classes=("a", "b", "c")),
    "continuous": Outcome("y", "continuous"),
}


def terms_of(kind, **options):
    """The terms of a study with trees."""
    return complete(
        Spec("s", data=Declaration(OUTCOMES[kind]), options={"model": "trees"} | options)
    )


def draw(kind, sizes, seed=0):
    """Rows (x, y) of hospitals of these sizes: products and waves of six features, of which the
    last one is constant and the fifth 0 or 1; the last hospital has one class only."""
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    x = np.clip(rng.normal(size=(n, 6)), -9, 9)
    x[:, 4], x[:, 5] = rng.integers(0, 2, n), 0.0
    signal = 2 * x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + 0.5 * x[:, 4] + rng.normal(0, 0.5, n)
    y = {
        "binary": (signal > 0).astype(float),
        "classes": np.digitize(signal, [-0.7, 0.7]).astype(float),
        "continuous": (signal - signal.mean()) / signal.std(),
    }[kind]
    if kind != "continuous":
        y[-sizes[-1] :] = 1.0
    ends = np.cumsum(sizes)[:-1]
    return list(zip(np.split(x, ends), np.split(y, ends), strict=True))


def add(spec, stage, contributions):
    """The settled sums of a round; what is agreed is the same at all."""
    terms = find_stage(spec, stage)
    stored = [encode(terms, c) for c in contributions]
    for name in terms.agreed:
        assert all(np.array_equal(s[name], stored[0][name]) for s in stored)
    summed = {
        name: array if name in terms.agreed else np.sum([s[name] for s in stored], axis=0)
        for name, array in stored[0].items()
    }
    return decode(terms, summed)


def agree_on_cuts(hospitals, least=1, codes=None):
    """Cut points of all hospitals' rows."""
    edges = make_grid(hospitals[0][0].shape[1])
    counted = [mark(x, c) for (x, _), c in zip(hospitals, codes or [None] * 99, strict=False)]
    for turn in range(2):
        counts = sum(
            count_rows(x, edges, c, least) for (x, _), c in zip(hospitals, counted, strict=True)
        )
        edges = refine(edges, counts) if turn == 0 else edges
    return choose_cuts(edges, counts)


def mark(x, codes=None):
    """Which rows count as patients, as numbers."""
    return mark_patients(np.arange(len(x)) if codes is None else codes).astype(float)


def make_growths(spec, kind, hospitals, cuts, least=1, leave_out=False):
    """Each hospital's part in the trees; with `leave_out` models without each, too."""
    loss = LOSSES[kind]
    terms = replace(boosting.make_terms(spec, loss, cuts, len(cuts.points)), least=least)
    rows = np.array([count_classes(loss, y) for _, y in hospitals])
    seen = [rows.sum(axis=0)]
    if leave_out:
        seen += [rows.sum(axis=0) - own for own in rows]
    return [
        Growth(terms, np.array(seen), Rows(cuts.place(x), y, mark(x)), i if leave_out else 0)
        for i, (x, y) in enumerate(hospitals, 1)
    ]


def count_classes(loss, y):
    if not loss.has_classes:
        return np.array([len(y)])
    return np.bincount(y.astype(int), minlength=max(2, loss.outputs))


def grow(spec, growths):
    """The trees, round by round, and the number of rounds."""
    sums, rounds = None, 0
    while sums is None or (sums["moving"][0] and rounds < find_stage(spec, "fit").max_rounds):
        sums = add(spec, "fit", [g.arrays(sums) for g in growths])
        rounds += 1
    return growths[0].advance(sums), rounds
