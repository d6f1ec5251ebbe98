"""Reports on several classes: figures are those of all test samples, and nothing is said of
figures that classes do not have."""

import json
import re

import numpy as np
import pytest
from html_tags import Tags
from reports import HOSTILE, Page, composed, site
from reports_of_kinds import (
    CELLS,
    CLASS_FIGURES,
    OF_CLASSES,
    class_counts,
    reported_classes,
    simulate_classes,
)

from swarmhub.data.schema import Schema, declare_label
from swarmhub.evaluation.classes import ONE_AGAINST_ALL
from swarmhub.evaluation.figures import share
from swarmhub.operations.report.features import Feature, weigh_classes
from swarmhub.operations.report.kinds.classes import say
from swarmhub.operations.report.page import render
from swarmhub.operations.report.say import say_figure
from swarmhub.operations.report.write import to_json

pytestmark = pytest.mark.unit

MANY = class_counts(rows=900) | class_counts("left-out", rows=900, shift=0.5)  # nothing withheld
ABSENT = r"with the outcome|sensitivity|false alarm|specificity|Brier|counts as positive"


def text(**changes):
    return Page(render(reported_classes(**changes))).text


def confusion(rows=900):
    """Test samples by true and most probable class, and labels."""
    y, p, _ = simulate_classes(rows=rows)
    return np.histogram2d(y, p.argmax(axis=1), bins=(range(5), range(5)))[0], y, p


def test_figures_are_those_of_all_samples():
    cells, y, p = confusion()
    found = composed(reported_classes(counts=MANY))
    right, recall = np.diag(cells), np.diag(cells) / cells.sum(axis=1)
    f1 = 2 * right / (cells.sum(axis=0) + cells.sum(axis=1))
    expected = {
        "accuracy": right.sum() / 900, "balanced_accuracy": recall.mean(), "macro_f1": f1.mean(),
        "loss": -np.log(p[np.arange(900), y]).mean(),
    }  # fmt: skip
    got = {name: found.swarm.figure(name).value for name in expected}
    assert got == pytest.approx(expected, rel=1e-6)
    assert found.confusion.cells == tuple(tuple(int(n) for n in row) for row in cells)
    assert [c.f1.value for c in found.classes] == pytest.approx(f1)
    assert [c.recall.low for c in found.classes] == pytest.approx(
        [share(int(a), int(b)).low for a, b in zip(right, cells.sum(axis=1), strict=True)]
    )


def test_a_clinician_reads_counts_of_a_hundred():
    cells, _, _ = confusion()
    right, most = np.trace(cells) / 9, cells.sum(axis=1).max() / 9
    read = text(counts=MANY)
    assert f"names the right one of 4 classes in {right:.0f} of 100 samples (" in read
    assert f"for all would be right in {most:.0f} of 100; the model is right more often." in read


def test_a_model_no_better_than_the_most_frequent_class_is_said_to_be_so():
    report = composed(reported_classes(counts=class_counts(rows=300, shift=2.0)))
    assert "right more often" not in say.say_baseline(report)


def test_nothing_is_said_that_classes_do_not_have():
    read = text(counts=MANY)
    assert re.findall(ABSENT, read) == []
    tree = json.dumps(to_json(reported_classes(counts=MANY)))
    assert re.findall(r"\"(positives|negatives|roc|sensitivity|within|cells_at)\"", tree) == []
    assert '"threshold": null' in tree


def test_the_page_is_sound_and_has_charts_and_captions():
    page = render(reported_classes())
    read = Page(page)
    assert Tags(page).wrong == Tags(page).open == []
    assert read.sections[3] == "classes"
    assert [f"#{name}" for name in read.sections] == read.hrefs
    assert all(read.tables)
    assert len(read.charts) == 8
    assert all(chart == {"title", "desc"} for chart in read.charts)


def test_withheld_classes_have_no_figures_but_a_reason():
    y, _, at = simulate_classes()
    few = [c for c in range(4) if all(0 < ((y == c) & (at == k)).sum() < 5 for k in range(3))]
    assert few == [3]  # 1 to 4 monocytes at each hospital
    found = composed(reported_classes())
    last = found.classes[3]
    assert (last.tested, last.precision.value, last.f1.value) == (0, None, None)
    assert found.confusion.withheld == (y == 3).sum()
    known = [c.f1.value for c in found.classes[:3]]
    assert found.swarm.figure("macro_f1").value == pytest.approx(np.mean(known))
    assert f"{(y == 3).sum()} test samples are not in it" in text()


