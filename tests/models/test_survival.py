"""Risks and survival of a model of times to an event: against formulas, and alone with its
folder."""

import csv
import decimal
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from model_tools import merged_of
from outcome_tools import (
    DEATHS,
    GLUCOSE,
    cox_for,
    curves_of,
    followed_of,
    inputs_of,
    model_for,
    standardised,
)

import swarmhub
from swarmhub.data.reading import Files
from swarmhub.data.schema import Schema
from swarmhub.errors import BadInput
from swarmhub.models.folder import read_model, write_model
from swarmhub.models.predict import predict_files
from swarmhub.models.survival import agree
from swarmhub.recipes.designing import make_design
from swarmhub.recipes.kinds.times import predict_survival

pytestmark = pytest.mark.unit
PROGRAM = Path(__file__).parent / "programs" / "print_scores.py"
OLD = {"NPY_DISABLE_CPU_FEATURES": "AVX512_SPR AVX512_ICL X86_V4 X86_V3"}


def declared(**changes):
    """The declaration with another outcome."""
    return replace(DEATHS, outcome=replace(DEATHS.outcome, **changes))


# oracles


def test_scores_are_the_formula_s():
    model, columns = cox_for(), inputs_of()
    arrays, found = model.exported.arrays, model.predict(columns)
    margin = standardised(columns) @ arrays["weight"]
    alive = np.exp(-np.exp(margin)[:, None] * arrays["hazard"])  # (n, T)
    place = arrays["times"].tolist().index(found.horizon)
    np.testing.assert_allclose(found.log_hazard, margin, rtol=0, atol=1e-14)
    np.testing.assert_allclose(found.survival(), alive, rtol=0, atol=1e-14)
    np.testing.assert_allclose(found.risk, 1 - alive[:, place], rtol=0, atol=1e-14)
    assert found.times.tolist() == arrays["times"].tolist()
    assert (found.unit, found.classes) == ("days", ("no", "yes"))


def test_a_risk_is_exact_to_its_last_digits():
    model, columns = cox_for(), inputs_of(200)
    found, hazard = model.predict(columns), model.exported.response.baseline.hazard
    place = found.times.tolist().index(found.horizon)
    decimal.getcontext().prec = 40
    for m, risk in zip(found.log_hazard.tolist(), found.risk.tolist(), strict=True):
        exact = 1 - (-decimal.Decimal(hazard[place]) * decimal.Decimal(m).exp()).exp()
        assert abs(decimal.Decimal(risk) - exact) < decimal.Decimal("1e-15")


def test_a_hospital_s_own_prediction_is_the_same_survival():
    model, columns = cox_for(), inputs_of()
    arrays = model.exported.arrays
    wanted = predict_survival(arrays["hazard"], standardised(columns) @ arrays["weight"])
    np.testing.assert_allclose(model.predict(columns).survival(), wanted, rtol=0, atol=1e-14)


def test_survival_by_hand_is_a_step_function():
    curves = {"times": [10.0, 20.0, 40.0], "hazard": [np.log(2), np.log(4), np.log(4)],
              "survival": [0.5, 0.25, 0.25], "censoring": [1.0, 1.0, 0.5],
              "cuts": []}  # fmt: skip
    arrays = {name: np.array(values) for name, values in curves.items()}
    found = cox_for(weight=np.zeros(4), **arrays).predict(inputs_of(1))
    assert found.survival([0, 9.9, 10, 19.9, 20, 39, 40])[0] == pytest.approx(
        [1, 1, 0.5, 0.5, 0.25, 0.25, 0.25], abs=1e-15
    )
    assert (found.horizon, found.risk[0]) == (10.0, pytest.approx(0.5))


def test_far_margins_are_bounded_as_in_training():
    model = cox_for(weight=np.array([1e100, 0.0, 0.0, 0.0]))
    found = model.predict({"f0": [60, 40], **{f"f{k}": [50, 50] for k in (1, 2, 3)}})
    assert found.log_hazard.tolist() == [20.0, -20.0]
    assert found.risk.tolist() == pytest.approx([1.0, 0.0], abs=1e-8)


# the horizon


@pytest.mark.parametrize(("declared_at", "place"), [("180", 17), ("187.5", 17), ("1000000000", 29)])
def test_a_declared_horizon_is_the_grid_time_before_it(declared_at, place):
    model = cox_for(declared(horizon=declared_at))
    found = model.predict(inputs_of(5))
    assert found.horizon == 10.0 * (place + 1)
    assert found.risk.tolist() == (1 - found.survival()[:, place]).tolist()


