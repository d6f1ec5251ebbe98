"""New patients' rows: files and columns in memory, and what is missing, unknown or far in them."""

import numpy as np
import pandas as pd
import pytest
from model_tools import (
    exported_of,
    model_of,
    park,
    predict,
    wide_design,
    with_declaration,
    write,
)

from swarmhub.contract.records import Declaration, Inputs, Outcome
from swarmhub.data.design import Source
from swarmhub.data.reading import Files
from swarmhub.errors import BadInput
from swarmhub.models.predict import Model

HEADER = "age,sex,crp,stage\n"
NEW = HEADER + "50,F,1.5,II\n71,M,2.5,III\n"


@pytest.fixture
def model(tmp_path):
    return Model(park(tmp_path)[0])


@pytest.fixture
def wanted(model, tmp_path):
    """Scores of the two patients in NEW."""
    return model.predict(write(tmp_path, NEW)).probability.tolist()


# the same patients in other forms

FRAME = pd.DataFrame({
    "age": [50, 71], "sex": ["F", "M"], "crp": [1.5, 2.5], "stage": ["II", "III"],
})  # fmt: skip
FORMS = {
    "a DataFrame": FRAME,
    "columns in another order": FRAME[["stage", "crp", "sex", "age"]],
    "more columns": FRAME.assign(day=pd.Timestamp("2026-01-01"), note="x", y=[None, 1]),
    "categoricals": FRAME.astype({"sex": "category", "stage": "category"}),
    "pandas' strings": FRAME.astype({"sex": "string", "stage": "string"}),
    "objects": FRAME.astype(object),
    "nullable numbers": FRAME.astype({"age": "Int64", "crp": "Float64"}),
    "small types": FRAME.astype({"age": "int8", "crp": "float32"}),
    "numbers as text": FRAME.astype({"age": str, "crp": str}),
    "another index": FRAME.set_index(pd.Index(["b", "a"])),
    "lists": {name: FRAME[name].tolist() for name in FRAME},
    "arrays": {name: FRAME[name].to_numpy() for name in FRAME},
    "spaces around words": FRAME.assign(sex=[" F", "M "]),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_same_patients_have_the_same_scores(model, wanted, form):
    found = model.predict(FORMS[form])
    assert found.probability.tolist() == wanted
    assert (found.column, found.names, found.notes) == ("row", ("1", "2"), ())


def test_a_table_with_decimal_commas_has_the_same_scores(model, wanted, tmp_path):
    text = NEW.replace(",", ";").replace("1.5", "1,5").replace("2.5", "2,5")
    found = predict(model, tmp_path, text, decimal=",")
    assert found.probability.tolist() == wanted


def test_a_table_with_tabs_and_other_columns_is_read(model, wanted, tmp_path):
    text = "".join(f"{line}\tx{k}\n" for k, line in
                   enumerate(NEW.replace(",", "\t").splitlines()))  # fmt: skip
    assert predict(model, tmp_path, text, "new.tsv").probability.tolist() == wanted


def test_no_rows_give_no_scores(model):
    found = model.predict(FRAME.iloc[:0])
    assert (len(found.probability), found.names, found.notes) == (0, (), ())


def test_a_path_several_paths_and_files_are_taken(model, wanted, tmp_path):
    path = write(tmp_path, NEW)
    for data in (path, str(path), [path], (str(path),), Files((path,))):
        assert model.predict(data).probability.tolist() == wanted


@pytest.mark.parametrize(
    "data", [3, None, np.zeros((2, 4)), [[50, "F"]], {"age": 50}, {"age": "50"}]
)
def test_anything_else_is_refused_with_one_sentence(model, data):
    with pytest.raises(BadInput, match=r"^Expected a"):
        model.predict(data)


def test_columns_of_different_length_are_refused(model):
    with pytest.raises(BadInput, match="columns of one length, got 2 and 1"):
        model.predict({**FORMS["lists"], "crp": [1.5]})


def test_a_column_that_is_there_twice_is_refused(model):
    twice = pd.concat([FRAME, FRAME[["age"]]], axis=1)
    with pytest.raises(BadInput, match="has two columns 'age'"):
        model.predict(twice)


# missing, unknown, far


def test_missing_values_count_as_the_mean_and_are_said(model):
    rows = pd.DataFrame({
        "age": pd.array([50, None], dtype="Int64"), "sex": ["F", None],
        "crp": [1.5, np.nan], "stage": pd.array(["II", pd.NA], dtype="string"),
    })  # fmt: skip
    found = model.predict(rows)
    bias = model.exported.arrays["bias"][0]
    assert found.probability[1] == pytest.approx(1 / (1 + np.exp(-bias)), abs=1e-15)
    assert found.notes[0] == "Column 'age' is empty in 1 of 2 rows: the study's mean counts."
    assert len(found.notes) == 4


def test_words_that_the_model_does_not_know_are_said(model, tmp_path):
    found = predict(model, tmp_path, HEADER + "50,F,1.5,IV\n51,divers,2.5,II\n")
    assert found.notes == (
        "Column 'sex' has categories in 1 of 2 rows that the model does not know.",
        "Column 'stage' has categories in 1 of 2 rows that the model does not know.",
    )


def test_far_values_are_bounded_and_said(model, tmp_path):
    found = predict(model, tmp_path, HEADER + "50000,F,1.5,II\n50001,F,1.5,II\n")
    assert found.probability[0] == found.probability[1]
    assert found.notes[0].startswith("2 values are more than 10 standard deviations")


def test_words_for_numbers_count_as_missing_and_are_said(model, tmp_path):
    found = predict(model, tmp_path, HEADER + "old,F,1.5,II\n")
    assert "Column 'age' has numbers in the study and text in this table" in found.notes[0]


def test_a_value_that_is_no_number_is_refused_with_its_line(model, tmp_path):
    with pytest.raises(BadInput, match="line 3, column 'crp'"):
        predict(model, tmp_path, HEADER + "50,F,1.5,II\n51,F,<5,II\n")


def test_an_infinite_value_is_refused_with_its_row(model):
    with pytest.raises(BadInput, match="the table, row 2, column 'age'"):
        model.predict(FRAME.assign(age=[50, np.inf]))


def test_many_columns_with_gaps_are_summed_up():
    data = {f"f{k:04d}": [np.nan, 50.0] for k in range(40)}
    notes = model_of(wide_design(40)).predict(data).notes
    assert len(notes) == 7
    assert notes[-1] == "The same holds for 34 more columns."


def test_words_for_not_known_are_those_of_the_study(model, tmp_path):
    terse = with_declaration(model, missing_words=("k.A.",))
    for found in (
        predict(terse, tmp_path, HEADER + "k.A.,F,1.5,k.A.\n51,F,1.5,I\n"),
        terse.predict({"age": ["k.A.", 51], "sex": ["F"] * 2, "crp": [1.5] * 2,
                       "stage": ["k.A.", "I"]}),
    ):  # fmt: skip
        assert [n[:24] for n in found.notes] == [
            "Column 'age' is empty in",
            "Column 'stage' is empty ",
        ]


# absent columns


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("age,crp,sex\n50,1.5,F\n", "lacks 1 of the model's 4 columns: 'stage'; name them"),
        ("Age,crp,sex,stage\n50,1.5,F,II\n", r"'age' \(is it 'Age' for 'age'\?\)"),
        ("a,b\n1,2\n", "None of the model's 4 columns"),
        (HEADER, "no rows"),
        ("", "is empty"),
    ],
)
def test_a_column_that_is_absent_is_refused(model, tmp_path, text, said):
    with pytest.raises(BadInput, match=said):
        predict(model, tmp_path, text)


