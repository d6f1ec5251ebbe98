"""The trainer for tables: who is held out, and what it says."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest

from swarmhub.contract.records import Spec
from swarmhub.data import statistics_of
from swarmhub.errors import BadInput, TrainerError
from swarmhub.recipes.trainer import Source, _Over, _Site, explain_no_say

TABLES = Path(__file__).parents[1] / "data" / "tables"
SPEC = Spec("s", 2, 2, statistics=True)


def read(*arguments, **options):
    said = []
    return *Source(*arguments, **options).read("s", said.append), said


def write(folder, name, text):
    (folder / name).write_text(text)
    return folder / name


def test_without_a_test_file_some_patients_are_held_out():
    training, held, said = read(TABLES / "hospital-a.csv", "label")
    assert (training.rows, held.rows) == (160, 40)
    assert said == [
        "40 of 200 rows are held out for evaluation, the same after every start, and not trained "
        "on; --test gives other patients, --hold-out another share."
    ]
    again = read(TABLES / "hospital-a.csv", "label")[1]
    assert again.columns["age"].tolist() == held.columns["age"].tolist()


def test_nobody_is_held_out_beside_a_test_file_or_on_request(tmp_path):
    data = TABLES / "hospital-a.csv"
    training, held, _ = read(data, "label", TABLES / "hospital-b.csv")
    assert (training.rows, held.rows) == (200, 200)
    training, held, _ = read(data, "label", hold_out=0.0)
    assert (training.rows, held) == (200, None)
    few = write(tmp_path, "few.csv", "y,x\n1,2\n0,3\n")
    assert read(few, "y")[1] is None


@pytest.mark.parametrize("share", [-0.1, 0.6, 20.0, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(BadInput, match=r"0 to 0\.5"):
        read(TABLES / "hospital-a.csv", "label", hold_out=share)


def test_a_test_file_with_other_columns_is_refused_or_said(tmp_path):
    data = write(tmp_path, "d.csv", "y,age,crp\n" + "1,2,3\n0,4,5\n" * 9)
    with pytest.raises(BadInput, match=r"t\.csv has 'Age' for 'age' in d\.csv"):
        read(data, "y", write(tmp_path, "t.csv", "y,Age,crp\n1,2,3\n0,4,5\n"))
    said = read(data, "y", write(tmp_path, "t.csv", "y,age\n1,2\n0,4\n"))[2]
    assert "t.csv lacks 1 columns of d.csv, the first is 'crp'" in said[-1]


def test_a_patient_in_both_files_is_said(tmp_path):
    data = write(tmp_path, "d.csv", "y,who,x\n" + "".join(f"{k % 2},p{k},{k}\n" for k in range(9)))
    test = write(tmp_path, "t.csv", "y,who,x\n1,p3,2\n0,q,4\n")
    said = read(data, "y", test, "who")[2]
    assert "1 patients of t.csv are in d.csv, too" in said[-1]


@pytest.mark.parametrize(
    ("metric", "found", "said"),
    [
        ("auc", {}, "No patients are held out here"),
        ("accuracy", {"auc": 0.8, "loss": 0.5}, "metric is 'accuracy', and this trainer measures"),
        ("auc", {"loss": 0.5}, "one label only"),
        ("auc", {"auc": 0.8, "loss": 0.5}, ""),
        ("loss", {"loss": 0.5}, ""),
    ],
)
def test_a_site_without_a_say_in_the_best_model_knows_why(metric, found, said):
    why = explain_no_say(metric, found)
    assert said in why
    assert bool(why) == bool(said) == ("this hospital has no say" in why)


def site(held_out=None, **options):
    """A site at a study that has merged its own table's statistics alone."""
    table, _, _ = read(TABLES / "hospital-a.csv", "label", hold_out=0.0)
    spec = dataclasses.replace(SPEC, **options)
    swarm = SimpleNamespace(study="s", spec=spec, merged_statistics=statistics_of(table))
    said = []
    return _Site(swarm, table, held_out, said.append), said


def test_a_site_that_fits_its_study_evaluates_without_a_word():
    here, said = site(read(TABLES / "hospital-b.csv", "label", hold_out=0.0)[0])
    here.make()
    assert {"auc", "loss", "samples"} == set(here.evaluate())
    assert said == []


def test_a_table_that_spells_names_otherwise_is_refused():
    here, _ = site()
    here._table = read(TABLES / "names-a.csv", "label", hold_out=0.0)[0]
    here.make()
    with pytest.raises(BadInput, match="'Age' for 'age'"):
        here.evaluate()


def test_a_study_without_statistics_is_refused_unless_it_is_over():
    here, _ = site(statistics=False)
    with pytest.raises(TrainerError, match="statistics = true"):
        here.make()
    here, _ = site()
    here._swarm.merged_statistics = None
    with pytest.raises(_Over):
        here.make()
