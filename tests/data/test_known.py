"""Features out of the terms alone: scales, levels, the document that they give, refusals."""

from dataclasses import replace

import numpy as np
import pytest
from data_tools import dataset, write

from swarmhub.codec import decode
from swarmhub.contract.records import Declaration, Inputs, Outcome
from swarmhub.contract.records.declaration import Levels, Scale
from swarmhub.data.check.declared import check_declared
from swarmhub.data.findings import Findings
from swarmhub.data.heart import describe, write_heart
from swarmhub.data.known import list_columns, make_statistics, read_known
from swarmhub.data.reading import Files, read_dataset
from swarmhub.data.schema import Schema, tidy_toml
from swarmhub.errors import BadInput
from swarmhub.merge.documents import merge_statistics
from swarmhub.recipes.designing import make_declared_design, make_design

pytestmark = pytest.mark.unit

BINARY = Outcome("y", positive=("1",), negative=("0",))
AGE, STAGE = Scale(("age",), "55", "10"), Levels("stage", ("I", "II", "III"))
GIVEN = Declaration(BINARY, scales=(AGE,), levels=(STAGE,))


def design_of(declaration):
    return make_declared_design(Schema.of(declaration))


def test_the_design_is_that_of_statistics_with_these_values():
    """Rows with exactly the declared mean, variance and frequencies, described and merged."""
    age = np.tile([45.0, 65.0], 30)
    rows = dataset([0, 1] * 30, age=age, stage=["I", "I", "II", "II", "III", "III"] * 10)
    from swarmhub.data.summaries import statistics_of

    merged = merge_statistics({1: statistics_of(rows)})
    expected = make_design(merged, GIVEN, Schema.of(GIVEN))
    found = design_of(GIVEN)
    assert found.names == expected.names == ("age", "stage=I", "stage=II", "stage=III")
    np.testing.assert_allclose(found.mean, expected.mean, rtol=1e-12)
    np.testing.assert_allclose(found.sd, expected.sd, rtol=1e-12)
    assert found.class_rows[0] == found.class_rows[1]


def test_the_document_is_canonical_and_of_the_usual_form():
    document = make_statistics(Schema.of(GIVEN))
    assert merge_statistics({1: document}) == document
    assert decode(document)["columns"]["age"]["kind"] == "numeric"


def test_a_measured_outcome_has_a_scale_of_its_own():
    outcome = Outcome("crp", "continuous")
    scales = (AGE, Scale(("crp",), "4", "2.5"))
    design = design_of(Declaration(outcome, scales=scales))
    assert design.names == ("age",)
    assert design.outcome == pytest.approx((4.0, 2.5))
    with pytest.raises(BadInput, match="expected a scale for the outcome 'crp'"):
        design_of(Declaration(outcome, scales=(AGE,)))


def test_a_pattern_means_columns_that_the_terms_list():
    blocks = (Inputs("blood", ("IL6", "IL8", "CRP*")), Inputs("ecg", ("qt",)))
    scales = (Scale(("blood/IL*",), "1", "2"), Scale(("ecg/*",), "400", "30"))
    schema = Schema.of(Declaration(BINARY, inputs=blocks, scales=scales))
    assert list_columns(schema) == ["blood/IL6", "blood/IL8", "ecg/qt"]
    assert sorted(read_known(schema).scales) == list_columns(schema)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"scales": (Scale(("age",), "55", "0"),)}, "data.scales.sd to be a number from 1e-09"),
        ({"scales": (Scale(("age",), "5e1", "1"),)}, "data.scales.mean to be a number"),
        ({"scales": (Scale(("age",), "900000000", "1"),)}, "more than 1e-08 of the mean"),
        ({"scales": (Scale((), "1", "1"),)}, "data.scales.columns, names or patterns"),
        ({"scales": (Scale(("IL*",), "1", "1"),)}, "a pattern in data.scales.columns that fits"),
        ({"scales": (AGE, AGE)}, "Expected one scale for 'age' in data.scales, got two"),
        ({"scales": (Scale(("stage",), "1", "1"),)}, "'stage' cannot be in data.scales and in"),
        ({"scales": (Scale(("y",), "1", "1"),)}, "a column that data.inputs takes, got 'y'"),
        ({"exclude": ("age",)}, "a column that data.inputs takes, got 'age'"),
        ({"levels": (STAGE, STAGE)}, "Expected 'stage' once in data.levels"),
        ({"levels": (Levels("stage", ("I",)),)}, "2 to 1000 different words in data.levels"),
        ({"levels": (Levels("stage", ("I", "I")),)}, "2 to 1000 different words"),
        ({"levels": (), "scales": ()}, "expected its columns in"),
        ({"missing": "mean + indicator"}, 'Expected data.missing = "mean"'),
        ({"inputs": (Inputs("t", ("age", "stage", "bmi")),)}, "for the column 'bmi'; write its"),
    ],
)
def test_what_no_hospital_could_follow_is_refused(change, expected):
    with pytest.raises(BadInput, match=expected):
        design_of(replace(GIVEN, **change))