def test_published_figures_of_a_hospital_get_wilsons_interval():
    hospital = composed(reported_classes()).hospitals[0]
    expected = share(32, 40)
    accuracy = hospital.swarm.figure("accuracy")
    assert (accuracy.value, accuracy.low, accuracy.high) == (
        expected.value, expected.low, expected.high,
    )  # fmt: skip
    assert (hospital.local.value, hospital.left_out.value) == (0.7, 0.75)
    assert hospital.swarm.figure("macro_f1").low is None


@pytest.mark.parametrize("lie", [{"accuracy": 1.4}, {"local accuracy": -0.1}, {"macro_f1": 2.0}])
def test_impossible_numbers_are_said_to_be_so(lie):
    found = composed(reported_classes(sites=(site("A", **(CLASS_FIGURES | lie)),))).hospitals[0]
    assert "no patients can have" in found.swarm.reason
    assert found.local.value is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"counts": {}}, "The model was not evaluated: no counts of test patients are settled"),
        ({"counts": class_counts(), "sites": ()}, "no part is not known: no models without a"),
        ({"class_rows": (5, 5), "outcome": {"column": "c", "kind": "classes", "classes": "AB"}},
         "not evaluated: the settled counts are of other classes"),
        ({"sites": (site("C", samples=12.0),)}, "fewer than 20 test patients: it publishes none"),
        ({}, "Not evaluated in subgroups."),
        ({}, "softmax regression with a ridge penalty, all classes weighing the same"),
    ],
)  # fmt: skip
def test_a_missing_figure_has_its_reason(changes, said):
    assert said in text(**changes)


def test_a_feature_moves_odds_between_two_classes():
    read = text()
    assert "cd19 towards 'B cell', away from 'T cell' × 3.49 per 3 CPM +0.750 (B cell)" in read
    assert "sex=f towards 'B cell', away from 'NK cell' × 4.48 if it is so -0.500 (NK cell)" in read


def test_weights_of_classes_are_against_their_mean():
    schema = Schema.of(declare_label("y"))
    assert weigh_classes(np.array([1.0, 2.0]), schema).tolist() == [[1.0, 2.0]]
    schema = Schema.of(reported_classes().declared)
    assert schema.outcome == OF_CLASSES
    weight = np.arange(8.0).reshape(4, 2) ** 2
    assert np.allclose(weigh_classes(weight, schema).sum(axis=0), 0)
    assert weigh_classes(np.array([1.0]), schema).tolist() == [[-0.5], [0.5]]


def test_many_classes_have_a_list_of_mistakes():
    names = tuple(f"class {k}" for k in range(14))
    cells = np.diag([30] * 14)
    cells[2, 5] = 7
    counts = {"totals": [427, 420], "confusion": cells.tolist(), "loss": [0, 0, 0]}
    empty = class_counts()
    for name in ONE_AGAINST_ALL:
        counts[name] = np.zeros((14, *np.shape(empty[f"swarm/{name}"])[1:]), dtype=int).tolist()
    read = text(
        counts={f"swarm/{k}": v for k, v in counts.items()}, class_rows=(9,) * 14, features=(),
        outcome={"column": "type", "kind": "classes", "classes": names},
    )  # fmt: skip
    assert "class 2 class 5 7 37" in read
    assert "Confusion matrix: test samples by true" not in read


def test_strangers_text_is_escaped_and_cut():
    outcome = {"column": HOSTILE, "kind": "classes", "classes": (HOSTILE, *CELLS[1:])}
    feature = Feature(HOSTILE, 0.5, 0.0, 1.0, "number", HOSTILE, (0.5, -0.5, 0.0, 0.0))
    page = render(reported_classes(outcome=outcome, features=(feature,), counts=MANY))
    assert "<script" not in page
    assert "\u202e" not in page
    assert "n" * 1000 not in page


def test_the_hospitals_own_evaluation_is_shown():
    figure = {"value": 0.777, "low": 0.6, "high": 0.9, "support": 40}
    names = ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "loss")
    kept = {"rows": 40, "figures": dict.fromkeys(names, figure), "classes": [], "confusion": []}
    report = composed(
        reported_classes(record={"evaluation": {"swarm": kept, "local": {"rows": 1}}})
    )
    assert [(e.model, e.rows) for e in report.own] == [("swarm", 40)]
    assert say_figure(report.own[0].figure("macro_f1")) == "0.777 (0.600 to 0.900)"
    assert "40 samples. From exact scores" in Page(render(report)).text
