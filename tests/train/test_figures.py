"""Numbers that a trainer reports: integers are made of them, or one sentence says why not."""

import math

import numpy as np
import pytest

from swarmhub.errors import TrainerError
from swarmhub.train import SwarmRound
from swarmhub.train.figures import to_count, to_metrics, to_micro


@pytest.mark.parametrize("value", [150, 150.0, np.int64(150), np.float32(150), np.array(150)])
def test_a_whole_number_of_any_type_is_a_count(value):
    assert to_count(value, "report") == 150


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, 2.5, "150", None, [1, 2], np.arange(3), 1e300, 10**30, object()]
)
def test_what_is_no_count_is_refused_in_a_sentence(value):
    with pytest.raises(TrainerError, match="whole number of samples"):
        SwarmRound(1, 1, "").report(samples=value)


def test_zero_samples_are_left_to_the_nodes_rule():
    assert to_count(0, "report") == 0


@pytest.mark.parametrize(
    "value", [math.inf, -math.inf, 1e300, "0.9", 1j, [1, 2], object(), 10**400]
)
def test_a_metric_that_cannot_be_recorded_is_named(value):
    with pytest.raises(TrainerError, match="'loss'"):
        SwarmRound(1, 1, "").report(samples=1, loss=value)


@pytest.mark.parametrize("given", [0.8, [("auc", 1)], "auc", {1: 0.5}, {None: 1.0}])
def test_metrics_that_have_no_names_are_refused(given):
    with pytest.raises(TrainerError, match="Expected"):
        to_metrics(given, "evaluate()")


def test_no_number_is_no_measurement_and_is_said():
    said = []
    assert to_metrics({"auc": math.nan, "f1": None, "loss": 0.5}, "x", said.append) == {"loss": 0.5}
    assert ["'auc'" in said[0], "'f1'" in said[1]] == [True, True]


def test_the_samples_of_an_evaluation_are_a_count():
    assert to_metrics({"samples": np.float64(12), "auc": 1}, "evaluate()")["samples"] == 12
    with pytest.raises(TrainerError, match="whole number"):
        to_metrics({"samples": math.nan}, "evaluate()")


def test_metrics_become_millionths():
    assert to_micro({"auc": 0.8714286, "loss": -2.0}) == {"auc": 871429, "loss": -2000000}
