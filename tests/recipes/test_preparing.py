"""A hospital's files as a study declares them: read, looked at, and split."""

from pathlib import Path

import numpy as np
import pytest

from swarmhub.contract.records import Declaration, Inputs, Outcome, Spec
from swarmhub.data.findings import Findings
from swarmhub.data.reading import Files
from swarmhub.errors import BadInput
from swarmhub.recipes.preparing import Sources, prepare
from swarmhub.recipes.trainer import explain_no_say

TABLES = Path(__file__).parents[1] / "data" / "tables"
SPEC = Spec("s", 2, 2, statistics=True)
AML = Outcome("diagnosis", positive=("AML",), negative=("control",))


def look(data, test=None, spec=SPEC, label="label", strict=True, **more):
    found = Findings(strict)
    files = Files(tuple(data) if isinstance(data, list) else (data,))
    sources = Sources(files, test and Files((test,)), label, **more)
    return prepare(spec, sources, found), found


def write(folder, name, text):
    (folder / name).write_text(text)
    return folder / name


def declared(**more):
    return Spec("s", 2, 2, data=Declaration(AML, **more))


def test_without_a_test_file_some_patients_are_set_aside():
    prepared, found = look(TABLES / "hospital-a.csv")
    assert (prepared.training.rows, prepared.held.rows) == (140, 60)
    assert found.sentences[-1].startswith("60 of 200 patients (60 of 200 rows) are set aside")
    again, _ = look(TABLES / "hospital-a.csv")
    np.testing.assert_array_equal(again.held.x, prepared.held.x)


def test_nobody_is_set_aside_beside_a_test_file_or_on_request(tmp_path):
    data = TABLES / "hospital-a.csv"
    prepared, _ = look(data, TABLES / "hospital-b.csv")
    assert (prepared.training.rows, prepared.held.rows) == (200, 200)
    prepared, _ = look(data, hold_out=0.0)
    assert (prepared.training.rows, prepared.held) == (200, None)
    few = write(tmp_path, "few.csv", "y,x\n1,2\n0,3\n")
    assert look(few, label="y")[0].held is None


def test_a_test_file_with_other_columns_is_refused_or_said(tmp_path):
    rows = "".join(f"{k % 2},{k},{k * 7 % 5}\n" for k in range(18))
    data = write(tmp_path, "d.csv", "y,age,crp\n" + rows)
    with pytest.raises(BadInput, match=r"t\.csv has 'Age' for 'age' in d\.csv"):
        look(data, write(tmp_path, "t.csv", "y,Age,crp\n1,2,3\n0,4,5\n"), label="y")
    _, found = look(data, write(tmp_path, "t.csv", "y,age\n1,2\n0,4\n"), label="y")
    assert "t.csv lacks 1 columns of d.csv, the first is 'crp'" in found.sentences[-1]


def test_a_patient_in_both_files_is_refused(tmp_path):
    data = write(tmp_path, "d.csv", "y,who,x\n" + "".join(f"{k % 2},p{k},{k}\n" for k in range(9)))
    test = write(tmp_path, "t.csv", "y,who,x\n1,p3,2\n0,q,4\n")
    with pytest.raises(BadInput, match=r"1 patients of t\.csv are in the training file, too"):
        look(data, test, label="y", patient="who")


def test_words_are_coded_by_the_declaration(tmp_path):
    data = write(tmp_path, "d.csv", "diagnosis,x\n" + "AML,1\ncontrol,2\n ,3\naml,4\n" * 5)
    prepared, found = look(data, spec=declared(test_fraction="0"), label="")
    assert prepared.training.y.tolist() == [1.0, 0.0, 1.0] * 5
    assert "'aml' is taken for 'AML'" in " ".join(found.sentences)


@pytest.mark.parametrize("word", ["AML?", "ALL", "unknown", "1"])
def test_a_word_that_is_not_declared_is_refused_with_its_line(tmp_path, word):
    data = write(tmp_path, "d.csv", f"diagnosis,x\nAML,1\n{word},2\ncontrol,3\n")
    with pytest.raises(BadInput, match="line 3, column 'diagnosis': expected one of the study's"):
        look(data, spec=declared(), label="")


