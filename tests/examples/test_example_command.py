"""`swarmhub example` as a user starts it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from swarmhub import load_model
from swarmhub.examples import NAMES

pytestmark = pytest.mark.process


def example(*arguments, timeout=180):
    command = [sys.executable, "-m", "swarmhub", "example", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def test_a_study_runs_from_the_raw_files_to_a_report(tmp_path):
    done = example("heart", "--json", "--home", tmp_path / "home")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["example"], found["measure"], found["nodes"]) == ("heart", "AUC", 4)
    scores = found["scores"]
    assert scores["swarm"] == pytest.approx(scores["central"], abs=0.01)
    assert scores["swarm"] > scores["local_mean"] + 0.02
    assert "heart" in Path(found["report"]).read_text()
    model = load_model(found["model"])
    assert len(model.predict(tmp_path / "home" / "tables" / "hungary.csv").probability) == 294


def test_without_a_name_all_examples_are_listed(tmp_path):
    done = example("--json", "--data", tmp_path)
    rows = json.loads(done.stdout)
    assert [row["name"] for row in rows] == list(NAMES)
    assert {row["name"]: row["there"] for row in rows}["heart"] is True
    assert {row["name"]: row["there"] for row in rows}["parkinson"] is False
    said = example("--data", tmp_path).stdout
    assert "parkinson: join the data sets 174, 301, 470 and 489" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["hart"], "Expected an example out of heart"),
        (["parkinson", "--data", "EMPTY"], "Expected parkinson_voice/pd_voice4.csv in"),
    ],
)
def test_bad_input_gets_one_sentence_and_leaves_nothing(tmp_path, arguments, words):
    given = [str(tmp_path) if a == "EMPTY" else a for a in arguments]
    done = example(*given, "--home", tmp_path / "home")
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert words in done.stderr
    assert not (tmp_path / "home").exists()
