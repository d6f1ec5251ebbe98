"""Drift of inputs, order and calibration, on simulated patients of a model that is right."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from model_tools import DIAGNOSIS, ORIGIN
from typer.testing import CliRunner

from swarmhub.cli.app import app
from swarmhub.data.design import Design, Source
from swarmhub.errors import BadInput
from swarmhub.models.evaluate import evaluate_files
from swarmhub.models.exported import ExportedModel, Measure
from swarmhub.models.folder import write_model
from swarmhub.models.predict import Model

pytestmark = pytest.mark.unit
SLOPE = 1.9  # AUC .85; 1.05 is .75


def model_with(*measures):
    """A model whose score is SLOPE times crp, and does not use age."""
    sources = (Source("number", "age"), Source("number", "crp"))
    design = Design(sources, np.array([50.0, 0.0]), np.array([10.0, 1.0]), (50, 50))
    arrays = {"weight": np.array([0.0, SLOPE]), "bias": np.zeros(1)}
    return Model(ExportedModel("logistic", DIAGNOSIS, design, arrays, ORIGIN, measures))


def patients(seed, rows, slope=SLOPE, shift=0.0, intercept=0.0, missing=0.0):
    """A table of patients whose diagnosis follows crp."""
    rng = np.random.default_rng(seed)
    crp, age = rng.normal(size=rows), rng.normal(50 + 10 * shift, 10, rows)
    ill = rng.random(rows) < 1 / (1 + np.exp(-(slope * crp + intercept)))
    age[rng.random(rows) < missing] = np.nan
    return pd.DataFrame({"age": age, "crp": crp, "diagnosis": np.where(ill, "PD", "healthy")})


def drift_of(later, earlier, model=None):
    found = evaluate_files(model or model_with(), later, earlier=earlier).drift
    return {one.part: one for one in found}


def shares(runs, **later):
    """Shares of runs in which inputs, order and calibration are said to have moved."""
    found = np.zeros(3)
    for seed in range(runs):
        moved = drift_of(patients((seed, 1), 200, **later), patients((seed, 0), 600))
        found += [moved[part].has_moved for part in ("inputs", "order", "calibration")]
    return found / runs


def test_false_alarms_are_few():
    assert (shares(150) <= 0.09).all()  # 5% each; 2 standard errors of 150 runs are 3.6%


def test_a_fall_of_a_tenth_in_auc_is_found():
    inputs, order, _ = shares(100, slope=1.05)
    assert order >= 0.85
    assert inputs <= 0.12


def test_a_shift_of_the_intercept_and_of_an_input_are_found():
    inputs, order, calibration = shares(40, intercept=1.0, shift=0.6)
    assert calibration >= 0.9
    assert inputs >= 0.9
    assert order <= 0.15


def test_the_sentence_names_the_input_and_by_how_much():
    found = drift_of(patients(1, 300, shift=1.0), patients(2, 300))["inputs"]
    assert found.sentence.startswith("1 of ")
    assert "age (+1.1" in found.sentence
    lacking = drift_of(patients(1, 300, missing=0.4), patients(2, 300))["inputs"]
    (share,) = re.findall(r"age is missing \(\+(\d+\.\d+) SD\)", lacking.sentence)
    assert 0.5 < float(share) < 2  # it was never missing before


def test_without_earlier_patients_the_figures_of_the_study_are_the_reference():
    measure = Measure("auc", "0.8500", 900, "all hospitals", "0.825", "0.872")
    found = drift_of(patients(3, 200, slope=0.6), None, model_with(measure))
    assert found["order"].has_moved
    assert found["inputs"].p is None
    assert "earlier patients" in found["inputs"].sentence
    assert not found["calibration"].has_moved
    plain = Measure("auc", "0.8500", 900, "all hospitals")
    assert drift_of(patients(3, 200), None, model_with(plain))["order"].p is None
    assert evaluate_files(model_with(), patients(3, 200)).drift == ()


def test_too_few_rows_are_refused():
    with pytest.raises(BadInput, match="at least 20 earlier rows to look for drift, got 12"):
        drift_of(patients(1, 100), patients(2, 12))


def test_the_command_says_what_has_moved(tmp_path):
    write_model(tmp_path / "model", model_with().exported)
    later, earlier = tmp_path / "later.csv", tmp_path / "earlier.csv"
    patients(4, 200, slope=0.5).to_csv(later, index=False)
    patients(5, 600).to_csv(earlier, index=False)
    command = ["evaluate", str(tmp_path / "model"), "--data", str(later), "--earlier", str(earlier)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "Drift: The order is worse: AUC was 0.8" in " ".join(done.output.split())
    found = json.loads(CliRunner().invoke(app, [*command, "--json"]).output)
    assert [one["part"] for one in found["drift"]] == ["inputs", "order", "calibration"]
