"""Reports on the time to an event: figures are those of the settled counts, and nothing is said of
figures that a time does not have."""

import json
import re

import numpy as np
import pytest
from html_tags import Tags
from reports import HOSTILE, Page, composed, site
from reports_of_kinds import (
    GRID,
    TIME_FIGURES,
    reported_times,
    simulate_times,
    time_counts,
)

from swarmhub.operations.report.features import Feature
from swarmhub.operations.report.kinds.times.say import say_groups, say_risk
from swarmhub.operations.report.page import render
from swarmhub.operations.report.write import to_json

pytestmark = pytest.mark.unit

ABSENT = r"with the outcome|AUROC|ensitivity|false alarm|recall|precision|class weigh|both classes"
NO_EVENT = {**time_counts(), "swarm/totals": [0, 0]}


def text(**changes):
    return Page(render(reported_times(**changes))).text


def pairs_within(at_hospitals=3):
    """Share of comparable pairs within hospitals in the right order, one after the other."""
    observed, score, _, at = simulate_times()
    right = every = 0.0
    for i in np.flatnonzero(observed.event):
        later = (observed.place > observed.place[i]) | (
            (observed.place == observed.place[i]) & ~observed.event
        )
        others = later & (at == at[i])
        every += others.sum()
        right += (score[i] > score[others]).sum() + 0.5 * (score[i] == score[others]).sum()
    return right / every, every


def test_the_c_index_is_that_of_pairs_within_hospitals():
    value, pairs = pairs_within()
    found = composed(reported_times()).swarm.figure("c_index_within")
    assert found.value == pytest.approx(value)
    assert found.support == pairs
    assert f"the higher risk to the right one in {value * 100:.0f} of 100 such pairs" in text()


def test_groups_have_their_patients_and_predicted_risk():
    observed, _, alive, _ = simulate_times()
    risk = 1 - alive[:, 11]
    group = np.digitize(risk, [0.4, 0.7])
    found = composed(reported_times()).groups
    assert [g.rows for g in found] == [(group == k).sum() for k in range(3)]
    assert [g.events for g in found] == [observed.event[group == k].sum() for k in range(3)]
    means = [risk[group == k].mean() for k in range(3)]
    assert [g.predicted for g in found] == pytest.approx(means, rel=1e-6)
    assert found[0].curve[0] == (0.0, 1.0)
    assert found[0].found.value == pytest.approx(1 - dict(found[0].curve)[GRID.ends[11]])


def test_a_clinician_reads_risks_of_the_groups():
    report = composed(reported_times())
    low, high = (round(100 * report.groups[k].found.value) for k in (0, 2))
    assert f"lowest predicted risk {low} had death up to 12 months" in say_groups(report)
    assert f"of 100 in the group of highest risk {high}." in say_groups(report)
    mean = (1 - simulate_times()[2][:, 11]).mean()
    assert f"it predicts death for {mean:.0%} on average" in say_risk(report)


def test_nothing_is_said_that_a_time_does_not_have():
    read = text().partition("Checklists Answers")[0]
    assert re.findall(ABSENT, read) == []
    tree = to_json(reported_times())
    answers = tree["tripod_ai"] + tree["probast_ai"]
    assert [a["item"] for a in answers if re.search(ABSENT, a["answer"])] == []
    assert '"positives"' not in json.dumps(tree, allow_nan=False)


def test_the_page_is_sound_and_has_charts_and_captions():
    page = render(reported_times())
    read = Page(page)
    assert Tags(page).wrong == Tags(page).open == []
    assert read.sections[3] == "groups"
    assert [f"#{name}" for name in read.sections] == read.hrefs
    assert all(read.tables)
    assert len(read.charts) == 6
    assert "share with the outcome" not in page


def test_a_hospitals_interval_is_the_one_that_it_published():
    hospital = composed(reported_times()).hospitals[0]
    index = hospital.swarm.figure("c_index_within")
    assert (index.value, index.low, index.high, index.support) == (0.75, 0.66, 0.82, 80)
    assert (hospital.events, hospital.local.value, hospital.left_out.value) == (50, 0.7, 0.72)


@pytest.mark.parametrize("lie", [{"c_index": 1.4}, {"events": 90.0}, {"brier": -0.1}])
def test_impossible_numbers_are_said_to_be_so(lie):
    found = composed(reported_times(sites=(site("A", **(TIME_FIGURES | lie)),))).hospitals[0]
    assert "no patients can have" in found.swarm.reason
    assert found.local.value is None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"counts": {}}, "The model was not evaluated: no counts of test patients are settled"),
        ({"agreed": None}, "not evaluated: this node does not hold the model, whose times"),
        ({"counts": time_counts() | {"swarm/risk": [1]}}, "the settled counts have another form"),
        (
            {"counts": time_counts(), "sites": ()},
            "took no part is not known: no models without a hospital",
        ),
        ({"counts": time_counts(rows=30)}, "How well the model orders patients is not known"),
        ({"counts": NO_EVENT}, "not evaluated: no hospital has set test patients aside"),
        ({"sites": (site("C", samples=12.0, events=3.0),)}, "fewer than 20 test patients"),
        ({"counts": time_counts()}, "of the tested patients are right in 72 of 100 such pairs, by"),
        ({}, "Cox regression with a ridge penalty, 3 training rounds"),
        ({}, "The penalty was fixed before training: C = 0.5."),
        ({}, "crp raises × 1.65 per 3 mg/l +0.500 12 3 mg/l"),
    ],
)
def test_a_missing_figure_has_its_reason(changes, said):
    assert said in text(**changes)


def test_strangers_text_is_escaped_and_cut():
    outcome = {"column": HOSTILE, "kind": "time_to_event", "positive": (HOSTILE,), "time": HOSTILE,
               "unit": HOSTILE}  # fmt: skip
    feature = Feature(HOSTILE, 0.5, 0.0, 1.0, "number", HOSTILE)
    page = render(reported_times(outcome=outcome, features=(feature,)))
    assert "<script" not in page
    assert "\u202e" not in page
    assert "n" * 1000 not in page
