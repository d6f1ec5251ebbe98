"""From nodes that train to a stranger's machine that scores and evaluates, by commands."""

import csv
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from model_tools import text_of, write
from swarm import Network, make_spec, swarmhub

from swarmhub.models.folder import read_model
from swarmhub.operations.evidence.verify import verify_evidence

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


# the stock tool, of the extra [signing] or in an environment of its own
TOOL = os.environ.get("SWARMHUB_MODEL_SIGNING") or shutil.which("model_signing")


def released(trained):
    """Both hospitals release the best model."""
    homes, digest = [h.root for h in trained.homes], trained.study("park").best.digest
    if not trained.study("park").released:
        ok("study", "release", "park", "--model", digest, "--home", homes[0])
        ok("consortium", "vote", "1", "--aye", "--home", homes[1])
    assert trained.study("park").released[0].digest == digest


def verified(folder, key):
    """Let the stock tool verify a folder."""
    words = [TOOL, "verify", "key", folder, "--signature", folder / "model.sig"]
    words += ["--public_key", key]
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=60)
    return done.returncode == 0


@pytest.fixture(scope="module")
def signed(trained, folder, tmp_path_factory):
    """A released model's folder with a signature, and the hospitals' keys."""
    root, home = tmp_path_factory.mktemp("signed"), trained.homes[0].root
    copy = shutil.copytree(folder, root / "model")
    before = swarmhub("model", "sign", copy, "--study", "park", "--home", home)
    assert before.returncode == 2
    assert "is not released" in before.stderr
    released(trained)
    ok("model", "sign", copy, "--study", "park", "--home", home)
    ok("model", "keys", "--study", "park", "--out", root / "keys", "--home", home)
    return copy, root / "keys"


@pytest.mark.process
def test_a_signed_model_has_the_vote(trained, signed):
    folder, keys = signed
    found = json.loads((folder / "release.json").read_bytes())
    study = trained.study("park")
    assert (found["model"], found["terms"]) == (study.best.digest, study.best.spec)
    assert [(v["name"], v["aye"]) for v in found["votes"]] == [
        ("Hospital 1", True), ("Hospital 2", True),
    ]  # fmt: skip
    assert sorted(p.name for p in keys.iterdir()) == ["1-hospital-1.pem", "2-hospital-2.pem"]
    assert read_model(folder).origin.digest == study.best.digest


@pytest.mark.process
@pytest.mark.skipif(not TOOL, reason="model_signing is not installed")
def test_the_stock_tool_verifies_a_signed_model(signed, tmp_path):
    folder, keys = signed
    assert verified(folder, keys / "1-hospital-1.pem")
    assert not verified(folder, keys / "2-hospital-2.pem")
    dice = random.Random(1)
    for name in sorted(p.name for p in folder.iterdir()):
        copy = shutil.copytree(folder, tmp_path / name)
        data = bytearray((copy / name).read_bytes())
        at = dice.randrange(len(data)) if name != "model.sig" else data.index(b'"sig"') + 20
        data[at] ^= 1
        (copy / name).write_bytes(data)
        assert not verified(copy, keys / "1-hospital-1.pem"), name


@pytest.mark.process
def test_another_model_than_the_released_one_is_not_signed(trained, folder, tmp_path):
    released(trained)
    shutil.copytree(folder, tmp_path / "m")
    (tmp_path / "m" / "more.txt").write_text("?")
    home = trained.homes[0].root
    done = swarmhub("model", "sign", tmp_path / "m", "--study", "park", "--home", home)
    assert (done.returncode, "has 'more.txt' besides" in done.stderr) == (2, True)


@pytest.mark.process
def test_the_study_s_evidence_proves_itself(trained, tmp_path):
    released(trained)
    place, home = tmp_path / "evidence", trained.homes[1].root
    genesis = json.loads(ok("ledger", "verify", "--json", "--home", trained.homes[0].root))
    ok("evidence", "export", "park", "--out", place, "--home", home)
    ok("evidence", "verify", place, "--genesis", genesis["genesis"])
    found = verify_evidence(place, genesis["genesis"])
    assert (found.signed_by, found.executed, found.origin) == ("Hospital 2", True, "proven")
    assert "For research only" in (place / "model" / "README.md").read_text()
    lines = (place / "study" / "contributions.jsonl").read_bytes().splitlines()
    made = [json.loads(line) for line in lines]
    assert {m["name"] for m in made} == {"Hospital 1", "Hospital 2"}
    assert swarmhub("evidence", "verify", place).returncode == 3
