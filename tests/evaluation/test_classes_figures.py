"""Figures of classes out of counts of hospitals are scikit-learn's of all test patients."""

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
    roc_auc_score,
)

from swarmhub.errors import BadInput
from swarmhub.evaluation.classes import evaluate_counts, make_counts
from swarmhub.evaluation.figures import share

pytestmark = pytest.mark.unit


def simulate(seed=0, rows=1800, k=4):
    """Labels, probabilities and hospitals; class 3 is rarer."""
    rng = np.random.default_rng(seed)
    y = rng.choice(k, rows, p=np.arange(k, 0, -1) / (k * (k + 1) / 2))
    logit = rng.normal(size=(rows, k)) + 1.5 * np.eye(k)[y]
    p = np.exp(logit)
    return y, p / p.sum(axis=1, keepdims=True), rng.integers(0, 3, rows)


def sum_of(y, p, site, **how):
    """Summed counts of hospitals."""
    parts = [make_counts(y[site == k], p[site == k], **how) for k in np.unique(site)]
    return {name: sum(part[name] for part in parts) for name in parts[0]}


@pytest.mark.parametrize("seed", range(3))
def test_figures_over_classes_are_those_of_scikit_learn(seed):
    y, p, site = simulate(seed)
    said = p.argmax(axis=1)
    found = evaluate_counts(sum_of(y, p, site))
    values = {name: figure.value for name, figure in found.figures.items()}
    assert values["accuracy"] == pytest.approx(accuracy_score(y, said), abs=1e-12)
    assert values["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, said), abs=1e-12)
    assert values["macro_f1"] == pytest.approx(f1_score(y, said, average="macro"), abs=1e-12)
    assert values["loss"] == pytest.approx(log_loss(y, p), abs=2e-12)
    assert (found.confusion == confusion_matrix(y, said)).all()


def test_figures_of_each_class_are_those_of_scikit_learn():
    y, p, site = simulate()
    found = evaluate_counts(sum_of(y, p, site))
    known = precision_recall_fscore_support(y, p.argmax(axis=1))
    for c, one in enumerate(found.classes):
        values = [one.figures[name].value for name in ("precision", "recall", "f1")]
        assert values == pytest.approx([known[k][c] for k in range(3)], abs=1e-12)
        assert one.support == known[3][c]


def test_areas_against_all_others_are_near_the_exact_ones():
    y, p, site = simulate()
    found = evaluate_counts(sum_of(y, p, site))
    exact = [roc_auc_score(y == c, p[:, c]) for c in range(4)]
    for one, area in zip(found.classes, exact, strict=True):
        assert one.figures["auc"].value == pytest.approx(area, abs=0.003)
    assert found.figures["macro_auc"].value == pytest.approx(np.mean(exact), abs=0.002)


def test_intervals_of_shares_are_wilsons():
    y, p, site = simulate()
    found = evaluate_counts(sum_of(y, p, site))
    cells = found.confusion
    one = found.classes[1].figures
    assert one["recall"] == share(int(cells[1, 1]), int(cells[1].sum()))
    assert one["precision"] == share(int(cells[1, 1]), int(cells[:, 1].sum()))
    assert one["f1"].low < one["f1"].value < one["f1"].high


def test_the_interval_of_balanced_accuracy_is_as_samples_vary():
    found = [evaluate_counts(sum_of(*simulate(s, 300))).figures for s in range(150)]
    values = [f["balanced_accuracy"].value for f in found]
    widths = [(f["balanced_accuracy"].high - f["balanced_accuracy"].low) / 3.92 for f in found]
    assert np.mean(widths) == pytest.approx(np.std(values), rel=0.2)


def test_a_small_hospital_gives_totals_only():
    y, p, _ = simulate(rows=19)
    counts = make_counts(y, p)
    assert counts["totals"].tolist() == [19, (p.argmax(axis=1) == y).sum()]
    assert not counts["confusion"].any()
    assert not counts["loss"].any()
    assert not any(array.any() for name, array in counts.items() if "/" in name)


def test_patients_are_counted_not_rows():
    y, p, _ = simulate(rows=40)
    assert not make_counts(y, p, np.arange(40) // 3)["confusion"].any()
    assert make_counts(y, p, np.arange(40))["confusion"].any()


def test_a_class_of_few_patients_is_withheld():
    y, p, _ = simulate(rows=60)
    y[y == 3] = 0
    y[:4] = 3
    counts = make_counts(y, p)
    assert counts["confusion"].sum() == 56
    assert not counts["confusion"][3].any()
    assert not counts["positive"][3].any()
    withheld = evaluate_counts(counts)
    used = [k for k in range(len(withheld.classes)) if k != 3]
    assert withheld.classes[3].figures["f1"].value is None
    mean = np.mean([withheld.classes[k].figures["f1"].value for k in used])
    np.testing.assert_allclose(withheld.figures["macro_f1"].value, mean)


def test_figures_of_no_rows_are_none():
    found = evaluate_counts(make_counts(np.zeros(0, int), np.zeros((0, 3))))
    assert {figure.value for figure in found.figures.values()} == {None}
    assert found.is_descriptive


@pytest.mark.parametrize(
    ("y", "p"),
    [
        ([0], [[0.5, 0.6]]),
        ([2], [[0.5, 0.5]]),
        ([0.5], [[0.5, 0.5]]),
        ([0], [[np.nan, 1.0]]),
        ([0], [[1.0]]),
        ([0, 1], [[0.5, 0.5]]),
        ([0], [[1.5, -0.5]]),
    ],
)
def test_other_labels_and_probabilities_are_refused(y, p):
    with pytest.raises(BadInput, match="Expected"):
        make_counts(y, p)


def test_too_many_classes_are_refused():
    with pytest.raises(BadInput, match="2 to 100 classes"):
        make_counts([0], np.full((1, 101), 1 / 101))
