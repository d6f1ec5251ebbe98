"""Scores of an exported model: against oracles, and alone with its folder."""

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from long_runs import choose
from model_tools import (
    DIAGNOSIS,
    arrays_of,
    exported_of,
    model_of,
    park,
    text_of,
    wide_design,
    write,
)

import swarmhub
from swarmhub.contract.records import Declaration, Outcome
from swarmhub.data.dataset import Dataset
from swarmhub.data.reading import Files
from swarmhub.data.schema import POSITIVE, declare_label
from swarmhub.errors import BadInput
from swarmhub.models.folder import write_model
from swarmhub.models.predict import Model, load_model, look_at, predict_files

PROGRAM = Path(__file__).parent / "programs" / "print_scores.py"
OLD = {"NPY_DISABLE_CPU_FEATURES": "AVX512_SPR AVX512_ICL X86_V4 X86_V3"}


@pytest.fixture
def training(tmp_path):
    return park(tmp_path)[1]


def matrix_of(model, path):
    """The standardised inputs and the outcome of a file."""
    dataset = model.read(path, needs_outcome=True).dataset
    return model.design.matrix(dataset), dataset.y


def test_scores_are_those_of_scikit_learn(tmp_path):
    linear = pytest.importorskip("sklearn.linear_model")
    exported, path = park(tmp_path)
    x, y = matrix_of(Model(exported), path)
    fitted = linear.LogisticRegression(C=0.1, class_weight="balanced").fit(x, y)
    arrays = {"weight": fitted.coef_[0].copy(), "bias": fitted.intercept_.copy()}
    found = Model(replace(exported, arrays=arrays)).predict(path).probability
    np.testing.assert_allclose(found, fitted.predict_proba(x)[:, 1], rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_scores_of_a_network_are_those_of_plain_numpy(tmp_path, dtype):
    exported, path = park(tmp_path, "mlp")
    a = arrays_of("mlp", len(exported.design.names), seed=3, dtype=dtype)
    x, _ = matrix_of(Model(exported), path)
    w = {name: array.astype(np.float64) for name, array in a.items()}
    hidden = np.tanh(x @ w["hidden.weight"] / np.sqrt(x.shape[1]) + w["hidden.bias"])
    margin = x @ w["weight"] + w["bias"] + hidden @ w["mix"]
    found = Model(replace(exported, arrays=a)).predict(path).probability
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-margin)), rtol=0, atol=1e-14)


@pytest.mark.parametrize("recipe", ["logistic", "mlp"])
def test_the_folder_alone_gives_the_same_bits(tmp_path, recipe):
    exported, path = park(tmp_path, recipe)
    wanted = Model(exported).predict(path).probability
    write_model(tmp_path / "m", exported)
    found = swarmhub.load_model(tmp_path / "m").predict(path)
    assert found.probability.tobytes() == wanted.tobytes()
    assert found.notes == ()


def test_the_recipe_s_own_prediction_is_the_same_score(tmp_path):
    from swarmhub.recipes.mlp import Mlp

    exported, path = park(tmp_path, "mlp")
    x, _ = matrix_of(Model(exported), path)
    found = Model(exported).predict(path).probability
    wanted = Mlp(x.shape[1], None, 0).predict(dict(exported.arrays), x)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-14)


@pytest.mark.parametrize("recipe", ["logistic", "mlp"])
def test_a_score_does_not_depend_on_the_other_rows(tmp_path, recipe):
    exported, path = park(tmp_path, recipe)
    model, frame = Model(exported), pd.read_csv(path)
    whole = model.predict(frame).probability
    alone = [model.predict(frame.iloc[[k]]).probability[0] for k in range(len(frame))]
    assert alone == whole.tolist()
    mixed = np.random.default_rng(0).permutation(len(frame))
    assert model.predict(frame.iloc[mixed]).probability.tolist() == whole[mixed].tolist()


def test_parts_of_a_long_table_change_no_bit(monkeypatch):
    model = model_of(wide_design(30), recipe="mlp")
    rng = np.random.default_rng(1)
    data = dict(zip([f"f{k:04d}" for k in range(30)], rng.normal(50, 10, (30, 500)), strict=True))
    whole = model.predict(data).probability
    monkeypatch.setattr("swarmhub.models.predict.VALUES_AT_ONCE", 70 * 30)
    assert model.predict(data).probability.tobytes() == whole.tobytes()