def test_without_a_declared_horizon_half_have_left():
    arrays = curves_of()
    left = 1 - arrays["survival"] * arrays["censoring"]
    wanted = arrays["times"][np.flatnonzero(left >= 0.5)[0]]
    assert cox_for().predict(inputs_of(1)).horizon == wanted


@pytest.mark.parametrize("horizon", ["5", "0", "-3", "one year", "nan", "1e999"])
def test_a_horizon_that_is_no_time_of_the_grid_is_refused(horizon):
    assert "horizon" in refused(cox_for(declared(horizon=horizon)).exported)


@pytest.mark.parametrize("times", [[-1.0], [301.0], [np.nan], 10.0, [[10.0]]])
def test_times_that_are_not_known_are_refused(times):
    with pytest.raises(BadInput, match="times from 0 to 300 days"):
        cox_for().predict(inputs_of(2)).survival(times)


# the same bits


def test_the_folder_alone_gives_the_same_bits(tmp_path):
    model, columns = cox_for(), inputs_of()
    write_model(tmp_path / "m", model.exported)
    found = swarmhub.load_model(tmp_path / "m")
    assert found.exported.response == model.exported.response
    assert found.exported.architecture == model.exported.architecture
    one, two = found.predict(columns), model.predict(columns)
    assert one.risk.tobytes() == two.risk.tobytes()
    assert one.survival([55, 120]).tobytes() == two.survival([55, 120]).tobytes()


def test_a_risk_does_not_depend_on_the_other_rows(monkeypatch):
    model, frame = cox_for(), pd.DataFrame(inputs_of(300))
    whole = model.predict(frame).risk
    assert [model.predict(frame.iloc[[k]]).risk[0] for k in range(20)] == whole[:20].tolist()
    monkeypatch.setattr("swarmhub.models.predict.VALUES_AT_ONCE", 70 * 4)
    assert model.predict(frame).risk.tobytes() == whole.tobytes()


@pytest.mark.process
def test_another_processor_gives_the_same_bits(tmp_path):
    write_model(tmp_path / "m", cox_for().exported)
    pd.DataFrame(inputs_of(3000)).to_csv(tmp_path / "new.csv", index=False)

    def scores(**variables):
        command = [sys.executable, str(PROGRAM), str(tmp_path / "m"), str(tmp_path / "new.csv")]
        environment = {**os.environ, **variables}
        return subprocess.run(command, env=environment, capture_output=True, text=True).stdout

    wanted = scores()
    assert len(set(wanted.splitlines())) > 5900  # hazards and risks
    for other in ({"OPENBLAS_CORETYPE": "Prescott"}, OLD):
        assert scores(**other) == wanted


# files and other kinds


