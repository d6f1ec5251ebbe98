"""The page of a report: each number once, nothing from outside, nothing believed."""

import base64
import hashlib
import re

import numpy as np
import pytest
from html_tags import Tags
from reports import FIGURES, HOSTILE, Page, composed, counts, reported, site

from swarmhub.evaluation.counts import make_counts
from swarmhub.operations.report.features import Feature
from swarmhub.operations.report.page import render
from swarmhub.operations.report.say import say_figure

SECTIONS = [
    "predicts", "good", "hospitals", "curves", "subgroups", "trained", "features", "dropped",
    "contributed", "origin", "here", "leakage", "card", "terms", "checklists",
]  # fmt: skip


def text(**changes):
    return Page(render(reported(**changes))).text


def test_the_page_is_sound_and_refers_to_nothing():
    page = render(reported())
    tags, read = Tags(page), Page(page)
    assert tags.wrong == tags.open == []
    assert not tags.seen & {"script", "link", "img", "iframe", "object", "form"}
    assert all(href.startswith("#") for href in read.hrefs)
    assert not re.search(r"https?:", page.replace("http://www.w3.org/2000/svg", ""))
    assert not {a for a in read.attributes if a.startswith("on") or a == "style"}


def test_only_the_pages_own_style_is_allowed():
    page = render(reported())
    (style,) = Page(page).styles
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in page
    assert "unsafe" not in page


def test_sections_are_in_order_and_headings_skip_none():
    read = Page(render(reported()))
    assert read.sections == SECTIONS
    assert read.levels[0] == 1
    assert all(b - a <= 1 for a, b in zip(read.levels, read.levels[1:], strict=False))
    assert [f"#{name}" for name in SECTIONS] == read.hrefs


def test_tables_have_captions_and_charts_title_and_text():
    read = Page(render(reported()))
    assert len(read.tables) > 8
    assert all(read.tables)
    assert len(read.charts) == 9
    assert all(chart == {"title", "desc"} for chart in read.charts)


def test_pooled_figures_are_on_the_page_once():
    found = composed(reported())
    read = Page(render(found)).text
    figures = [*found.swarm.figures, found.left_out.figure("auc"), found.within]
    assert [f.name for f in figures if read.count(say_figure(f)) != 1] == []
    assert "0.870 (0.790 to 0.922) 100" in read  # Wilson of 87 of 100, and the support


def test_sensitivity_and_false_alarms_are_said_in_patients():
    read = text()
    assert "Of 100 patients with AML the model finds 87 (79 to 92; 100 tested)." in read
    assert "the model raises a false alarm in 12 (7 to 20; 100 tested)." in read
    assert "from a probability of 0.4 on" in read


def test_hospitals_have_their_figures_with_intervals():
    row = text().partition("AUROC by model")[2].partition("Birkhall")[0]
    assert re.findall(r"(0\.\d{3}) \(", row) == ["0.810", "0.790", "0.740"]
    assert "1.070" in text()  # slope, which has no interval


def test_strangers_text_is_escaped_and_cut():
    found = reported(
        title=HOSTILE, hospital=HOSTILE, sites=(site(HOSTILE, **FIGURES),),
        features=(Feature(HOSTILE, 1.0, 0.0, 1.0, "number", HOSTILE),), subgroups=(HOSTILE,),
        unused={HOSTILE: [HOSTILE]}, terms=[(HOSTILE, HOSTILE), ("inputs", HOSTILE)],
        outcome={"column": HOSTILE, "positive": (HOSTILE,), "negative": (HOSTILE,)},
        record={"findings": [{"level": HOSTILE, "topic": HOSTILE, "sentence": HOSTILE}]},
    )  # fmt: skip
    page = render(found)
    assert "<script" not in page
    assert "\u202e" not in page
    assert Tags(page).wrong == []
    assert "n" * 4001 not in page


