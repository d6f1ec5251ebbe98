"""Scores of outcomes with classes and of continuous ones: against oracles, and alone with their
folder."""

import csv
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from long_runs import choose
from model_tools import merged_of
from outcome_tools import (
    DECLARED,
    GLUCOSE,
    SCALE,
    SEXES,
    STAGES,
    inputs_of,
    model_for,
    outcomes_of,
    standardised,
)

import swarmhub
from swarmhub.contract.records import Outcome
from swarmhub.data.reading import Files
from swarmhub.data.schema import Schema
from swarmhub.errors import BadInput
from swarmhub.models.arithmetic import softmax
from swarmhub.models.folder import read_model, write_model
from swarmhub.models.predict import Model, load_model, predict_files
from swarmhub.recipes.designing import make_design

pytestmark = pytest.mark.unit
KINDS = list(DECLARED.values())
PROGRAM = Path(__file__).parent / "programs" / "print_scores.py"
OLD = {"NPY_DISABLE_CPU_FEATURES": "AVX512_SPR AVX512_ICL X86_V4 X86_V3"}


def with_arrays(model, **arrays):
    return Model(replace(model.exported, arrays=arrays))


# arithmetic


@given(st.lists(st.lists(st.floats(-800, 800), min_size=3, max_size=3), min_size=1, max_size=5))
def test_softmax_is_a_share_of_exponentials(rows):
    top = [max(row) for row in rows]
    each = [[math.exp(v - m) for v in row] for row, m in zip(rows, top, strict=True)]
    wanted = [[v / math.fsum(row) for v in row] for row in each]
    np.testing.assert_allclose(softmax(np.array(rows).T).T, wanted, rtol=1e-14, atol=1e-300)


def test_far_margins_neither_overflow_nor_become_nan():
    x = np.array([[1e140, 0.0, -1e140], [-1e140, 0.0, -1e140]])
    assert softmax(x).tolist() == [[1.0, 0.5, 0.5], [0.0, 0.5, 0.5]]


# oracles


@pytest.mark.parametrize("declaration", [SEXES, STAGES])
def test_probabilities_are_those_of_scikit_learn(declaration):
    linear = pytest.importorskip("sklearn.linear_model")
    columns, words = inputs_of(), declaration.outcome.classes
    x, y = standardised(columns), outcomes_of(declaration)
    fitted = linear.LogisticRegression(C=0.1, class_weight="balanced").fit(x, y)
    weight = fitted.coef_ if len(words) > 2 else fitted.coef_[0]
    model = with_arrays(model_for(declaration), weight=weight.copy(), bias=fitted.intercept_.copy())
    found = model.predict(columns)
    np.testing.assert_allclose(found.probabilities, fitted.predict_proba(x), rtol=0, atol=1e-14)
    assert found.classes == words == tuple(fitted.classes_)
    assert [words[k] for k in found.most_probable] == fitted.predict(x).tolist()


def test_values_are_those_of_scikit_learn():
    linear = pytest.importorskip("sklearn.linear_model")
    columns, (mean, sd) = inputs_of(), SCALE
    x, y = standardised(columns), outcomes_of(GLUCOSE)
    fitted = linear.Ridge(alpha=10.0).fit(x, (y - mean) / sd)
    bias = np.array([fitted.intercept_])
    model = with_arrays(model_for(GLUCOSE), weight=fitted.coef_.copy(), bias=bias)
    found = model.predict(columns)
    np.testing.assert_allclose(found.values, mean + sd * fitted.predict(x), rtol=0, atol=1e-13)
    assert found.unit == "mmol/l"


@pytest.mark.parametrize("declaration", KINDS)
def test_a_hospital_s_own_prediction_is_the_same_score(declaration):
    from swarmhub.recipes.linear.losses import loss_of
    from swarmhub.recipes.linear.training import predict

    outcome, model, columns = declaration.outcome, model_for(declaration), inputs_of()
    arrays = model.exported.arrays
    loss = loss_of(outcome.kind, len(outcome.classes))
    wanted = predict(loss, arrays["weight"], arrays["bias"], standardised(columns))
    if declaration is SEXES:
        wanted = np.column_stack([1.0 - wanted, wanted])
    mean, sd = model.design.outcome
    found = model.predict(columns).predicted
    np.testing.assert_allclose(found, mean + sd * wanted, rtol=0, atol=1e-14)