def test_absent_columns_are_said_if_they_are_allowed(model, tmp_path):
    path = write(tmp_path, "age,crp,sex\n50,1.5,F\n", "new.csv")
    found = model.predict(path, allow_missing=True)
    assert found.notes == (
        "new.csv lacks 1 of the model's 4 columns: 'stage'; the study's mean counts for each.",
    )
    full = model.predict({"age": [50], "crp": [1.5], "sex": ["F"], "stage": [None]})
    assert found.probability.tolist() == full.probability.tolist()


# several blocks

BLOCKS = Declaration(
    Outcome("diagnosis", positive=("PD",)), missing="mean + indicator", sample="id",
    inputs=(Inputs("clinic", ("age", "sex")), Inputs("olink", ("IL*",), unit="NPX")),
)  # fmt: skip


def blocks(folder):
    """A model of two blocks, of which every third patient lacks the second."""
    lines = [
        f"p{k},{40 + k},{'FM'[k % 2]},{'' if k % 3 == 0 else k % 5},"
        f"{'' if k % 3 == 0 else k % 4},{['PD', 'other'][k * 7 % 5 < 2]}"
        for k in range(90)
    ]
    path = write(folder, "\n".join(["id,age,sex,IL1,IL6,diagnosis", *lines]) + "\n", "t.csv")
    return Model(exported_of([path], BLOCKS))