def test_a_sparse_matrix_has_the_scores_of_a_dense_one():
    sparse = pytest.importorskip("scipy.sparse")
    model, rng = model_of(wide_design(40), recipe="mlp"), np.random.default_rng(2)
    x = np.where(rng.random((200, 40)) < 0.8, 0.0, rng.normal(50, 10, (200, 40)))
    names = tuple(s.column for s in model.design.sources)
    wanted = model.score(Dataset(x, names))
    assert model.score(Dataset(sparse.csr_matrix(x), names)).tolist() == wanted.tolist()
    assert look_at(model.design, Dataset(sparse.csr_matrix(x), names)) == ()


@pytest.fixture
def many(tmp_path):
    """A file of 3,000 patients: one value in 20 of np.exp differs between processors."""
    return write(tmp_path, text_of(3000), "many.csv")


@pytest.mark.process
@pytest.mark.parametrize("recipe", choose(["logistic", "mlp"], 1))
def test_another_processor_gives_the_same_bits(tmp_path, recipe, many):
    write_model(tmp_path / "m", park(tmp_path, recipe)[0])

    def scores(**variables):
        command = [sys.executable, str(PROGRAM), str(tmp_path / "m"), str(many)]
        environment = {**os.environ, **variables}
        return subprocess.run(command, env=environment, capture_output=True, text=True).stdout

    wanted = scores()
    assert len(set(wanted.splitlines())) > 500
    for other in ({"OPENBLAS_CORETYPE": "Prescott"}, {"OPENBLAS_CORETYPE": "Haswell"}, OLD):
        assert scores(**other) == wanted


# the file of scores


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_file_of_scores_has_rows_probabilities_and_classes(tmp_path, training):
    model = Model(park(tmp_path)[0])
    scores = predict_files(model, Files((training,)), tmp_path / "scores.csv")
    rows = rows_of(tmp_path / "scores.csv")
    assert [list(r) for r in rows[:1]] == [["row", "probability", "class"]]
    assert [r["row"] for r in rows] == [str(k) for k in range(1, 61)]
    assert [float(r["probability"]) for r in rows] == scores.probability.tolist()
    assert [r["class"] for r in rows] == [
        "PD" if p >= 0.5 else "healthy" for p in scores.probability
    ]
    assert {r["class"] for r in rows} == {"PD", "healthy"}


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome("y", positive=("PD",)), ("PD", "not PD")),
        (Outcome("y", positive=("PD",), negative=("healthy",)), ("PD", "healthy")),
        (Outcome("y", positive=("PD",), negative=("ill", "well")), ("PD", "not PD")),
        (Outcome("y", positive=("PD", "PDD")), ("PD or PDD", "not (PD or PDD)")),
        (declare_label("y").outcome, ("1", "0")),
    ],
)
def test_the_words_of_the_outcome_are_those_of_the_study(outcome, words):
    model = model_of(wide_design(3), Declaration(outcome))
    assert (model.word(True), model.word(False)) == words
    assert POSITIVE[0] == "1"


def test_the_study_s_threshold_makes_the_class(tmp_path):
    exported, path = park(tmp_path)
    strict = replace(exported, declaration=replace(DIAGNOSIS, threshold="0.9"))
    scores = Model(strict).predict(path)
    assert scores.is_positive.tolist() == (scores.probability >= 0.9).tolist()


def test_a_file_of_scores_is_not_written_by_halves(tmp_path, training, monkeypatch):
    model, out = Model(park(tmp_path)[0]), tmp_path / "scores.csv"
    out.write_text("old")

    def fail(path, data):
        path.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space"):
        predict_files(model, Files((training,)), out)
    assert out.read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["scores.csv", "training.csv"]


def test_scores_are_not_written_over_data_or_model(tmp_path, training):
    write_model(tmp_path / "m", park(tmp_path)[0])
    model, before = load_model(tmp_path / "m"), training.read_bytes()
    for out in (training, tmp_path / "m", tmp_path / "m" / "README.md", Path("/dev/null")):
        with pytest.raises(BadInput, match="Expected a file of its own"):
            predict_files(model, Files((training,)), out)
    with pytest.raises(BadInput, match="There is no folder"):
        predict_files(model, Files((training,)), tmp_path / "none" / "s.csv")
    assert training.read_bytes() == before
    load_model(tmp_path / "m")


def test_a_sick_patient_scores_above_a_healthy_one(tmp_path):
    """A model that knows one thing says it of new patients."""
    path = write(tmp_path, text_of(), "a.csv")
    exported = exported_of([path])
    weight = np.array([1.0 if n == "age" else 0.0 for n in exported.design.names])
    model = Model(replace(exported, arrays={"weight": weight, "bias": np.zeros(1)}))
    new = {"age": [90, 40], "crp": [1.5, 1.5], "sex": ["F", "F"], "stage": ["I", "I"]}
    old, young = model.predict(new).probability
    assert old > 0.5 > young
