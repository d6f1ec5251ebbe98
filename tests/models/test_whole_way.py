"""From nodes that train to a stranger's machine that scores and evaluates, by commands."""

import csv
import json
from pathlib import Path

import pytest
from model_tools import text_of, write
from swarm import Network, make_spec, swarmhub

from swarmhub.models.folder import read_model

PROGRAM = Path(__file__).parent / "programs" / "train_weights.py"


def ok(*arguments):
    done = swarmhub(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def table(shift):
    text = text_of(60, shift)
    return text.replace("diagnosis", "label").replace("healthy", "0").replace("PD", "1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network whose two hospitals have trained a model together, and its folder."""
    root = tmp_path_factory.mktemp("swarm")
    with Network(root, 2) as network:
        network.open_study(make_spec("park", rounds=2, statistics=True))
        for i in (1, 2):
            network.up(i)
            network.train(i, [PROGRAM, write(root, table(i), f"{i}.csv")])
        network.wait_until(lambda: network.study("park").status == "finished")
    return network


@pytest.fixture(scope="module")
def folder(trained):
    """The folder that a hospital has exported."""
    place = trained.root / "model"
    home = trained.homes[0].root
    said = ok("model", "export", "park", "--out", place, "--best", "--home", home)
    assert "after training round" in said
    return place


@pytest.mark.process
def test_a_trained_model_is_exported_with_its_origin(trained, folder):
    found = read_model(folder)
    study = trained.study("park")
    assert found.origin.digest == study.best.digest
    assert found.origin.spec == study.best.spec
    assert [c.name for c in found.origin.contributors] == ["Hospital 1", "Hospital 2"]
    assert found.design.class_rows == (60, 60)
    assert [(m.name, m.value) for m in found.measures] == [("auc", "0.7500")]
    assert sorted(found.arrays) == ["bias", "weight"]


@pytest.mark.process
def test_its_folder_scores_new_patients(folder, tmp_path):
    new, out = write(tmp_path, table(9), "new.csv"), tmp_path / "scores.csv"
    assert "Wrote the scores of 60 rows" in ok("predict", folder, "--data", new, "--out", out)
    with out.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["class"] for row in rows} == {"0", "1"}


@pytest.mark.process
def test_a_damaged_folder_is_one_sentence(folder, tmp_path):
    (tmp_path / "m").mkdir()
    for name in ("model.json", "model.safetensors"):
        (tmp_path / "m" / name).write_bytes((folder / name).read_bytes())
    done = swarmhub("predict", tmp_path / "m", "--data", "x.csv", "--out", tmp_path / "s.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "README.md" in done.stderr


@pytest.mark.process
def test_its_folder_is_evaluated_on_patients_elsewhere(folder, tmp_path):
    new, counts = write(tmp_path, table(5), "new.csv"), tmp_path / "counts.json"
    found = json.loads(ok("evaluate", folder, "--data", new, "--json", "--counts", counts))
    assert found["positives"] + found["negatives"] == 60
    assert set(json.loads(counts.read_text())) == {
        "format", "model", "architecture", "protocol", "counts",
    }  # fmt: skip
    said = ok("evaluate", folder, "--data", new)
    assert "Figures on these patients" in said
