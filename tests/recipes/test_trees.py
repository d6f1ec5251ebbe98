"""Trees over hospitals: the pooled ones bit for bit, and those of an implementation by hand."""

import numpy as np
import pytest
from groves import LOSSES, add, agree_on_cuts, draw, grow, make_growths, terms_of

from swarmhub.data.metrics import auc
from swarmhub.errors import BadInput, TrainerError
from swarmhub.models.trees import add_trees
from swarmhub.recipes import boosting
from swarmhub.recipes.linear.alone import fit_linear
from swarmhub.recipes.linear.losses import LOGISTIC, Squared
from swarmhub.recipes.trees.forest import Forest
from swarmhub.recipes.trees.growing import Growth, Rows, grow_alone

SIZES = (180, 57, 1, 40)
KINDS = ("binary", "classes", "continuous")


def pool(hospitals):
    return [tuple(np.concatenate(part) for part in zip(*hospitals, strict=True))]


def same(a, b):
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("feature", "cut", "leaf"))


@pytest.mark.parametrize("kind", KINDS)
def test_trees_of_hospitals_are_the_pooled_ones_bit_for_bit(kind):
    spec, hospitals = terms_of(kind, trees="6"), draw(kind, SIZES)
    cuts, whole = agree_on_cuts(hospitals), agree_on_cuts(pool(hospitals))
    assert np.array_equal(cuts.points, whole.points)
    found, rounds = grow(spec, make_growths(spec, kind, hospitals, cuts))
    pooled = grow_alone(make_growths(spec, kind, pool(hospitals), cuts)[0])
    assert rounds == 18
    assert found.is_grown
    assert same(found, pooled)
    assert (found.leaf != 0).any()


def cost(loss, y, margins, weights):
    """Gradients and curvatures (e, n) by the formulas, without any rounding."""
    if isinstance(loss, Squared):
        return weights * (margins - y), weights * np.ones_like(margins)
    if loss is LOGISTIC:
        p, target = 1 / (1 + np.exp(-margins)), y[None]
        return weights * (p - target), weights * p * (1 - p)
    p = np.exp(margins) / np.exp(margins).sum(axis=0)
    target = (y[None] == np.arange(3)[:, None]).astype(float)
    return weights * (p - target), 2 * weights * p * (1 - p)


def grow_by_hand(bins, g, h, depth):
    """Values of rows by one tree that tries each feature and cut on the rows of each node."""
    value = np.full(len(g), -g.sum() / (h.sum() + 1))
    best, sides = 1e-6, None
    for feature in range(bins.shape[1]) if depth else ():
        for cut in range(bins[:, feature].max(initial=0)):
            left = bins[:, feature] <= cut
            if not 0 < left.sum() < len(left) or min(h[left].sum(), h[~left].sum()) < 1:
                continue
            parts = [v[side].sum() for side in (left, ~left) for v in (g, h)]
            gain = parts[0] ** 2 / (parts[1] + 1) + parts[2] ** 2 / (parts[3] + 1)
            gain -= g.sum() ** 2 / (h.sum() + 1)
            if gain > best:
                best, sides = gain, (left, ~left)
    for side in sides or ():
        value[side] = grow_by_hand(bins[side], g[side], h[side], depth - 1)
    return value


@pytest.mark.parametrize("kind", KINDS)
def test_trees_are_those_of_an_implementation_by_hand(kind):
    loss, hospitals = LOSSES[kind], draw(kind, (150, 50), seed=4)
    (x, y), cuts = pool(hospitals)[0], agree_on_cuts(hospitals)
    spec = terms_of(kind, trees="5", depth="3", rate="0.3")
    found = grow_alone(make_growths(spec, kind, pool(hospitals), cuts)[0])
    weights = np.ones(len(y))
    if loss.has_classes:
        rows = np.bincount(y.astype(int))
        weights = (len(y) / (len(rows) * rows))[y.astype(int)]
    margins, bins = np.zeros((loss.outputs, len(y))), cuts.place(x)
    for _ in range(5):
        g, h = cost(loss, y, margins, weights)
        margins = margins + [0.3 * grow_by_hand(bins, *gh, 3) for gh in zip(g, h, strict=True)]
    made = add_trees(boosting.make_parameters(found, cuts), x)
    np.testing.assert_allclose(made, margins, rtol=0, atol=1e-7)


def test_thresholds_send_rows_as_the_bins_did():
    spec, hospitals = terms_of("classes", trees="4"), draw("classes", SIZES)
    cuts = agree_on_cuts(hospitals)
    found = grow_alone(make_growths(spec, "classes", pool(hospitals), cuts)[0])
    x = pool(hospitals)[0][0]
    by_bins = sum(found.value(0, t, cuts.place(x)) for t in range(4))
    assert np.array_equal(add_trees(boosting.make_parameters(found, cuts), x), by_bins)


def test_a_trainer_that_starts_again_goes_on_from_the_sums():
    spec, hospitals = terms_of("binary", trees="3"), draw("binary", SIZES)
    cuts = agree_on_cuts(hospitals)
    sums = None
    for _ in range(9):
        sums = add(spec, "fit", [
            g.arrays(sums) for g in make_growths(spec, "binary", hospitals, cuts)
        ])  # fmt: skip
    assert sums["moving"][0] == 0
    again = make_growths(spec, "binary", hospitals, cuts)[0].advance(sums)
    assert same(again, grow_alone(make_growths(spec, "binary", pool(hospitals), cuts)[0]))