def test_a_block_that_is_absent_as_a_whole_is_said(tmp_path):
    model = blocks(tmp_path)
    assert Source("block", "olink") in model.design.sources
    found = predict(model, tmp_path, "id,age,sex\na,50,F\nb,60,M\n")
    assert found.notes == (
        "The block 'olink' (2 columns of the model) is not in new.csv: it counts as not measured.",
    )
    empty = predict(model, tmp_path, "id,age,sex,IL1,IL6\na,50,F,,\nb,60,M,,\n")
    assert found.probability.tolist() == empty.probability.tolist()
    with pytest.raises(BadInput, match="lacks 1 of the model's 4 columns: 'olink/IL6'"):
        predict(model, tmp_path, "id,age,sex,IL1\na,50,F,1\n")


def test_files_are_joined_and_rows_have_their_samples_names(tmp_path):
    model = blocks(tmp_path)
    one = predict(model, tmp_path, "id,age,sex,IL1,IL6\nb,60,M,3,1\na,50,F,2,2\n")
    clinic = write(tmp_path, "id,sex,age\nb,M,60\na,F,50\n", "c.csv")
    olink = write(tmp_path, "id,IL6,IL1\na,2,2\nb,1,3\nz,9,9\n", "o.csv")
    two = model.predict([clinic, olink])
    assert (two.column, two.names) == ("id", ("b", "a")) == (one.column, one.names)
    assert two.probability.tolist() == one.probability.tolist()
    assert "1 samples are not in c.csv and are left out (z)" in two.notes[0]


# names


def test_patients_are_named_by_the_declared_column(model, wanted, tmp_path):
    text = "".join(f"{line},{name}\n" for line, name in
                   zip(NEW.splitlines(), ["who", "p9", ""], strict=True))  # fmt: skip
    found = predict(with_declaration(model, patient="who"), tmp_path, text)
    assert (found.column, found.names) == ("who", ("p9", "row 2"))
    assert found.probability.tolist() == wanted
    by_sample = predict(with_declaration(model, sample="who"), tmp_path, text)
    assert by_sample.names == ("p9", "row 2")


def test_rows_are_numbered_if_the_declared_patient_is_absent(model, wanted, tmp_path):
    found = predict(with_declaration(model, patient="who"), tmp_path, NEW)
    assert (found.column, found.names) == ("row", ("1", "2"))
    assert found.probability.tolist() == wanted


def test_a_name_keeps_its_leading_zeros(model):
    named = with_declaration(model, patient="who")
    found = named.predict(FRAME.assign(who=["007", "7"]))
    assert found.names == ("007", "7")


def test_a_frame_without_any_column_of_the_model_is_refused(model):
    with pytest.raises(BadInput, match="none of the model's columns"):
        model.predict(FRAME.rename(columns=str.upper))