@pytest.mark.parametrize(("unit", "name"), [("days", "risk by 180 days"), ("", "risk by 180")])
def test_a_file_of_risks_names_the_horizon(tmp_path, unit, name):
    pd.DataFrame(inputs_of()).to_csv(tmp_path / "new.csv", index=False)
    model = cox_for(declared(unit=unit, horizon="180"))
    scores = predict_files(model, Files((tmp_path / "new.csv",)), tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["row", name, "log hazard ratio"]
    assert [float(r[name]) for r in rows] == scores.risk.tolist()
    assert [float(r["log hazard ratio"]) for r in rows] == scores.log_hazard.tolist()


def test_no_rows_have_no_risks():
    found = cox_for().predict({name: values[:0] for name, values in inputs_of().items()})
    assert found.risk.shape == (0,)
    assert found.survival().shape == (0, 30)


def test_scores_of_another_kind_are_refused():
    for name in ("risk", "log_hazard", "horizon", "times"):
        with pytest.raises(BadInput, match="read 'values'"):
            getattr(model_for(GLUCOSE).predict(inputs_of(2)), name)
    with pytest.raises(BadInput, match="read 'risk'"):
        _ = cox_for().predict(inputs_of(2)).probability


# the design of a study, and its description


def test_merged_statistics_make_the_design_of_a_model(tmp_path):
    model, paths = cox_for(), [tmp_path / "a.csv", tmp_path / "b.csv"]
    tables = [pd.DataFrame(followed_of(model, 60, seed)) for seed in (1, 2)]
    for path, table in zip(paths, tables, strict=True):
        table.to_csv(path, index=False)
    design = make_design(merged_of(paths, DEATHS), DEATHS, Schema.of(DEATHS))
    replace(model.exported, design=design).check()
    dead = pd.concat(tables)["dead"]
    assert design.class_rows == ((dead == "no").sum(), (dead == "yes").sum())
    assert design.names == ("f0", "f1", "f2", "f3")


def test_the_description_says_the_horizon(tmp_path):
    from test_folder import change

    write_model(tmp_path / "m", cox_for(declared(horizon="187.5")).exported)
    assert '\n "horizon": "180 days",\n' in (tmp_path / "m" / "model.json").read_text()
    change(tmp_path / "m", lambda tree: tree.update(horizon="10 years"))
    with pytest.raises(BadInput, match=r"Expected the horizon '180 days' .*, got '10 years'"):
        read_model(tmp_path / "m")
    write_model(tmp_path / "v", model_for(GLUCOSE).exported)
    change(tmp_path / "v", lambda tree: tree.pop("horizon"))
    read_model(tmp_path / "v")


# arrays that contradict each other


def refused(exported):
    with pytest.raises(BadInput) as caught:
        exported.check()
    said = str(caught.value)
    assert "\n" not in said
    return said


def bent(name, place, value):
    """An array of the model with another value at one place."""
    array = curves_of()[name].copy()
    array[place] = value
    return {name: array}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hazard": np.ones(29)}, "hazard [30]"),
        ({"survival": np.ones((30, 1))}, "got censoring [30], cuts [4], hazard [30], survival [30"),
        ({"weight": np.zeros(3)}, "over 4 features"),
        ({"bias": np.zeros(1)}, "got bias [1]"),
        ({"times": np.array(1.0)}, "Expected the arrays of 'cox'"),
        (bent("times", 3, 30.0), "Expected in 'times' times above 0 in ascending order"),
        (bent("times", 0, 0.0), "in 'times' times above 0 in ascending order, got"),
        (bent("times", 29, 290.0000001), "grid times above 0 in ascending order"),
        (bent("hazard", 0, -0.1), "in 'hazard' a hazard of 0 or more that never falls"),
        (bent("hazard", 9, 0.0), "value at place 10 of 30; export the model again."),
        (bent("hazard", 9, np.nan), "no finite numbers"),
        (bent("survival", 4, 1.5), "in 'survival' a curve from 1 down to 0 that never rises"),
        (bent("survival", 29, 1.0), "in 'survival' a curve from 1 down to 0 that never rises"),
        (bent("censoring", 29, -0.1), "in 'censoring' a curve from 1 down to 0"),
        ({"censoring": np.zeros(30)}, "declare an earlier horizon"),
        ({"cuts": np.array([0.2, 0.2])}, "in 'cuts' risks from 0 to 1 in ascending order, got ano"),
        ({"cuts": np.array([0.2, 1.2])}, "value at place 2 of 2"),
        ({"cuts": np.linspace(0, 1, 60)}, "fewer than 50 cuts of risk, got 30 and 60"),
        (curves_of(size=201), "Expected 1 to 200 times"),
        (curves_of(size=0), "Expected 1 to 200 times"),
    ],
)  # fmt: skip
def test_arrays_that_contradict_each_other_are_refused(changes, said):
    assert said in refused(cox_for(**changes).exported)


def test_a_mean_s_rounding_is_no_contradiction():
    arrays = curves_of()
    arrays["hazard"][5] = np.nextafter(arrays["hazard"][4], 0)
    arrays["censoring"][:3] = [1.0, 1 + 2e-16, 1.0]
    model = cox_for(**arrays)
    model.exported.check()
    alive = model.predict(inputs_of(3)).survival()
    assert (np.diff(alive, axis=1) <= 0).all()
    assert agree(model.exported.arrays, "").censoring.max() == 1.0


@pytest.mark.parametrize("cuts", [[], [0.0], [0.0, 1.0], [0.1, 0.2, 0.3, 0.4]])
def test_cuts_that_a_study_can_settle_are_taken(tmp_path, cuts):
    write_model(tmp_path / "m", cox_for(cuts=np.array(cuts)).exported)
    assert read_model(tmp_path / "m").agreed.cuts.tolist() == cuts


def test_another_outcome_of_the_recipe_is_refused():
    cox, glucose = cox_for().exported, model_for(GLUCOSE).exported
    assert "got one of continuous" in refused(replace(glucose, recipe="cox"))
    assert "got one of time_to_event" in refused(replace(cox, recipe="logistic"))
    design = replace(cox.design, class_rows=(80,))
    assert "Expected 2 numbers of training rows" in refused(replace(cox, design=design))
