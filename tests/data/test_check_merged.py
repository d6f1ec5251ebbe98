"""A dataset and the study's merged statistics are compared before the first round."""

from pathlib import Path

import numpy as np
import pytest
from data_tools import dataset, design_of, merged, read

from swarmhub.data.check.merged import check_merged, gaps, outliers
from swarmhub.data.check.names import fold
from swarmhub.data.design import Design
from swarmhub.data.findings import Findings
from swarmhub.data.schema import Schema, declare_label
from swarmhub.data.summaries import statistics_of
from swarmhub.errors import BadInput

TABLES = Path(__file__).parent / "tables"
SCHEMA = Schema.of(declare_label("y"))
X = np.arange(60.0)
QUIET = ("unused columns", "far values")


def table(**columns):
    return dataset(np.arange(60) % 2, **columns)


def words(*values):
    return list(values) * (60 // len(values))


def look(here, *others):
    document, found = merged(here, *others), Findings()
    design = Design.from_statistics(document)
    check_merged(here, design, SCHEMA, (document, statistics_of(here)), found)
    return found


def said_to(here, *others):
    return list(look(here, *others).sentences)


def topics(found):
    return [f.topic for f in found.found if f.topic not in QUIET]


def test_names_that_differ_in_case_are_refused_at_every_hospital():
    tables = [read(TABLES / f"names-{x}.csv", "label")[0] for x in "abc"]
    for here in tables:
        others = [t for t in tables if t is not here]
        with pytest.raises(BadInput, match="spells 4 of the study's column names in another way"):
            said_to(here, *others)


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("Age", "age"), ("crp mg", "CRP_mg"), ("C-reactive", "c reactive"), ("a.b", "a_b"),
        ("Gro\u0308sse", "Grösse"), ("crp\u00a0mg", "crp mg"),
        ("ENSG00000141510.17", "ENSG00000141510"), ("ENSG00000141510.16", "ENSG00000141510.18"),
    ],
)  # fmt: skip
def test_near_spellings_are_refused_with_both(here, there):
    assert fold(here) == fold(there)
    with pytest.raises(BadInput, match="for '"):
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


def test_what_is_lacking_and_what_is_not_used_is_said():
    here = table(x=X, alone=X, flat=X * 0, chol_mg=X)
    there = table(x=X, flat=X * 0, chol=X, crp=X)
    said = "\n".join(said_to(here, there, there))
    assert "lacks 2 of the study's 3 columns" in said
    assert "'chol', 'crp' (is 'chol_mg' here what is 'chol' there?)" in said
    assert "missing in more than 60% of the study's rows: 'alone', 'chol_mg'." in said
    assert "because they do not vary: 'flat'." in said


def test_free_text_and_withheld_codes_that_make_no_feature_are_said():
    rare = np.array([1.0] + [0.0] * 59)
    said = said_to(table(x=X, notes=[f"note {k:c}" for k in range(60, 120)], hiv=rare))
    assert "texts without a category that is frequent enough to be published: 'notes'" in said[1]
    assert "too few patients of one of its values to publish them: 'hiv'" in said[0]


def test_a_table_with_nothing_of_the_study_is_refused():
    with pytest.raises(BadInput, match="None of the study's 1 columns"):
        said_to(table(alter=X), table(age=X), table(age=X))


def test_categories_that_differ_in_spelling_are_said():
    said = said_to(table(sex=words("M", "F"), x=X), table(sex=words("m", "f"), x=X))
    assert "'M', 'm'" in " ".join(said)
    assert said_to(table(sex=words("M", "F"), x=X), table(sex=words("F", "M"), x=X)) == []


@pytest.mark.parametrize("factor", [18.0, 1 / 18.0, 88.4, 2.2, 1 / 2.54])
def test_another_unit_is_seen_against_the_others(factor):
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 80)
    parts = [dataset(y, glucose=rng.normal(95, 12, 80), x=rng.normal(size=80)) for _ in range(3)]
    odd = dataset(y, glucose=rng.normal(95, 12, 80) * factor, x=rng.normal(size=80))
    assert "unit" in topics(look(odd, *parts))
    assert topics(look(parts[0], *parts[1:], odd)) == []


def test_a_shift_of_half_a_deviation_is_no_other_unit():
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 80)
    parts = [dataset(y, crp=rng.lognormal(1 + 0.5 * k, 1, 80)) for k in range(3)]
    assert topics(look(parts[2], *parts[:2])) == []


@pytest.mark.parametrize("seed", range(5))
def test_inverted_labels_are_refused_and_true_ones_are_not(seed):
    rng = np.random.default_rng(seed)

    def hospital(rows):
        y = rng.integers(0, 2, rows)
        x = rng.normal(size=(rows, 6)) + np.outer(y, [0.9, -0.7, 0.5, 0, 0, 0]) + rng.normal(size=6)
        return dataset(y, **{f"x{k}": x[:, k] for k in range(6)})

    parts = [hospital(n) for n in (60, 120, 200)]
    assert topics(look(parts[0], *parts[1:])) == []
    odd = hospital(80)
    inverted = dataset(1 - odd.y, **{n: odd.x[:, k] for k, n in enumerate(odd.features)})
    with pytest.raises(BadInput, match="The labels look inverted"):
        look(inverted, *parts)


def test_one_class_where_others_have_both_is_said():
    rng = np.random.default_rng(5)
    both = dataset(rng.integers(0, 2, 80), x=rng.normal(size=80))
    controls = dataset(np.zeros(30), x=rng.normal(size=30))
    assert topics(look(controls, both, both)) == ["site and outcome confounded"]


def test_far_values_are_said():
    design = design_of(table(x=X))
    (sentence,) = outliers(design, table(x=X * 1000))
    assert "59 values are more than 10 standard deviations" in sentence
    assert outliers(design, table(x=X)) == []


def test_gaps_in_new_rows_are_said():
    design = design_of(table(x=X, sex=words("F", "M")))
    new = table(x=np.where(X < 3, np.nan, X), sex=words("F", "diverse"))
    said = gaps(design, new)
    assert "Column 'x' is empty in 3 of 60 rows" in said[0]
    assert "categories in 30 of 60 rows that the model does not know" in said[1]
    assert "diverse" not in " ".join(said)