def test_a_model_without_a_hospital_is_that_of_the_others():
    spec, hospitals = terms_of("binary", trees="4"), draw("binary", (90, 60, 1, 40))
    cuts = agree_on_cuts(hospitals)
    found, _ = grow(spec, make_growths(spec, "binary", hospitals, cuts, leave_out=True))
    everyone = grow_alone(make_growths(spec, "binary", pool(hospitals), cuts)[0])
    assert np.array_equal(found.leaf[0], everyone.leaf[0])
    for i in range(4):
        others = pool(hospitals[:i] + hospitals[i + 1 :])
        alone = grow_alone(make_growths(spec, "binary", others, cuts)[0])
        assert np.array_equal(found.leaf[i + 1], alone.leaf[0])
        assert np.array_equal(found.cut[i + 1], alone.cut[0])


def test_trees_find_what_a_linear_model_cannot():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(1200, 3))
    y, fold = (x[:, 0] * x[:, 1] > 0).astype(float), np.arange(800) % 5
    spec, train, test = terms_of("binary"), slice(800), slice(800, None)
    linear = fit_linear(spec, x[train], y[train], fold, LOGISTIC)(x[test])[0]
    trees = boosting.fit_alone(spec, x[train], y[train], fold, LOGISTIC)(x[test])[0]
    assert auc(y[test], linear) == pytest.approx(0.5, abs=0.1)
    assert auc(y[test], trees) > 0.95


def test_rows_without_any_signal_make_no_splits():
    spec = terms_of("continuous", trees="2")
    x, y = np.zeros((20, 2)), np.linspace(-1, 1, 20)
    cuts = agree_on_cuts([(x, y)])
    found, rounds = grow(spec, make_growths(spec, "continuous", [(x, y)], cuts))
    assert rounds == 3  # a tree without a split takes one round, and the last one says so
    assert found.is_grown
    assert np.abs(add_trees(boosting.make_parameters(found, cuts), x)).max() < 1e-8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"trees": "0"}, "options.trees to be a whole number from 1 to 500, got '0'"),
        ({"trees": "4.5"}, "options.trees to be a whole number"),
        ({"depth": "9"}, "options.depth to be a whole number from 1 to 6"),
        ({"rate": "nan"}, "options.rate to be a number from 0.001 to 1.0, got 'nan'"),
        ({"trees": "400", "depth": "6"}, "up to 1000 rounds, got 2400; choose fewer trees"),
        ({"penalty": "1"}, "options out of model, trees, depth, rate, left_out"),
    ],
)
def test_options_that_cannot_be_are_refused(options, said):
    with pytest.raises(BadInput, match=said):
        terms_of("binary", **options)


def test_too_many_features_are_refused_with_what_to_do():
    spec = terms_of("binary")
    hospitals = [(np.zeros((4, 20_000)), np.array([0.0, 1.0, 0.0, 1.0]))]
    x = hospitals[0][0]
    x[:, :] = np.linspace(-1, 1, 4)[:, None]
    cuts = agree_on_cuts([(x[:, :2], None)])
    wide = type(cuts)(np.repeat(np.linspace(-1, 1, 30)[None], 20_000, axis=0))
    with pytest.raises(BadInput, match=r"up to 32 MB .* 20000 features x 31 bins x 4 nodes x 1"):
        make_growths(spec, "binary", hospitals, wide)


def test_settled_arrays_that_are_no_trees_are_refused():
    start = Forest.start(1, 2, 1, 2, 8)
    for name, bad in (
        ("feature", start.feature + 5), ("cut", start.cut + 1), ("leaf", start.leaf + np.nan),
        ("leaf", start.leaf[:, :1]), ("stand", np.array([3, 0])), ("stand", np.array([0, 2])),
        ("cut", start.cut.astype(float)),
    ):  # fmt: skip
        with pytest.raises(BadInput, match="2 trees of depth 2 over 5 features"):
            start.read(start.to_arrays() | {name: bad}, 5, 8)
    assert same(start.read(start.to_arrays(), 5, 8), start)


def test_sums_beyond_the_terms_are_not_sent():
    spec = terms_of("continuous", trees="1")
    x, y = np.linspace(-1, 1, 40)[:, None], np.full(40, 1e8)
    growths = make_growths(spec, "continuous", [(x, y)], agree_on_cuts([(x, y)]))
    with pytest.raises(TrainerError, match=r"'gradient' \(the study's terms\)"):
        add(spec, "fit", [growths[0].arrays(None)])


def test_a_place_without_a_class_has_no_model():
    with pytest.raises(ValueError, match="rows of 2 classes"):
        boosting.fit_alone(terms_of("binary"), np.zeros((3, 1)), np.ones(3), None, LOGISTIC)


def test_margins_follow_the_trees_that_are_done():
    spec, hospitals = terms_of("binary", trees="3"), draw("binary", (80, 30))
    cuts, (x, y) = agree_on_cuts(hospitals), pool(hospitals)[0]
    growth = make_growths(spec, "binary", [(x, y)], cuts)[0]
    grow_alone(growth)
    fresh = Growth(growth.terms, growth.class_rows, Rows(growth.rows.bins, y, np.ones(len(y))))
    assert same(grow_alone(growth), grow_alone(fresh))
