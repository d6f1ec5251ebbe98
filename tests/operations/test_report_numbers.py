"""Reports on a measured outcome: errors are those of all test patients, in the outcome's unit and
beside a guess."""

import json
import re

import numpy as np
import pytest
from html_tags import Tags
from reports import HOSTILE, Page, composed, site
from reports_of_kinds import (
    AGE_FIGURES,
    DEVIATION,
    MEAN,
    age_counts,
    reported_age,
    simulate_age,
)

from swarmhub.operations.report.features import Feature
from swarmhub.operations.report.kinds.numbers.say import say_verdict
from swarmhub.operations.report.page import render
from swarmhub.operations.report.say import say_number
from swarmhub.operations.report.write import to_json

pytestmark = pytest.mark.unit

ABSENT = r"with the outcome|AUROC|ensitivity|false alarm|recall|precision|probability|class weigh"


def text(**changes):
    return Page(render(reported_age(**changes))).text


def test_errors_are_those_of_all_patients():
    y, p, at = simulate_age()
    swarm = composed(reported_age()).swarm
    expected = {
        "mae": np.abs(y - p).mean(), "rmse": np.sqrt(((y - p) ** 2).mean()),
        "bias": (y - p).mean(), "correlation": np.corrcoef(y, p)[0, 1],
        "r2": 1 - ((y - p) ** 2).sum() / ((y - y.mean()) ** 2).sum(),
        "slope": np.polyfit(p, y, 1)[0], "mae_mean": np.abs(y - MEAN).mean(),
        "mae_site": np.abs(y - MEAN - 3 * at).mean(),
    }  # fmt: skip
    got = {name: swarm.figure(name).value for name in expected}
    assert got == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_calibration_is_that_of_all_patients():
    y, p, _ = simulate_age()
    found = composed(reported_age()).calibration
    got = (found.predicted, found.predicted_deviation, found.found, found.found_deviation)
    assert got == pytest.approx((p.mean(), p.std(), y.mean(), y.std()), rel=1e-6)
    assert found.slope.value == pytest.approx(np.polyfit(p, y, 1)[0], rel=1e-5)


def test_a_clinician_reads_how_far_it_is_off():
    y, p, _ = simulate_age()
    off, guess = np.abs(y - p).mean(), np.abs(y - MEAN).mean()
    read = text()
    assert f"On average the model is off by {off:.2f} years (" in read
    assert f"for everybody is off by {guess:.2f} years." in read
    assert "The model is better than guessing the mean of all training patients" in read


@pytest.mark.parametrize(
    ("noise", "verdict"),
    [(2.0, "is better than"), (10.5, "is not shown to be better"), (40.0, "is worse than")],
)
def test_the_interval_decides_whether_the_model_beats_the_mean(noise, verdict):
    report = composed(reported_age(counts=age_counts(noise=noise)))
    assert verdict in say_verdict(report, "mean")


def test_nothing_is_said_that_a_number_does_not_have():
    read = text().partition("Checklists Answers")[0]
    assert re.findall(ABSENT, read) == []
    tree = to_json(reported_age())
    answers = tree["tripod_ai"] + tree["probast_ai"]
    assert [a["item"] for a in answers if re.search(ABSENT, a["answer"])] == []
    assert '"positives"' not in json.dumps(tree)


def test_the_page_is_sound_and_has_charts_and_captions():
    page = render(reported_age())
    read = Page(page)
    assert Tags(page).wrong == Tags(page).open == []
    assert read.sections[3] == "calibration"
    assert [f"#{name}" for name in read.sections] == read.hrefs
    assert all(read.tables)
    assert len(read.charts) == 6
    assert all(chart == {"title", "desc"} for chart in read.charts)


def test_published_errors_give_the_interval_of_their_mean():
    rng = np.random.default_rng(5)
    error = rng.normal(size=50) * 5
    size = np.abs(error)
    figures = AGE_FIGURES | {"mae": size.mean(), "rmse": np.sqrt((error**2).mean())}
    mae = composed(reported_age(sites=(site("A", **figures),))).hospitals[0].swarm.figure("mae")
    half = 1.959964 * size.std(ddof=1) / np.sqrt(50)
    assert (mae.low, mae.high) == pytest.approx((size.mean() - half, size.mean() + half), rel=1e-6)


@pytest.mark.parametrize("lie", [{"mae": -1.0}, {"mae": 6.0}, {"r2": 1.2}, {"local mae": -0.5}])
def test_impossible_numbers_are_said_to_be_so(lie):
    found = composed(reported_age(sites=(site("A", **(AGE_FIGURES | lie)),))).hospitals[0]
    assert "no patients can have" in found.swarm.reason
    assert found.local.value is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"counts": {}}, "The model was not evaluated: no counts of test patients are settled"),
        (
            {"counts": age_counts(), "sites": ()},
            "took no part is not known: no models without a hospital",
        ),
        ({"counts": age_counts() | {"swarm/errors": [1, 2]}}, "the settled sums have another form"),
        ({"counts": age_counts(rows=12)}, "no hospital has enough test patients to publish sums"),
        ({"sites": (site("C", samples=12.0),)}, "fewer than 20 test patients: it publishes none"),
        ({}, "Not evaluated in subgroups."),
        ({}, "ridge regression, 3 training rounds"),
        ({}, "30% of the patients at each hospital, set aside before training"),
    ],
)
def test_a_missing_figure_has_its_reason(changes, said):
    assert said in text(**changes)


def test_a_feature_changes_the_prediction_in_its_unit():
    read = text()
    assert "crp raises +2.50 years per 3 mg/l +2.50 years 12 3 mg/l" in read
    assert "sex=f lowers -1.00 years if it is so -0.500 years 0.5 0.5 share" in read


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0"), (0.01234, "0.0123"), (0.5, "0.500"), (4.613, "4.61"), (46.13, "46.1"),
     (-461.3, "-461"), (46130.0, "46130"), (1.5e9, "1.5e+09")],
)  # fmt: skip
def test_numbers_have_about_three_digits(value, said):
    assert say_number(value) == said


def test_strangers_text_is_escaped_and_cut():
    outcome = {"column": HOSTILE, "kind": "continuous", "unit": HOSTILE}
    feature = Feature(HOSTILE, 0.5, 0.0, 1.0, "number", HOSTILE)
    page = render(reported_age(outcome=outcome, features=(feature,)))
    assert "<script" not in page
    assert "\u202e" not in page
    assert "n" * 1000 not in page


def test_the_hospitals_own_evaluation_is_in_the_unit():
    report = composed(reported_age())
    figures = {
        f.name: {"value": 4.613, "low": 4.0, "high": 5.25, "support": 50}
        for f in report.swarm.figures
    }
    record = {"evaluation": {"swarm": {"rows": 50, "figures": figures}}}
    found = composed(reported_age(record=record))
    assert found.own[0].rows == 50
    assert "50 patients. Errors in years" in Page(render(found)).text
    assert "4.61 (4.00 to 5.25)" in Page(render(found)).text


def test_limits_name_the_range_of_training():
    low, high = MEAN - 2 * DEVIATION, MEAN + 2 * DEVIATION
    assert f"had values from {low:.1f} years to {high:.1f} years" in text()
