"""The demo with masked sums: the same model as in plain, and nothing of a hospital in plain."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from swarmhub.cli.app import app
from swarmhub.errors import BadInput
from swarmhub.home.home import Home
from swarmhub.models.folder import read_model
from swarmhub.operations.sent import read_sent

pytestmark = pytest.mark.process

COMMAND = [sys.executable, "-m", "swarmhub", "demo"]


def demo(*arguments):
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=240
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Home and JSON of a plain and of a masked run of the default, the recipe logistic."""
    found = {}
    for mode in ("plain", "masked"):
        root = tmp_path_factory.mktemp(mode) / "d"
        done = demo("--json", "--privacy", mode, "--home", root)
        assert done.returncode == 0, done.stderr
        found[mode] = root, json.loads(done.stdout)
    return found


def arrays_of(root):
    return read_model(root / "model").arrays


def test_masked_and_plain_runs_give_the_same_model(runs):
    plain, masked = (arrays_of(runs[mode][0]) for mode in ("plain", "masked"))
    assert masked.keys() == {"bias", "weight"}
    assert np.abs(plain["weight"]).max() > 0.1
    for name in masked:
        np.testing.assert_allclose(masked[name], plain[name], atol=1e-4)


def test_masked_sums_reach_the_pooled_model(runs):
    plain, found = (runs[mode][1] for mode in ("plain", "masked"))
    assert (found["privacy"], found["nodes"], found["rounds"]) == ("masked", 4, 1)
    assert abs(found["auc"]["swarm"] - plain["auc"]["swarm"]) < 0.001
    assert abs(found["auc"]["swarm"] - found["auc"]["central"]) < 0.001


def sent_by(root):
    homes = sorted(root.glob("sites/*/home"))
    assert len(homes) == 4
    return [entry for home in homes for entry in read_sent(Home.open(home), "demo")]


def test_no_hospital_sends_numbers_of_its_own_in_plain(runs):
    kinds = {mode: {e.kind for e in sent_by(runs[mode][0])} for mode in runs}
    masked, plain = {"masked parameters", "masked sums"}, {"parameters", "sums", "counts"}
    assert (kinds["masked"] >= masked, kinds["masked"] & {*plain, "metrics"}) == (True, set())
    assert (kinds["plain"] >= plain, kinds["plain"] & masked) == (True, set())


def test_the_report_of_a_masked_study_is_of_all_hospitals_together(runs):
    pages = {
        mode: re.sub(r"<[^>]*>", "", (runs[mode][0] / "report.html").read_text()) for mode in runs
    }
    assert "in masked rounds no hospital publishes what it measures" in pages["masked"]
    assert "Figures of each hospital are not shown: the study is masked" in pages["masked"]
    assert "Not hidden: each hospital" in pages["masked"]
    assert "leave without masks and without noise" in pages["plain"]
    assert "Not hidden" not in pages["plain"]
    areas = [re.search(r"perfect order\)(0\.\d+)", pages[mode]).group(1) for mode in runs]
    assert float(areas[0]) == pytest.approx(float(areas[1]), abs=0.002)


CLASSES = """
name = "s"
title = "Which type?"
min_peers = 3
rounds = 8
privacy = "masked"
options = { model = "fedavg" }
[data.outcome]
column = "type"
kind = "classes"
classes = ["B", "T", "NK"]
"""


def test_masked_terms_of_several_classes_train_a_mean_of_models(tmp_path):
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
        (["--privacy", "masked", "--model", "mlp"],
         "fedavg or deep or cnn with --privacy masked, got 'mlp'"),
        (["--privacy", "hidden"], "--privacy plain or masked or dp or masked,dp, got 'hidden'"),
        (["--privacy", "masked", "--site", "A=a.csv", "--site", "B=b.csv"],
         "3 sites or more with --privacy masked, got 2"),
        (["--privacy", "masked", "--merge", "trimmed_mean"], "no --merge and no --max-share with"),
        (["--privacy", "masked", "--study", "s.toml", "--site", "A=a.csv"], "the terms say it"),
    ],
)  # fmt: skip
def test_what_cannot_be_masked_gets_one_sentence(tmp_path, arguments, words):
    done = CliRunner().invoke(app, ["demo", "--home", str(tmp_path / "d"), *arguments])
    assert isinstance(done.exception, BadInput)
    assert words in str(done.exception)
    assert "\n" not in str(done.exception)
