"""What a table and the study have in common is compared before the first round."""

from pathlib import Path

import numpy as np
import pytest

from swarmhub.data import Design, Table, read_table, statistics_of
from swarmhub.data.agreement import compare, fold, gaps, outliers
from swarmhub.errors import BadInput
from swarmhub.merge import merge_statistics

TABLES = Path(__file__).parent / "tables"
X = np.arange(60.0)


def table(**columns):
    return Table(columns, np.arange(60) % 2, 60)


def words(*values):
    return np.array(list(values) * (60 // len(values)), dtype=object)


def said_to(here, *others):
    merged = merge_statistics(dict(enumerate(map(statistics_of, (here, *others)), start=1)))
    return compare(here, Design.from_statistics(merged), merged)


def test_names_that_differ_in_case_are_refused_at_every_hospital():
    tables = [read_table(TABLES / f"names-{x}.csv", "label") for x in "abc"]
    for here in tables:
        others = [t for t in tables if t is not here]
        with pytest.raises(BadInput, match="spells 4 of the study's column names in another way"):
            said_to(here, *others)


@pytest.mark.parametrize(
    ("here", "there"),
    [("Age", "age"), ("crp mg", "CRP_mg"), ("C-reactive", "c reactive"), ("a.b", "a_b")],
)
def test_near_spellings_are_refused_with_both(here, there):
    assert fold(here) == fold(there)
    with pytest.raises(BadInput, match=f"'{here}' for '{there}'"):
        said_to(table(**{here: X, "sex": X}), table(**{there: X, "sex": X}))


def test_one_hospital_with_another_spelling_does_not_stop_the_others():
    odd, usual = table(Age=X, sex=X), table(age=X, sex=X)
    with pytest.raises(BadInput, match="'Age' for 'age'"):
        said_to(odd, usual, usual)
    assert said_to(usual, usual, odd) == []


@pytest.mark.parametrize("pair", [("b", "B"), ("mir-1-1", "MIR-1-1")])
def test_two_columns_that_one_hospital_has_are_two(pair):
    both = table(**{pair[0]: X, pair[1]: X})
    said = said_to(table(**{pair[0]: X}), both)
    assert "lacks 1 of the study's 2 columns" in said[0]
    assert fold("mir-1-1") != fold("mir-11")


def test_two_columns_of_a_table_that_look_alike_are_said():
    (sentence,) = said_to(table(Age=X, age=X + 1))
    assert sentence.startswith("The columns 'Age', 'age' of this table differ in spelling only")


def test_what_is_lacking_and_what_is_not_used_is_said():
    here = table(x=X, alone=X, flat=X * 0, chol_mg=X)
    there = table(x=X, flat=X * 0, chol=X, crp=X)
    said = "\n".join(said_to(here, there, there))
    assert "lacks 2 of the study's 3 columns" in said
    assert "'chol', 'crp' (is 'chol_mg' here what is 'chol' there?)" in said
    assert "missing in more than 60% of the study's rows: 'alone', 'chol_mg'." in said
    assert "because they do not vary: 'flat'." in said


def test_free_text_that_makes_no_feature_is_said():
    notes = np.array([f"note {k:c}" for k in range(60, 120)], dtype=object)
    (sentence,) = said_to(table(x=X, notes=notes))
    assert "texts without a category that is frequent enough to be published: 'notes'" in sentence


def test_a_table_with_nothing_of_the_study_is_refused():
    with pytest.raises(BadInput, match="None of the study's 1 columns"):
        said_to(table(alter=X), table(age=X), table(age=X))


def test_categories_that_differ_in_spelling_are_said():
    said = said_to(table(sex=words("M", "F"), x=X), table(sex=words("m", "f"), x=X))
    assert "'M', 'm'" in " ".join(said)
    assert said_to(table(sex=words("M", "F"), x=X), table(sex=words("F", "M"), x=X)) == []


def test_values_of_another_unit_are_said():
    design = Design.from_statistics(statistics_of(table(x=X)))
    (sentence,) = outliers(design, table(x=X * 1000))
    assert "59 values are more than 10 standard deviations" in sentence
    assert outliers(design, table(x=X)) == []


def test_gaps_in_new_rows_are_said():
    design = Design.from_statistics(statistics_of(table(x=X, sex=words("F", "M"))))
    new = table(x=np.where(X < 3, np.nan, X), sex=words("F", "diverse"))
    said = gaps(design, new)
    assert "Column 'x' is empty in 3 of 60 rows" in said[0]
    assert "categories in 30 of 60 rows that the model does not know" in said[1]
    assert "diverse" not in " ".join(said)
