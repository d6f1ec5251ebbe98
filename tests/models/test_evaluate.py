"""A model on patients elsewhere, with a known outcome."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from model_tools import park, text_of, with_declaration, write
from typer.testing import CliRunner

from swarmhub.cli.app import app
from swarmhub.errors import BadInput
from swarmhub.models.evaluate import evaluate_files, write_counts
from swarmhub.models.folder import write_model
from swarmhub.models.predict import Model

CASE = {"PD": 1, "healthy": 0}


@pytest.fixture
def model(tmp_path):
    return Model(park(tmp_path)[0])


@pytest.fixture
def new(tmp_path):
    """Patients of another hospital."""
    return write(tmp_path, text_of(80, 5), "new.csv")


def test_figures_are_those_of_the_scores(model, new):
    metrics = pytest.importorskip("sklearn.metrics")
    found = evaluate_files(model, [new])
    y = [CASE[word] for word in pd.read_csv(new)["diagnosis"]]
    probability = model.predict(new).probability
    assert (found.evaluation.positives, found.evaluation.negatives) == (40, 40)
    auc = found.evaluation.figures["auc"]
    assert auc.value == pytest.approx(metrics.roc_auc_score(y, probability))
    assert auc.support == 80
    assert found.evaluation.threshold == 0.5


def test_figures_carry_their_conditions(model, new):
    found = evaluate_files(model, [new])
    assert found.model_digest == model.exported.origin.digest
    assert found.architecture == model.exported.architecture
    assert len(found.data_digest) == 64
    assert "rows without an outcome are left out" in found.protocol
    tree = found.to_json()
    assert json.loads(json.dumps(tree))["figures"]["auc"]["support"] == 80


def test_counts_that_are_shared_have_no_data_digest(model, new, tmp_path):
    found = evaluate_files(model, [new])
    write_counts(found, tmp_path / "counts.json", [new])
    text = (tmp_path / "counts.json").read_text()
    assert found.data_digest not in text
    tree = json.loads(text)
    assert tree["model"] == found.model_digest
    assert set(tree["counts"]) == set(found.counts)


def test_counts_are_not_written_over_the_data(model, new):
    before = new.read_bytes()
    with pytest.raises(BadInput, match="Expected a file of its own"):
        write_counts(evaluate_files(model, [new]), new, [new])
    assert new.read_bytes() == before


def test_the_data_digest_is_of_values_not_of_the_file(model, new, tmp_path):
    wanted = evaluate_files(model, [new]).data_digest
    frame = pd.read_csv(new)
    assert evaluate_files(model, frame[frame.columns[::-1]]).data_digest == wanted
    semicolons = write(tmp_path, text_of(80, 5).replace(",", ";"), "other.csv")
    assert evaluate_files(model, [semicolons]).data_digest == wanted
    for column, value in (("age", 41.5), ("sex", None), ("diagnosis", "healthy")):
        changed = frame.copy().astype({"age": float})
        changed.loc[0, column] = value
        assert evaluate_files(model, changed).data_digest != wanted


def test_rows_without_an_outcome_are_left_out_and_said(model, tmp_path):
    lines = text_of(80, 5).splitlines()
    lines[1] = lines[1].rpartition(",")[0] + ","
    found = evaluate_files(model, write(tmp_path, "\n".join(lines) + "\n", "new.csv"))
    assert found.evaluation.positives + found.evaluation.negatives == 79
    assert [": 1 of 80 rows have no label and are left out" in n for n in found.notes] == [True]


def test_data_without_the_outcome_are_refused(model, tmp_path):
    path = write(tmp_path, "age,sex,crp,stage\n50,F,1.5,II\n", "new.csv")
    with pytest.raises(BadInput, match="no column 'diagnosis' for the label"):
        evaluate_files(model, path)


def test_another_word_than_the_study_s_is_refused(model, tmp_path):
    path = write(tmp_path, text_of(80, 5).replace("PD", "Parkinson"), "new.csv")
    with pytest.raises(BadInput, match="expected one of the study's words for the label"):
        evaluate_files(model, path)


def test_visits_of_a_patient_are_counted_as_one_patient(model, new, monkeypatch):
    seen = []
    monkeypatch.setattr(
        "swarmhub.models.evaluate.make_counts",
        lambda y, p, threshold, patients=None, min_count=5: (
            seen.append((patients, min_count)) or {}
        ),
    )
    frame = pd.read_csv(new).assign(who=[f"p{k // 2}" for k in range(80)])
    evaluate_files(with_declaration(model, patient="who", min_count=7), frame)
    evaluate_files(model, frame)
    assert np.unique(seen[0][0], return_counts=True)[1].tolist() == [2] * 40
    assert (seen[0][1], seen[1][0]) == (7, None)


def run(*arguments):
    done = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_command_shows_figures_and_writes_only_if_asked(model, new, tmp_path):
    write_model(tmp_path / "m", model.exported)
    before = sorted(p.name for p in tmp_path.iterdir())
    said = run(tmp_path / "m", "--data", new)
    assert "auc" in said
    assert "40 rows with the outcome, 40 without; threshold 0.5." in said
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    tree = json.loads(run(tmp_path / "m", "--data", new, "--json", "--counts", tmp_path / "c"))
    assert tree["data"] == evaluate_files(model, new).data_digest
    assert json.loads((tmp_path / "c").read_text())["format"] == 1


def test_the_study_s_threshold_is_that_of_the_figures(model, new):
    declaration = replace(model.exported.declaration, threshold="0.3")
    found = evaluate_files(Model(replace(model.exported, declaration=declaration)), new)
    assert found.evaluation.threshold == 0.3


def test_no_rows_give_nothing_to_compare(model, new):
    with pytest.raises(BadInput, match=r"has no row with an outcome|missing in all"):
        evaluate_files(model, pd.read_csv(new).iloc[:0])