def test_the_words_of_a_file_become_scales_and_levels():
    tree = {
        "scales": [{"columns": "age", "mean": 55, "sd": 9.5}],
        "levels": [{"column": "grade", "words": [1, 2]}],
    }
    found = tidy_toml(tree)
    assert found["scales"] == [{"columns": ["age"], "mean": "55", "sd": "9.5"}]
    assert found["levels"] == [{"column": "grade", "words": ["1", "2"]}]


# a hospital's files


def read(tmp_path, text, declaration=GIVEN):
    found = Findings(strict=False)
    schema = Schema.of(declaration)
    return read_dataset(Files((write(tmp_path, text),)), schema, found), found


def test_the_terms_say_what_is_a_number_and_what_is_a_word(tmp_path):
    """Codes that look like numbers stay words, and a word among numbers is an error, not a change
    of the column's kind: one patient decides nothing of the others."""
    graded = replace(GIVEN, levels=(Levels("stage", ("1", "2")),))
    dataset, found = read(tmp_path, "y,age,stage\n0,50,1\n1,60,2\n0,55,1\n", graded)
    assert dataset.features == ("age",)
    assert dataset.categories["stage"].texts() == ["1", "2", "1"]
    assert not found.has_errors
    _, found = read(tmp_path, "y,age,stage\n0,old,I\n1,old,II\n0,young,I\n")
    assert [f.topic for f in found.found if f.level == "error"] == ["cells"]


def errors_of(text, tmp_path, declaration=GIVEN):
    rows, found = read(tmp_path, text, declaration)
    check_declared(rows, design_of(declaration), found)
    return [f.sentence for f in found.found if f.level == "error"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y,age,stage,bmi\n0,50,I,20\n1,60,II,30\n", "take the columns 'bmi', but say neither"),
        ("y,age,Stage\n0,50,I\n1,60,II\n", "('Stage' for 'stage'); write the study's names"),
    ],
)
def test_a_hospital_s_own_columns_decide_no_feature(tmp_path, text, expected):
    assert expected in errors_of(text, tmp_path)[0]


def test_a_column_in_another_unit_is_a_warning(tmp_path):
    rows, found = read(tmp_path, "y,age,stage\n" + "0,600,I\n1,660,II\n" * 8)
    check_declared(rows, design_of(GIVEN), found)
    units = [f.sentence for f in found.found if f.topic == "unit"]
    assert "the median 630 here, and the study declares a mean of 55" in units[0]


def test_the_heart_tables_fit_their_declared_scales(tmp_path):
    declared = describe(Declaration(Outcome("label", positive=("1",), negative=("0",))))
    design = design_of(declared)
    assert len(design.sources) == 15
    for path in write_heart(tmp_path).values():
        found = Findings(strict=False)
        rows = read_dataset(Files((path,)), Schema.of(declared), found)
        check_declared(rows, design, found)
        assert [f.sentence for f in found.found if f.level == "error"] == []
        assert np.abs(design.matrix(rows).mean(axis=0)).max() < 2.0
