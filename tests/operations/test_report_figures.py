"""The figures of a report: from settled counts, and from what hospitals published."""

import dataclasses
import math

import numpy as np
import pytest
from reports import DECLARED, FIGURES, composed, counts, reported, site

from swarmhub.contract.records import Inputs
from swarmhub.data.design import Source
from swarmhub.data.schema import Schema
from swarmhub.evaluation.counts import evaluate_counts
from swarmhub.operations.report.features import say_unit
from swarmhub.operations.report.kinds.binary.hospitals import (
    compute_error,
    measure_area,
    measure_hospital,
)
from swarmhub.operations.report.kinds.binary.measure import measure_curves, measure_pooled
from swarmhub.operations.report.kinds.binary.say import say_balance, say_slope
from swarmhub.operations.report.say import say_count, say_positive


def test_pooled_figures_are_those_of_the_counts():
    found = reported()
    plain = {k.removeprefix("swarm/"): v for k, v in counts().items()}
    expected = evaluate_counts(plain, 0.4)
    pooled = measure_pooled(found, "swarm")
    assert (pooled.positives, pooled.negatives, pooled.cells) == (100, 100, (87, 12, 88, 13))
    for name, figure in expected.figures.items():
        got = pooled.figure(name)
        assert (got.value, got.low, got.high, got.support) == (
            figure.value, figure.low, figure.high, figure.support,
        )  # fmt: skip
        assert bool(got.method) == (got.low is not None)


def test_the_error_of_a_published_area_is_hanleys():
    error = compute_error(0.8931, 51, 58)  # Hanley and McNeil 1982, table 2: .0320
    assert error == pytest.approx(0.032, abs=0.001)


@pytest.mark.parametrize("area", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize(("ones", "zeros"), [(1, 1), (2, 34), (60, 60)])
def test_an_areas_interval_is_within_bounds(area, ones, zeros):
    found = measure_area(area, ones, zeros, False)
    assert 0 <= found.low <= area <= found.high <= 1
    assert found.high - found.low > 0


@pytest.mark.parametrize(("ones", "zeros"), [(2, 34), (20, 31), (60, 60)])
def test_an_area_without_a_mistake_is_as_sure_as_its_smaller_class(ones, zeros):
    stats = pytest.importorskip("scipy.stats")
    found, few = measure_area(1.0, ones, zeros, False), min(ones, zeros)
    exact = stats.binomtest(few, few).proportion_ci(0.95, "exact")
    assert (found.low, found.high) == (pytest.approx(exact.low), 1.0)
    mirrored = measure_area(0.0, ones, zeros, False)
    assert (mirrored.low, mirrored.high) == (0.0, pytest.approx(1 - exact.low))


def test_one_class_has_no_area():
    found = measure_area(0.5, 30, 0, False)
    assert found.value is found.low is None
    assert found.reason


def test_the_mean_of_hospitals_is_weighted_by_patients():
    other = FIGURES | {"samples": 120.0, "positives": 60.0, "auc": 0.9}
    within = composed(reported(sites=(site("A", **FIGURES), site("B", **other), site("C")))).within
    assert within.value == pytest.approx((40 * 0.81 + 120 * 0.9) / 160)
    errors = compute_error(0.81, 18, 22), compute_error(0.9, 60, 60)
    half = 1.959964 * math.hypot(errors[0] / 4, errors[1] * 3 / 4)
    assert within.high - within.value == pytest.approx(half, rel=1e-5)
    assert within.support == 160


def test_published_shares_get_wilsons_interval():
    recall = measure_hospital(site("A", **FIGURES), True).swarm.figure("recall")
    assert recall.value == pytest.approx(13 / 18)
    assert (recall.low, recall.high) == pytest.approx((0.4913, 0.8750), abs=1e-4)
    assert recall.support == 18


@pytest.mark.parametrize(
    "lie",
    [{"positives": 90.0}, {"positives": -3.0}, {"auc": 1.5}, {"recall": -0.1}, {"local auc": 7.0}],
)
def test_impossible_numbers_are_said_to_be_so(lie):
    found = measure_hospital(site("A", **(FIGURES | lie)), True)
    assert "no patients can have" in found.swarm.reason
    assert found.swarm.figures == ()
    assert found.left_out.value is found.local.value is None


def test_curves_are_those_of_the_counts():
    curves = measure_curves(reported())
    assert curves.roc[0] == (0.0, 0.0)
    assert curves.roc[-1] == pytest.approx((1.0, 1.0))
    assert curves.found == pytest.approx(0.5)
    assert all(b.found.support >= 5 and 0 <= b.found.value <= 1 for b in curves.calibration)


@pytest.mark.parametrize(
    ("words", "phrase"),
    [
        (("AML",), "AML"),
        (("1", "AML"), "AML"),
        (("1", "true", "yes", "positive"), "diagnosis = 1"),
        (("AML", "APL"), "AML or APL"),
        (("a1", "b1", "c1", "d1"), "a1 or b1 or c1 or another of its words"),
        ((), "diagnosis = 1"),
    ],
)
def test_the_outcome_is_called_by_its_word(words, phrase):
    assert say_positive("diagnosis", words) == phrase


@pytest.mark.parametrize(
    ("share", "said"),
    [(0.874, "87"), (0.999, "more than 99"), (1.0, "100"), (0.001, "fewer than 1"), (0.0, "0")],
)
def test_a_share_is_never_rounded_to_all_or_none(share, said):
    assert say_count(share) == said


def test_calibration_is_judged_by_the_interval():
    report = composed(reported())
    slope = report.swarm.figure("slope")
    assert ("slope above 1" in say_slope(report)) == (slope.low > 1)
    high = counts()
    high["swarm/positive"] = np.roll(high["swarm/positive"], 30).tolist()
    high["swarm/negative"] = np.roll(high["swarm/negative"], 30).tolist()
    assert "probabilities are too high" in say_balance(composed(reported(counts=high)))


@pytest.mark.parametrize(
    ("source", "unit"),
    [
        (Source("number", "rna/TP53"), "log2p1 of TPM"),
        (Source("number", "clinical/age"), "years"),
        (Source("category", "clinical/sex", "f"), ""),
        (Source("missing", "rna/TP53"), ""),
    ],
)
def test_a_features_unit_is_its_blocks(source, unit):
    blocks = (Inputs("clinical", unit="years"), Inputs("rna", unit="TPM", transform="log2p1"))
    assert say_unit(source, Schema.of(dataclasses.replace(DECLARED, inputs=blocks))) == unit


@pytest.mark.parametrize(
    ("block", "unit"),
    [
        (Inputs("blood", unit="mg/l"), "mg/l"),
        (Inputs("blood", transform="log"), "log"),
        (Inputs("blood"), ""),
    ],
)
def test_a_single_block_gives_its_unit_to_all(block, unit):
    schema = Schema.of(dataclasses.replace(DECLARED, inputs=(block,)))
    assert say_unit(Source("number", "crp"), schema) == unit
