"""Models of classes and of continuous outcomes on patients elsewhere."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from outcome_tools import GLUCOSE, SCALE, SEXES, STAGES, inputs_of, model_for, outcomes_of
from typer.testing import CliRunner

from swarmhub.cli.app import app
from swarmhub.errors import BadInput
from swarmhub.evaluation import classes, regression
from swarmhub.models.evaluate import evaluate_files, write_counts
from swarmhub.models.folder import write_model

pytestmark = pytest.mark.unit
metrics = pytest.importorskip("sklearn.metrics")
BOTH = [SEXES, STAGES]


def patients_of(declaration, rows=80):
    """Patients of another hospital with their outcome."""
    columns = inputs_of(rows, seed=4)
    columns[declaration.outcome.column] = outcomes_of(declaration, rows, seed=5)
    return pd.DataFrame(columns)


@pytest.mark.parametrize("declaration", BOTH)
def test_figures_of_classes_are_those_of_scikit_learn(declaration):
    model, frame = model_for(declaration), patients_of(declaration)
    y, words = frame[declaration.outcome.column], list(declaration.outcome.classes)
    scores, found = model.predict(frame), evaluate_files(model, frame)
    said = [words[k] for k in scores.most_probable]
    figures = {name: f.value for name, f in found.evaluation.figures.items()}
    assert figures["accuracy"] == pytest.approx(metrics.accuracy_score(y, said))
    assert figures["macro_f1"] == pytest.approx(metrics.f1_score(y, said, average="macro"))
    assert figures["loss"] == pytest.approx(
        metrics.log_loss(y, scores.probabilities, labels=words), abs=1e-8
    )
    wanted = metrics.confusion_matrix(y, said, labels=words).tolist()
    assert found.evaluation.confusion.tolist() == found.to_json()["confusion"] == wanted


def test_figures_of_values_are_those_of_scikit_learn():
    model, frame = model_for(GLUCOSE), patients_of(GLUCOSE)
    y, predicted = frame["glucose"], model.predict(frame).values
    figures = evaluate_files(model, frame).evaluation.figures
    assert figures["mae"].value == pytest.approx(metrics.mean_absolute_error(y, predicted))
    wanted = metrics.root_mean_squared_error(y, predicted)
    assert figures["rmse"].value == pytest.approx(wanted)
    assert figures["r2"].value == pytest.approx(metrics.r2_score(y, predicted))
    assert figures["mae_mean"].value == pytest.approx(np.abs(y - SCALE[0]).mean())
    assert not [name for name in figures if name.endswith("_site")]


@pytest.mark.parametrize("declaration", BOTH)
def test_shared_counts_of_classes_give_the_figures(tmp_path, declaration):
    model = model_for(declaration)
    found = evaluate_files(model, patients_of(declaration))
    write_counts(found, tmp_path / "counts.json")
    tree = json.loads((tmp_path / "counts.json").read_text())
    assert tree["classes"] == list(declaration.outcome.classes)
    assert set(tree["counts"]) == set(classes.COUNTED)
    shared = classes.evaluate_counts(tree["counts"])
    assert shared.figures["accuracy"] == found.evaluation.figures["accuracy"]
    assert found.data_digest not in (tmp_path / "counts.json").read_text()


def test_shared_counts_of_values_give_the_figures(tmp_path):
    found = evaluate_files(model_for(GLUCOSE), patients_of(GLUCOSE))
    write_counts(found, tmp_path / "counts.json")
    tree = json.loads((tmp_path / "counts.json").read_text())
    assert (tree["unit"], tree["mean"], tree["sd"]) == ("mmol/l", *SCALE)
    assert set(tree["counts"]) == set(regression.COUNTED)
    shared = regression.evaluate_counts(tree["counts"], tree["sd"])
    assert shared.figures["mae"] == found.evaluation.figures["mae"]


def test_counts_of_few_patients_withhold_what_figures_show(tmp_path):
    found = evaluate_files(model_for(STAGES), patients_of(STAGES, 12))
    assert found.evaluation.confusion.sum() == 12
    assert found.counts["confusion"].sum() == 0
    values = evaluate_files(model_for(GLUCOSE), patients_of(GLUCOSE, 4))
    assert values.evaluation.figures["mae"].value is not None
    assert not values.counts["errors"].any()
    assert values.counts["rows"].tolist() == [4]


def test_rows_without_a_value_are_left_out():
    frame = patients_of(GLUCOSE)
    frame.loc[:4, "glucose"] = np.nan
    found = evaluate_files(model_for(GLUCOSE), frame)
    assert found.evaluation.rows == 75
    with pytest.raises(BadInput, match="has no row with an outcome"):
        evaluate_files(model_for(GLUCOSE), frame.assign(glucose=np.nan))


def test_words_among_values_and_unknown_classes_are_refused(tmp_path):
    frame = patients_of(GLUCOSE).astype({"glucose": object})
    frame.loc[3, "glucose"] = "high"
    frame.to_csv(tmp_path / "new.csv", index=False)
    for data, line in ((tmp_path / "new.csv", "line 5"), (frame, "the table, row 4")):
        said = f"{line}, column 'glucose': expected a number"
        with pytest.raises(BadInput, match=said) as caught:
            evaluate_files(model_for(GLUCOSE), data)
        assert "high" not in str(caught.value)
    with pytest.raises(BadInput, match="expected one of the study's words"):
        evaluate_files(model_for(STAGES), patients_of(STAGES).replace({"stage": {"I": "IV"}}))


# commands


@pytest.fixture
def run(tmp_path):
    def call(declaration, command, *arguments):
        write_model(tmp_path / "m", model_for(declaration).exported, overwrite=True)
        patients_of(declaration).to_csv(tmp_path / "new.csv", index=False)
        given = [command, tmp_path / "m", "--data", tmp_path / "new.csv", *arguments]
        done = CliRunner().invoke(app, [*map(str, given)])
        assert done.exit_code == 0, done.output
        return done.stdout

    return call


def test_the_command_shows_each_class_and_the_confusion(run):
    said = run(STAGES, "evaluate")
    assert "Each class against the others" in said
    assert "Confusion" in said
    assert "as III" in said
    assert "80 rows of 3 classes." in said
    assert "counts as its most probable class" in said


def test_a_class_is_no_markup(run):
    outcome = replace(STAGES.outcome, classes=("[/I]", "[red]II", "III"))
    said = run(replace(STAGES, outcome=outcome), "evaluate")
    assert "as [/I]" in said
    assert "as [red]II" in said


def test_the_command_shows_errors_in_the_unit(run, tmp_path):
    said = run(GLUCOSE, "evaluate", "--counts", tmp_path / "counts.json")
    assert "80 rows. Errors are in mmol/l" in said
    assert "training patients (5.5), given to everybody" in said
    assert "the number of rows, and sums over all of them; look at them first" in said


@pytest.mark.parametrize("declaration", [*BOTH, GLUCOSE])
def test_the_command_prints_json(run, declaration):
    tree = json.loads(run(declaration, "evaluate", "--json"))
    assert (tree["kind"], tree["rows"]) == (declaration.outcome.kind, 80)
    assert len(tree.get("by_class", [])) == len(declaration.outcome.classes)


def test_the_command_writes_values(run, tmp_path):
    said = run(GLUCOSE, "predict", "--out", tmp_path / "scores.csv")
    assert "Wrote the predicted values of 80 rows" in said
    found = pd.read_csv(tmp_path / "scores.csv")
    wanted = model_for(GLUCOSE).predict(patients_of(GLUCOSE)).values
    assert found["value (mmol/l)"].tolist() == pytest.approx(wanted.tolist(), abs=1e-12)
