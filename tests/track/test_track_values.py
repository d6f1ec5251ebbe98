"""Names and steps of a round's values."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from swarmhub.contract.records import Evaluation, Model, Score
from swarmhub.operations.rounds import SettledRound, SiteOfRound
from swarmhub.track.values import label_of, steps_of

MLFLOW_NAME = re.compile(r"[/\w.\- ]*")  # mlflow.utils.validation: letters of a metric's name


@given(st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=8, unique=True))
def test_labels_differ_and_mlflow_takes_them(names):
    labels = [label_of(member, name) for member, name in enumerate(names, 1)]
    assert len({*labels, "mean"}) == len(names) + 1
    for label in labels:
        assert label
        assert MLFLOW_NAME.fullmatch(label)
        assert label.strip(" .") == label
        assert "/" not in label


def test_a_name_that_imitates_anothers_label_has_its_own():
    assert label_of(2, "St. Mary's") == "St. Mary_s-2"
    assert label_of(9, "St. Mary_s-2") == "St. Mary_s-2-9"
    assert label_of(3, "mean") == "mean-3"
    assert label_of(4, "Hôpital A") == "Hôpital A"


def settled(kind="train", mean=None, own=None, merged=None):
    model = Model(
        "s", 5, kind, "d", 8, "l", "b", "terms", "mean", 1, 0, 0, shares=(), receipts=()
    )  # fmt: skip
    return SettledRound(model, 1234, (SiteOfRound(1, 10, own, merged),), mean)


def measured(auc):
    return Evaluation("d", 10, {"auc": auc})


def test_a_round_is_two_steps_the_second_when_it_is_scored():
    found = settled(own=measured(250_000))
    (own,) = steps_of("s", (found,), {1: "A"})
    assert (own.part, own.number, own.time_ms, own.terms) == ("own", 5, 1234, "terms")
    assert own.values == {"own/A/auc": 0.25, "own/round": 5}
    scored = settled(
        own=measured(250_000), merged=measured(500_000), mean=Score("d", 10, 10, {"auc": 750_000})
    )
    _, merged = steps_of("s", (scored,), {1: "A"})
    assert merged.values == {"merged/A/auc": 0.5, "merged/mean/auc": 0.75, "merged/round": 5}


def test_rounds_without_a_model_or_a_metric_have_no_step():
    assert list(steps_of("s", (settled(), settled("sum", own=measured(1))), {})) == []
