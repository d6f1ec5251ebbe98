"""The page of a report: each number with its conditions, nothing from outside, nothing believed."""

import dataclasses
import json

import numpy as np
import pytest
from html_tags import Tags

from swarmhub.evaluation.counts import make_counts
from swarmhub.operations.report.answers import TRIPOD, answer_probast, answer_tripod
from swarmhub.operations.report.gather import Feature, Reported, SiteReported
from swarmhub.operations.report.page import approximate, evaluate_model, render
from swarmhub.operations.report.write import to_json

HOSTILE = '<script>alert("x")</script>'


def counts(rows=120):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, rows)
    p = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(size=rows))))
    return {f"swarm/{n}": a.tolist() for n, a in make_counts(y, p).items()}


def site(name, **figures):
    curve, took_part = [0.7, None, 0.8], [True, False, True]
    return SiteReported(name, 80, "numpy 2", "d" * 64, figures, curve, took_part)


def reported(**changes):
    figures = {"samples": 40.0, "positives": 18.0, "auc": 0.81, "recall": 0.7, "specificity": 0.75}
    usual = Reported(
        study="aml", title="Relapse of AML", chain="chain-1", spec="5" * 64,
        terms=[("outcome", "'AML' in 'diagnosis'"), ("missing", "mean")],
        outcome={"column": "diagnosis", "positive": ("AML",)}, recipe="logistic", model="a" * 64,
        layout="b" * 64, rounds=3, class_rows=(90, 70),
        sites=(site("Aldmoor", **figures), site("Birkhall")), mean_curve=[0.7, 0.75, 0.8],
        metric="auc", threshold=0.5, features=(Feature("crp", 0.5, 12.0, 3.0),),
        unused={"the same value throughout": ["flat"]}, counts=counts(), hospital="Aldmoor",
    )  # fmt: skip
    return dataclasses.replace(usual, **changes)


def test_the_page_is_sound_and_refers_to_nothing():
    page = render(reported())
    tags = Tags(page)
    assert tags.wrong == tags.open == []
    assert not tags.seen & {"script", "link", "img", "iframe", "a", "object"}
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    assert "default-src 'none'" in page
    assert "unsafe" not in page


def test_the_pooled_figure_is_that_of_the_counts():
    found = reported()
    area = evaluate_model(found, "swarm").figures["auc"]
    assert f"{area.value:.3f} ({area.low:.3f} to {area.high:.3f})" in render(found)
    tree = json.loads(json.dumps(to_json(found)))
    (row,) = [r for r in tree["pooled"]["swarm"] if r["name"] == "auc"]
    assert row["value"] == area.value
    assert row["support"] == 120
    assert (tree["model"], tree["spec"]) == ("a" * 64, "5" * 64)


def test_names_from_strangers_are_text():
    found = reported(
        title=HOSTILE, sites=(site(HOSTILE),), features=(Feature(HOSTILE, 1.0, 0.0, 1.0),),
        unused={"they do not vary": [HOSTILE]}, terms=[(HOSTILE, HOSTILE)],
        record={"findings": [{"level": "warning", "sentence": HOSTILE}]},
    )  # fmt: skip
    page = render(found)
    assert "<script" not in page
    assert Tags(page).wrong == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"counts": {}}, "The model was not evaluated"),
        ({"features": ()}, "no weights that stand for single features"),
        ({"unused": {}}, "Every published column is used"),
        ({}, "fewer than 20 test patients, or one class"),
        ({}, "no record of a data check"),
    ],
)
def test_what_is_not_known_is_said(changes, said):
    assert said in render(reported(**changes))


def test_one_class_has_no_area():
    one = make_counts([1] * 40, np.linspace(0.1, 0.9, 40))
    page = render(reported(counts={f"swarm/{n}": a.tolist() for n, a in one.items()}))
    area = next(line for line in page.splitlines() if "<td>AUROC" in line)
    assert "cannot be computed" in area


def test_all_items_are_there_and_some_are_open():
    answers = answer_tripod(reported())
    assert [a.item for a in answers] == [str(k) for k in range(1, 28)] == [i for i, _ in TRIPOD]
    assert any(not a.answer for a in answers)
    assert len(answer_probast(reported())) == 4


def test_the_interval_of_a_published_area_is_hanleys():
    figure = approximate(0.8931, 51, 58)  # Hanley and McNeil 1982, table 2: standard error .0320
    assert (figure.high - figure.value) / 1.96 == pytest.approx(0.032, abs=0.001)