def test_a_matrix_and_a_sheet_are_joined_by_name_not_position(tmp_path):
    names = [f"s{k}" for k in range(30)]
    sheet = "sample,diagnosis\n" + "".join(
        f"{n},{'AML' if k % 2 else 'control'}\n" for k, n in enumerate(names)
    )
    order = np.random.default_rng(0).permutation(30)
    matrix = ",P1,P2\n" + "".join(f"s{k},{k}.5,{k % 7}\n" for k in order) + "extra,1,2\n"
    files = [write(tmp_path, "m.csv", matrix), write(tmp_path, "s.csv", sheet)]
    spec = declared(sample="sample", test_fraction="0")
    prepared, found = look(files, spec=spec, label="")
    x = prepared.training.x[:, prepared.training.features.index("P1")]
    np.testing.assert_array_equal(x, np.arange(30) + 0.5)
    assert prepared.training.y.tolist() == [0.0, 1.0] * 15
    assert "1 samples are not in s.csv and are left out (extra)" in " ".join(found.sentences)


def test_blocks_are_transformed_as_declared(tmp_path):
    rows = "".join(f"{'AML' if k % 2 else 'control'},{50 + k},{2 ** (k % 5)}\n" for k in range(20))
    data = write(tmp_path, "d.csv", "diagnosis,age,P1\n" + rows)
    blocks = (Inputs("clinical", ("age",)), Inputs("proteins", ("P*",), transform="log2"))
    prepared, _ = look(data, spec=declared(inputs=blocks, test_fraction="0"), label="")
    assert prepared.training.features == ("clinical/age", "proteins/P1")
    assert prepared.training.x[:, 1].tolist() == [float(k % 5) for k in range(20)]


def test_a_value_without_a_logarithm_is_refused_with_its_line(tmp_path):
    data = write(tmp_path, "d.csv", "diagnosis,P1\n" + "AML,1\ncontrol,0\n" * 5)
    blocks = (Inputs("proteins", transform="log2"),)
    with pytest.raises(BadInput, match="line 3, column 'P1': expected positive numbers"):
        look(data, spec=declared(inputs=blocks), label="")


def test_a_column_that_defines_the_outcome_is_refused_unless_declared(tmp_path):
    rows = "".join(f"{'AML' if k % 2 else 'control'},{k % 2 * 10 + k % 3}\n" for k in range(40))
    data = write(tmp_path, "d.csv", "diagnosis,blasts\n" + rows)
    with pytest.raises(BadInput, match="Column 'blasts' alone tells the outcome"):
        look(data, spec=declared(), label="")
    look(data, spec=declared(harmless=("blasts",)), label="")


def test_options_that_contradict_the_declaration_are_refused(tmp_path):
    data = write(tmp_path, "d.csv", "diagnosis,x\n" + "AML,1\ncontrol,2\n" * 5)
    with pytest.raises(BadInput, match="declares 'diagnosis' for --label, got 'x'"):
        look(data, spec=declared(), label="x")
    with pytest.raises(BadInput, match="leave --hold-out away"):
        look(data, spec=declared(), label="", hold_out=0.2)
    with pytest.raises(BadInput, match="name the label's column with --label"):
        look(data, label="")


@pytest.mark.parametrize(
    ("metric", "found", "said"),
    [
        ("auc", {}, "No patients are set aside here"),
        ("accuracy", {"auc": 0.8, "loss": 0.5}, "metric is 'accuracy', and this trainer measures"),
        ("auc", {"loss": 0.5}, "one outcome only"),
        ("auc", {"auc": 0.8, "loss": 0.5}, ""),
        ("loss", {"loss": 0.5}, ""),
    ],
)
def test_a_site_without_a_say_in_the_best_model_knows_why(metric, found, said):
    why = explain_no_say(metric, found)
    assert said in why
    assert bool(why) == bool(said) == ("this hospital has no say" in why)