def test_two_classes_have_the_bits_of_a_binary_outcome():
    model, columns = model_for(SEXES), inputs_of(500)
    outcome = Outcome("sex", positive=("male",), negative=("female",))
    binary = Model(replace(model.exported, declaration=replace(SEXES, outcome=outcome)))
    found = model.predict(columns).probabilities[:, 1]
    assert found.tobytes() == binary.predict(columns).probability.tobytes()


# the same bits


@pytest.mark.parametrize("declaration", KINDS)
def test_the_folder_alone_gives_the_same_bits(tmp_path, declaration):
    model, columns = model_for(declaration), inputs_of()
    write_model(tmp_path / "m", model.exported)
    found = swarmhub.load_model(tmp_path / "m")
    assert found.exported.response == model.exported.response
    assert found.exported.architecture == model.exported.architecture
    assert found.predict(columns).predicted.tobytes() == model.predict(columns).predicted.tobytes()


@pytest.mark.parametrize("declaration", KINDS)
def test_a_score_does_not_depend_on_the_other_rows(declaration, monkeypatch):
    model, frame = model_for(declaration), pd.DataFrame(inputs_of(300))
    whole = model.predict(frame).predicted
    alone = [model.predict(frame.iloc[[k]]).predicted[0].tolist() for k in range(20)]
    assert alone == whole[:20].tolist()
    monkeypatch.setattr("swarmhub.models.predict.VALUES_AT_ONCE", 70 * 4)
    assert model.predict(frame).predicted.tobytes() == whole.tobytes()


@pytest.mark.process
@pytest.mark.parametrize("declaration", choose(KINDS, 0))
def test_another_processor_gives_the_same_bits(tmp_path, declaration):
    write_model(tmp_path / "m", model_for(declaration).exported)
    pd.DataFrame(inputs_of(3000)).to_csv(tmp_path / "new.csv", index=False)

    def scores(**variables):
        command = [sys.executable, str(PROGRAM), str(tmp_path / "m"), str(tmp_path / "new.csv")]
        environment = {**os.environ, **variables}
        return subprocess.run(command, env=environment, capture_output=True, text=True).stdout

    wanted = scores()
    assert len(set(wanted.splitlines())) > 2900
    for other in ({"OPENBLAS_CORETYPE": "Prescott"}, OLD):
        assert scores(**other) == wanted


# scores in Python and as a file


def test_the_first_of_equal_classes_counts():
    model = model_for(STAGES)
    equal = with_arrays(model, weight=np.zeros((3, 4)), bias=np.zeros(3))
    assert equal.predict(inputs_of(2)).most_probable.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("declaration", "name", "said"),
    [
        (STAGES, "probability", "read 'probabilities'"),
        (STAGES, "is_positive", "read 'probabilities'"),
        (GLUCOSE, "probabilities", "read 'values'"),
        (GLUCOSE, "most_probable", "read 'values'"),
        (SEXES, "values", "read 'probabilities'"),
    ],
)
def test_scores_of_another_kind_are_refused(declaration, name, said):
    with pytest.raises(BadInput, match=said):
        getattr(model_for(declaration).predict(inputs_of(2)), name)


def rows_of(model, tmp_path):
    """The rows of the file of scores, and the scores."""
    pd.DataFrame(inputs_of()).to_csv(tmp_path / "new.csv", index=False)
    scores = predict_files(model, Files((tmp_path / "new.csv",)), tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file)), scores


@pytest.mark.parametrize("declaration", [SEXES, STAGES])
def test_a_file_of_scores_has_a_column_for_each_class(tmp_path, declaration):
    rows, scores = rows_of(model_for(declaration), tmp_path)
    words = declaration.outcome.classes
    names = [f"probability of {word}" for word in words]
    assert list(rows[0]) == ["row", "class", *names]
    assert [[float(r[n]) for n in names] for r in rows] == scores.probabilities.tolist()
    assert [r["class"] for r in rows] == [words[k] for k in scores.most_probable]
    assert {r["class"] for r in rows} == set(words)


