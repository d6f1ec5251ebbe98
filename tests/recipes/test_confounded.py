"""A hospital whose outcomes differ from the others' is told before it standardises by itself."""

from dataclasses import replace

import numpy as np
import pytest
from data_tools import dataset, merged

from swarmhub.contract.records import Declaration, Outcome, Spec
from swarmhub.data.findings import Findings
from swarmhub.data.reading import Files
from swarmhub.data.schema import Schema
from swarmhub.data.summaries import statistics_of
from swarmhub.errors import BadInput
from swarmhub.operations.data_check import check_data
from swarmhub.recipes.confounded import TOPIC, check_standardised, chi_square, welch
from swarmhub.recipes.designing import make_design
from swarmhub.recipes.preparing import Sources, prepare
from swarmhub.recipes.survival.kaplan_meier import chi_square_tail

OUTCOMES = {
    "binary": Outcome("y", positive=("1",)),
    "classes": Outcome("y", "classes", classes=("a", "b", "c")),
    "continuous": Outcome("y", "continuous"),
    "time_to_event": Outcome("y", "time_to_event", positive=("1",), time="days"),
}


def terms(kind, word="own"):
    return Spec("s", data=Declaration(OUTCOMES[kind]), options={"standardise": word})


def prepared(folder, kind, outcomes, word="own"):
    """A hospital's files with these outcomes, read for a study."""
    rows = [f"{y},{k},{20 + k % 11}.5" for k, y in enumerate(outcomes)]
    path = folder / "t.csv"
    path.write_text("y,days,crp\n" + "\n".join(rows) + "\n")
    return prepare(terms(kind, word), Sources(Files((path,))), Findings())


@pytest.mark.parametrize(
    ("kind", "outcomes"),
    [("binary", [1] * 40), ("classes", ["b"] * 40), ("continuous", [5.5] * 40),
     ("time_to_event", [0] * 40)],
)  # fmt: skip
def test_a_hospital_with_one_outcome_is_refused_before_anything_leaves(tmp_path, kind, outcomes):
    with pytest.raises(BadInput, match="would tell nothing of the outcome; leave this hospital"):
        prepared(tmp_path, kind, outcomes)
    assert prepared(tmp_path, kind, outcomes, "pooled").training.rows
    checked = check_data(terms(kind), Sources(Files((tmp_path / "t.csv",))))
    assert not checked.is_usable
    assert [f.topic for f in checked.findings if f.level == "error"] == [TOPIC]


@pytest.mark.parametrize(
    ("kind", "outcomes"),
    [("binary", [0, 1] * 20), ("classes", ["a", "b"] * 20),
     ("continuous", [k * 7 % 40 for k in range(40)]), ("time_to_event", [1] * 40)],
)  # fmt: skip
def test_a_hospital_with_several_outcomes_is_not(tmp_path, kind, outcomes):
    assert prepared(tmp_path, kind, outcomes).training.rows


def warned(kind, here, *others, patients_of=1):
    """Warnings to the first of the hospitals with these outcomes."""
    schema = Schema.of(Declaration(OUTCOMES[kind]))
    rng = np.random.default_rng(0)
    parts = []
    for y in (here, *others):
        people = np.arange(len(y)) // patients_of
        part = dataset(np.array(y), people, crp=rng.normal(size=len(y)))
        parts.append(replace(part, kind=kind))
    document, found = merged(*parts), Findings()
    design = make_design(document, schema.declaration, schema)
    check_standardised(design, (parts[0], statistics_of(parts[0])), document, schema, found)
    return [f.sentence for f in found.found if f.level == "warning" and f.topic == TOPIC]


def labels(*counts):
    return np.repeat(np.arange(len(counts)), counts)


def test_shares_that_differ_clearly_are_warned_of():
    (said,) = warned("binary", labels(20, 60), labels(60, 30), labels(60, 30))
    assert said.startswith("75% of the rows here are 'positive', at the others 33% (chi-square")
    assert "takes a part of the outcome out of its inputs" in said
    (said,) = warned("classes", labels(60, 20, 20), labels(50, 50, 50))
    assert said.startswith("60% of the rows here are 'a', at the others 33%")


@pytest.mark.parametrize(
    ("kind", "here", "there"),
    [
        ("binary", (40, 40), (50, 40)),
        ("binary", (4, 7), (60, 50)),  # few rows: chance
        ("binary", (4400, 5600), (5000, 5000)),  # significant, and small
        ("classes", (30, 30, 40), (50, 50, 50)),
        ("classes", (40, 40, 0), (40, 40, 3)),
    ],
)
def test_shares_that_are_alike_or_uncertain_are_not(kind, here, there):
    assert warned(kind, labels(*here), labels(*there)) == []


def test_means_that_differ_clearly_are_warned_of():
    rng = np.random.default_rng(1)
    young, old, same = rng.normal(30, 9, 60), rng.normal(60, 9, 80), rng.normal(60, 9, 80)
    (said,) = warned("continuous", young, old, same)
    assert said.startswith(f"The outcome's mean is {young.mean():.4g} here and ")
    assert f"{np.append(old, same).mean():.4g} at the others (Welch's test, p = " in said
    assert warned("continuous", same, old, old) == []
    assert warned("continuous", young[:3], old) == []  # withheld
    assert warned("continuous", rng.normal(62, 9, 4000), rng.normal(60, 9, 4000)) == []  # small


def test_events_are_not_compared():
    assert warned("time_to_event", labels(5, 60), labels(60, 5)) == []


def test_rows_of_one_patient_count_once():
    assert len(warned("binary", labels(12, 24), labels(120, 80))) == 1
    assert warned("binary", labels(12, 24), labels(120, 80), patients_of=6) == []


@pytest.mark.parametrize(
    "table", [[[20, 60], [60, 30]], [[5, 0, 9, 3], [50, 0, 20, 7]], [[1, 2, 3], [3, 2, 1]]]
)
def test_the_chi_square_test_is_that_of_scipy(table):
    stats = pytest.importorskip("scipy.stats")
    counts = np.array(table)
    statistic, degrees = chi_square(counts)
    other = stats.chi2_contingency(counts[:, counts.sum(axis=0) > 0], correction=False)
    assert (statistic, degrees) == (pytest.approx(other.statistic), other.dof)
    assert chi_square_tail(statistic, degrees) == pytest.approx(other.pvalue)


def test_welch_s_test_is_that_of_scipy_on_the_rows():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(4)
    here, there = rng.normal(50, 9, 40), rng.normal(57, 4, 300)
    every = np.append(here, there)
    moments = [(len(v), v.mean(), ((v - v.mean()) ** 2).sum()) for v in (every, here)]
    mean, other, z = welch(*moments)
    assert (mean, other) == (pytest.approx(here.mean()), pytest.approx(there.mean()))
    assert z == pytest.approx(stats.ttest_ind(here, there, equal_var=False).statistic)