ONE = {f"swarm/{n}": a.tolist() for n, a in make_counts([1] * 40, np.linspace(0.1, 1, 40)).items()}
NOBODY = {name: np.zeros_like(array).tolist() for name, array in counts().items()}
FEW = {"samples": 12.0, "positives": 5.0}
ALL_ILL = {"samples": 30.0, "positives": 30.0, "loss": 0.4, "recall": 0.9}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"counts": {}}, "The model was not evaluated: no counts of test patients are settled"),
        ({"counts": NOBODY}, "not evaluated: no hospital has set test patients aside"),
        ({"counts": ONE}, "false alarm: there is no test patient without the outcome."),
        ({"counts": ONE}, "There are no curves: the test patients are all of one class."),
        (
            {"counts": counts(), "sites": ()},
            "took no part is not known: no models without a hospital were",
        ),
        ({"counts": counts(cells=(6, 1, 30, 1))}, "Fewer than 10 patients of a class"),
        ({"sites": (site("C"),)}, "no test patients are set aside there, or it has not measured"),
        ({"sites": (site("C", **FEW),)}, "fewer than 20 test patients: it publishes none"),
        ({"sites": (site("C", **ALL_ILL),)}, "its test patients are all of one class"),
        ({"sites": (site("C", curve=()),), "mean_curve": []}, "There is no learning curve"),
        ({"features": ()}, "no weights that stand for single features"),
        ({"recipe": "mlp"}, "weights of the model's linear part"),
        ({"unused": {}, "declared": None}, "Every published column is used"),
        ({"subgroups": ()}, "The terms declare no subgroups"),
        ({"penalty": {"chosen": 0.5}}, "The terms fix the penalty: C = 0.5."),
        ({"penalty": {}}, "choice of the penalty is not known here"),
        ({"record": {}}, "no record of a data check"),
        ({"record": {}}, "no evaluation of its own"),
        ({}, "the terms exclude them 1 survival"),
    ],
)
def test_a_missing_figure_has_its_reason(changes, said):
    assert said in text(**changes)


def test_what_cannot_be_computed_is_no_number():
    one_class = text(counts=ONE)
    area = one_class.partition("AUROC (0.5 is a coin's toss")[2].partition("sensitivity (")[0]
    assert not re.search(r"0\.5\d\d|0\.0\d\d|nan|None", area)
    assert "None" not in one_class
    assert "nan" not in text(counts={}, sites=(site("C"),), features=(), mean_curve=[])


def test_a_withheld_subgroup_shows_no_zero():
    cells = {"swarm/subgroups": [[0, 0, 0, 0]]}
    row = text(counts=counts() | cells).partition("sex=f")[2].partition("How it was")[0]
    assert row.strip().startswith("withheld")
    assert "0" not in row


def test_figures_of_few_patients_are_descriptive():
    few = FIGURES | {"samples": 24.0, "positives": 6.0}
    row = text(sites=(site("C", **few),)).partition("AUROC by model")[2]
    assert "descriptive" in row.partition("The joint model at")[0]
    assert "descriptive" not in text().partition("AUROC by model")[2].partition("The joint")[0]


def test_a_feature_has_direction_unit_and_odds():
    features = (
        Feature("crp", 0.5, 12.0, 3.0, "number", "mg/l"),
        Feature("sex=f", -0.2, 0.5, 0.5, "category"),
    )
    read = text(features=features)
    assert "crp raises × 1.65 per 3 mg/l +0.500 12 3 mg/l" in read
    assert "sex=f lowers × 0.67 if it is so -0.200 0.5 0.5 share" in read


def test_the_hospitals_own_part_is_marked_private():
    evaluation = {
        "positives": 9, "negatives": 20, "threshold": 0.4,
        "figures": {"auc": {"value": 0.777, "low": 0.6, "high": 0.9, "support": 29}},
    }  # fmt: skip
    kept = {"swarm": evaluation, "local": {"positives": "another form"}}
    here = text(record={"evaluation": kept}).partition("At this hospital: Aldmoor")[2]
    assert here.strip().startswith("Private.")
    assert "0.777 (0.600 to 0.900) descriptive" in here
