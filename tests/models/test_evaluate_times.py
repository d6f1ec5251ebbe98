"""Models of times to an event on patients elsewhere."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from outcome_tools import DEATHS, cox_for, followed_of
from typer.testing import CliRunner

from swarmhub.cli.app import app
from swarmhub.errors import BadInput
from swarmhub.evaluation import survival
from swarmhub.evaluation.survival import Agreed
from swarmhub.models.evaluate import evaluate_files, write_counts
from swarmhub.models.folder import write_model
from swarmhub.models.predict import Model
from swarmhub.recipes.kinds.times import COUNTED
from swarmhub.recipes.survival.times import TimeGrid

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def model():
    return cox_for()


@pytest.fixture(scope="module")
def frame(model):
    return pd.DataFrame(followed_of(model))


def rounded(model, frame):
    """Places of times on the grid, and events that it knows of."""
    times = model.exported.arrays["times"]
    place = np.searchsorted(times, frame["days"])
    event = (frame["dead"] == "yes").to_numpy() & (place < len(times))
    return np.minimum(place, len(times) - 1), event


def test_the_c_index_is_that_of_all_pairs(model, frame):
    place, event = rounded(model, frame)
    score, good, pairs = model.predict(frame).log_hazard, 0.0, 0
    for i in range(len(place)):
        for j in range(len(place)):
            is_later = place[j] > place[i] or (place[j] == place[i] and not event[j])
            if event[i] and is_later:
                pairs += 1
                good += 1.0 if score[i] > score[j] else 0.5 if score[i] == score[j] else 0.0
    found = evaluate_files(model, frame).evaluation.figures["c_index"]
    assert (found.value, found.support) == (pytest.approx(good / pairs, abs=1e-12), pairs)
    assert found.low < found.value < found.high


def test_the_brier_score_is_graf_s(model, frame):
    place, event = rounded(model, frame)
    scores, arrays = model.predict(frame), model.exported.arrays
    alive, share = scores.survival(), arrays["censoring"]
    before, errors = np.concatenate([[1.0], share[:-1]]), []
    last = scores.times.tolist().index(scores.horizon)
    for t in range(last + 1):
        weight = np.where(place > t, 1 / share[t], np.where(event, 1 / before[place], 0.0))
        errors.append(weight * ((place > t) - alive[:, t]) ** 2)
    figures = evaluate_files(model, frame).evaluation.figures
    assert figures["brier"].value == pytest.approx(np.mean(errors[-1]), abs=1e-8)
    span = scores.times[last] - scores.times[0]
    whole = np.trapezoid(np.mean(errors, axis=1), scores.times[: last + 1]) / span
    assert figures["integrated_brier"].value == pytest.approx(whole, abs=1e-8)


def test_observed_over_expected_is_kaplan_meier_s(model, frame):
    place, event = rounded(model, frame)
    scores = model.predict(frame)
    alive = 1.0
    for t in range(scores.times.tolist().index(scores.horizon) + 1):
        at_risk = (place >= t).sum()
        alive *= 1 - (event & (place == t)).sum() / at_risk
    found = evaluate_files(model, frame).evaluation.figures["observed_expected"].value
    assert found == pytest.approx((1 - alive) / scores.risk.mean(), abs=1e-8)


def test_patients_are_parted_by_the_model_s_cuts(model, frame):
    tree = evaluate_files(model, frame).to_json()
    risk, cuts = model.predict(frame).risk, model.exported.arrays["cuts"]
    group = np.searchsorted(cuts, risk, side="right")
    assert [g["rows"] for g in tree["groups"]] == np.bincount(group, minlength=5).tolist()
    for k, found in enumerate(tree["groups"]):
        if found["rows"]:
            assert found["predicted"] == pytest.approx(risk[group == k].mean(), abs=1e-8)
    assert (tree["rows"], tree["unit"]) == (80, "days")
    assert tree["horizon"] == model.predict(frame).horizon


def test_shared_counts_give_the_figures(tmp_path, model, frame):
    found = evaluate_files(model, frame)
    write_counts(found, tmp_path / "counts.json")
    text = (tmp_path / "counts.json").read_text()
    tree = json.loads(text)
    assert set(tree["counts"]) == set(COUNTED)
    grid = TimeGrid.of(tree["times"])
    curves = (np.array(tree[name]) for name in ("cuts", "censoring", "survival"))
    agreed = Agreed(grid, grid.find_horizon(tree["horizon"]), *curves)
    shared = survival.evaluate_counts(agreed, tree["counts"])
    assert shared.figures["c_index_within"] == found.evaluation.figures["c_index"]
    for name in ("brier", "skill", "observed_expected"):
        assert shared.figures[name] == found.evaluation.figures[name]
    assert found.data_digest not in text


@pytest.mark.parametrize(("rows", "patients"), [(12, 12), (40, 19)])
def test_counts_of_few_patients_are_totals_only(model, rows, patients):
    named = Model(replace(model.exported, declaration=replace(DEATHS, patient="who")))
    columns = followed_of(model, rows) | {"who": [f"p{k % patients}" for k in range(rows)]}
    found = evaluate_files(named, columns)
    assert found.evaluation.figures["brier"].value is not None
    assert found.counts["totals"][0] == rows
    assert not any(v.any() for name, v in found.counts.items() if name != "totals")
    more = followed_of(model, 40) | {"who": [f"p{k}" for k in range(40)]}
    assert evaluate_files(named, more).counts["events"].any()


def test_the_times_are_in_the_digest_of_the_data(model, frame):
    other = frame.assign(days=frame["days"] + 1)
    one, two = evaluate_files(model, frame), evaluate_files(model, other)
    assert one.data_digest != two.data_digest
    assert evaluate_files(model, frame).data_digest == one.data_digest


@pytest.mark.parametrize(
    ("value", "said"),
    [("7 weeks", "expected a number"), (-3.0, "a time of 0 or more"), (None, "0 or more")],
)
def test_a_time_that_is_none_is_refused_with_its_place(tmp_path, model, frame, value, said):
    spoilt = frame.astype({"days": object})
    spoilt.loc[3, "days"] = value
    spoilt.to_csv(tmp_path / "new.csv", index=False)
    for data, place in ((tmp_path / "new.csv", "new.csv, line 5"), (spoilt, "the table, row 4")):
        with pytest.raises(BadInput, match=f"{place}, column 'days': .*{said}") as caught:
            evaluate_files(model, data)
        assert "weeks" not in str(caught.value)


def test_more_rows_than_can_be_compared_are_refused(model, frame, monkeypatch):
    monkeypatch.setattr(survival, "MAX_PATIENTS", 50)
    with pytest.raises(BadInput, match="Expected up to 50 rows with an outcome, got 80"):
        evaluate_files(model, frame)


def test_rows_without_an_outcome_are_left_out(model, frame):
    frame = frame.copy()
    frame.loc[:4, "dead"] = None
    assert evaluate_files(model, frame).evaluation.patients == 75
    with pytest.raises(BadInput, match="no column 'days' for the time"):
        evaluate_files(model, frame.drop(columns="days"))


# commands


@pytest.fixture
def run(tmp_path, model, frame):
    def call(command, *arguments):
        write_model(tmp_path / "m", model.exported, overwrite=True)
        frame.to_csv(tmp_path / "new.csv", index=False)
        given = [command, tmp_path / "m", "--data", tmp_path / "new.csv", *arguments]
        done = CliRunner().invoke(app, [*map(str, given)])
        assert done.exit_code == 0, done.output
        return done.stdout

    return call


def test_the_command_shows_figures_and_groups(run, tmp_path, model, frame):
    horizon = f"{model.predict(frame).horizon:g} days"
    said = run("evaluate", "--counts", tmp_path / "counts.json")
    events = rounded(model, frame)[1].sum()
    for wanted in (
        "rows or pairs", "c_index", f"Risk by {horizon}, from low to high",
        f"80 rows, {events} with the event while they were followed",
        f"(after its end, 300 days, nobody is followed); risks are those by {horizon}",
        "look at them first",
    ):  # fmt: skip
        assert wanted in " ".join(said.split())


def test_the_command_prints_json(run, model, frame):
    tree = json.loads(run("evaluate", "--json"))
    assert (tree["kind"], tree["rows"], len(tree["groups"])) == ("time_to_event", 80, 5)
    assert tree["figures"]["c_index"]["value"] > 0.5


def test_the_command_writes_risks(run, tmp_path, model, frame):
    assert "Wrote the risks of 80 rows" in run("predict", "--out", tmp_path / "scores.csv")
    wanted = model.predict(frame)
    found = pd.read_csv(tmp_path / "scores.csv")
    risks = found[f"risk by {wanted.horizon:g} days"]
    assert risks.tolist() == pytest.approx(wanted.risk.tolist(), abs=1e-12)
