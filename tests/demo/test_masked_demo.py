"""The demo with masked rounds: the same model as in plain, and nothing of a hospital in plain."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from swarmhub.home.home import Home
from swarmhub.models.folder import read_model
from swarmhub.operations.sent import read_sent

pytestmark = pytest.mark.process

COMMAND = [sys.executable, "-m", "swarmhub", "demo"]
ROUNDS = 4


def demo(*arguments):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=240
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Home and JSON of a plain and of a masked run of the recipe fedavg."""
    found = {}
    for mode in ("plain", "masked"):
        root = tmp_path_factory.mktemp(mode) / "d"
        told = ["--model", "fedavg"] if mode == "plain" else ["--privacy", "masked"]
        done = demo("--json", "--rounds", ROUNDS, "--home", root, *told)
        assert done.returncode == 0, done.stderr
        found[mode] = root, json.loads(done.stdout)
    return found


def arrays_of(root):
    return read_model(root / "model").arrays


def test_masked_and_plain_runs_give_the_same_model(runs):
    plain, masked = (arrays_of(runs[mode][0]) for mode in ("plain", "masked"))
    assert plain.keys() == masked.keys() == {"bias", "weight"}
    assert np.abs(plain["weight"]).max() > 0.1
    for name in plain:
        np.testing.assert_allclose(masked[name], plain[name], atol=1e-5)


def test_masked_rounds_reach_the_pooled_model(runs):
    _, found = runs["masked"]
    assert found["privacy"] == "masked"
    assert (found["nodes"], found["rounds"]) == (4, ROUNDS)
    assert abs(found["auc"]["swarm"] - 0.881) < 0.005


def sent_by(root):
    homes = sorted(root.glob("sites/*/home"))
    assert len(homes) == 4
    return [entry for home in homes for entry in read_sent(Home.open(home), "demo")]


def test_no_hospital_sends_parameters_in_plain(runs):
    kinds = {mode: {e.kind for e in sent_by(runs[mode][0])} for mode in runs}
    assert "masked parameters" in kinds["masked"]
    assert "parameters" not in kinds["masked"]
    assert "parameters" in kinds["plain"]
    assert "masked parameters" not in kinds["plain"]


def test_the_report_of_a_masked_study_says_what_it_excludes(runs):
    pages = {
        mode: re.sub(r"<[^>]*>", "", (runs[mode][0] / "report.html").read_text()) for mode in runs
    }
    assert "in masked rounds no hospital publishes what it measures" in pages["masked"]
    assert "Not hidden: each hospital" in pages["masked"]
    assert "leave without masks and without noise" in pages["plain"]
    assert "Not hidden" not in pages["plain"]


CLASSES = """
name = "s"
title = "Which type?"
min_peers = 3
rounds = 8
privacy = "masked"
[data.outcome]
column = "type"
kind = "classes"
classes = ["B", "T", "NK"]
"""


def test_masked_terms_of_several_classes_train_their_default_model(tmp_path):
    rng, arguments = np.random.default_rng(0), []
    (tmp_path / "s.toml").write_text(CLASSES)
    for name in ("A", "B", "C"):
        codes = rng.integers(0, 3, 80)
        values = rng.normal(size=(80, 3)) + 2 * np.eye(3)[codes]
        words = np.array(["B", "T", "NK"])[codes]
        rows = (f"{w},{x},{y},{z}" for w, (x, y, z) in zip(words, values, strict=True))
        (tmp_path / f"{name}.csv").write_text("\n".join(["type,x,y,z", *rows]) + "\n")
        arguments += ["--site", f"{name}={tmp_path / name}.csv"]
    done = demo("--json", "--study", tmp_path / "s.toml", "--home", tmp_path / "d", *arguments)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["auc"]
    assert found["swarm"] == pytest.approx(found["central"], abs=0.04)
    assert arrays_of(tmp_path / "d")["weight"].shape == (3, 3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--privacy", "masked", "--model", "logistic"],
         "--model fedavg or deep or cnn with --privacy masked, got 'logistic'"),
        (["--privacy", "hidden"], "--privacy plain or masked or dp or masked,dp, got 'hidden'"),
        (["--privacy", "masked", "--site", "A=a.csv", "--site", "B=b.csv"],
         "3 sites or more with --privacy masked, got 2"),
        (["--privacy", "masked", "--merge", "trimmed_mean"], "no --merge and no --max-share with"),
        (["--privacy", "masked", "--study", "s.toml", "--site", "A=a.csv"], "the terms say it"),
    ],
)  # fmt: skip
def test_what_cannot_be_masked_gets_one_sentence(tmp_path, arguments, words):
    done = demo("--home", tmp_path / "d", *arguments)
    lines = done.stderr.strip().splitlines()
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1
    assert words in lines[0]