@pytest.mark.parametrize(("unit", "name"), [("mmol/l", "value (mmol/l)"), ("", "value")])
def test_a_file_of_values_names_their_unit(tmp_path, unit, name):
    declaration = replace(GLUCOSE, outcome=replace(GLUCOSE.outcome, unit=unit))
    rows, scores = rows_of(model_for(declaration), tmp_path)
    assert list(rows[0]) == ["row", name]
    assert [float(r[name]) for r in rows] == scores.values.tolist()


def test_no_rows_give_an_empty_file(tmp_path):
    columns = {name: values[:0] for name, values in inputs_of().items()}
    for declaration, shape in ((STAGES, (0, 3)), (SEXES, (0, 2)), (GLUCOSE, (0,))):
        assert model_for(declaration).predict(columns).predicted.shape == shape


# the design of a study


@pytest.mark.parametrize("declaration", KINDS)
def test_merged_statistics_make_the_design_of_a_model(tmp_path, declaration):
    outcome, paths = declaration.outcome, [tmp_path / "a.csv", tmp_path / "b.csv"]
    y = outcomes_of(declaration, 120)
    for k, path in enumerate(paths):
        table = pd.DataFrame(inputs_of(60, seed=k)).assign(**{outcome.column: y[k::2]})
        table.to_csv(path, index=False)
    design = make_design(merged_of(paths, declaration), declaration, Schema.of(declaration))
    replace(model_for(declaration).exported, design=design).check()
    if outcome.classes:
        assert design.class_rows == tuple((y == word).sum() for word in outcome.classes)
    else:
        assert design.outcome == pytest.approx((y.mean(), y.std()))


# parts that contradict each other


def refused(exported):
    with pytest.raises(BadInput) as caught:
        exported.check()
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize("sd", [0.0, -1.0, np.nan, np.inf, 1e200])
def test_a_deviation_that_is_not_usable_is_refused(sd):
    exported = model_for(GLUCOSE).exported
    design = replace(exported.design, outcome=(5.5, sd))
    assert "usable mean and standard deviation" in refused(replace(exported, design=design))


@pytest.mark.parametrize("rows", [(), (40,), (40, 40), (40,) * 4])
def test_rows_of_another_number_of_classes_are_refused(rows):
    exported = model_for(STAGES).exported
    design = replace(exported.design, class_rows=rows)
    said = f"Expected 3 numbers of training rows for an outcome that is classes, got {len(rows)}"
    assert said in refused(replace(exported, design=design))


def test_arrays_of_another_number_of_classes_are_refused():
    stages, sexes = model_for(STAGES).exported, model_for(SEXES).exported
    said = refused(replace(stages, arrays=sexes.arrays))
    assert "over 4 features and 3 classes (bias [3], weight [3, 4]), got bias [1]" in said
    assert "(bias [1], weight [4]), got bias [3]" in refused(replace(sexes, arrays=stages.arrays))
    assert "got bias [3]" in refused(replace(model_for(GLUCOSE).exported, arrays=stages.arrays))


def test_a_network_of_another_outcome_is_refused():
    exported = replace(model_for(GLUCOSE).exported, recipe="mlp")
    assert "a binary outcome of the recipe 'mlp', got one of continuous" in refused(exported)


def test_more_classes_than_can_be_evaluated_are_refused():
    many = Outcome("stage", "classes", classes=tuple(f"c{k}" for k in range(101)))
    exported = model_for(replace(STAGES, outcome=many)).exported
    assert "Expected at most 100 classes, got 101" in refused(exported)


def test_a_contradiction_in_a_folder_is_refused(tmp_path):
    from test_folder import change

    write_model(tmp_path / "m", model_for(GLUCOSE).exported)
    change(tmp_path / "m", lambda tree: tree["outcome"].update(sd="-1.25"))
    with pytest.raises(BadInput, match=r"got 5\.5 and -1\.25; export the model again\."):
        read_model(tmp_path / "m")
    write_model(tmp_path / "s", model_for(STAGES).exported)
    change(tmp_path / "s", lambda tree: tree["declaration"]["outcome"]["classes"].pop())
    with pytest.raises(BadInput, match="Expected 2 numbers of training rows"):
        load_model(tmp_path / "s")


def test_the_architecture_changes_with_the_outcome_s_scale():
    exported = model_for(GLUCOSE).exported
    design = replace(exported.design, outcome=(5.5, 1.5))
    assert replace(exported, design=design).architecture != exported.architecture
