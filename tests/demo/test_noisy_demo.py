"""The demo with noise: its terms, its closing words, and one run with masks and noise."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from swarmhub.cli.demo import need_model
from swarmhub.demo.options import Options
from swarmhub.demo.privacy import say_budget, say_measured
from swarmhub.demo.sites import make_spec
from swarmhub.errors import BadInput
from swarmhub.operations.budgets import StepsOf, StudyBudget
from swarmhub.operations.evidence.crate import CONTENTS
from swarmhub.operations.privacy_budget import check_budget_terms

HERE = Path()


def options(privacy, epsilon="", model="fedavg", rounds=10):
    return Options(HERE, "label", rounds, model, False, None, privacy=privacy, epsilon=epsilon)


@pytest.mark.unit
@pytest.mark.parametrize("privacy", ["dp", "masked,dp"])
def test_the_terms_of_a_noisy_demo_have_the_epsilon_that_is_asked_for(privacy):
    spec = make_spec(options(privacy, "2.5"), 4)
    check_budget_terms(spec)
    dp = spec.privacy.dp
    assert (dp.epsilon_millionths, dp.steps, spec.privacy.masked) == (2_500_000, 10, "," in privacy)
    assert [s.kind for s in spec.stages] == ["initial", "train"]
    assert {scale.columns for scale in spec.data.scales} >= {("age",), ("chol",)}


@pytest.mark.unit
def test_the_model_of_a_noisy_demo_is_one_that_bounds_a_patients_part():
    assert need_model("", "dp") == need_model("", "masked,dp") == "fedavg"
    assert need_model("", "plain") == "logistic"
    with pytest.raises(BadInput, match="--model fedavg with --privacy dp, got 'logistic'"):
        need_model("logistic", "dp")


@pytest.mark.unit
@pytest.mark.parametrize(
    ("privacy", "epsilon", "words"),
    [
        ("masked", "3", "--epsilon with --privacy dp"),
        ("dp", "many", "privacy.dp.epsilon as a number above 0"),
        ("dp", "101", "up to 100"),
    ],
)
def test_an_epsilon_that_cannot_be_gets_one_sentence(privacy, epsilon, words):
    with pytest.raises(BadInput, match=words):
        make_spec(options(privacy, epsilon), 4)


@pytest.mark.unit
def test_the_closing_words_say_what_is_spent():
    spent = (StepsOf(1, "A", 4, 1.23456), StepsOf(2, "B", 3, 1.0))
    said = say_budget(StudyBudget("demo", True, 3.0, 1e-5, 4.0, 4.4, 10, "patient", spent))
    assert "epsilon = 1.235 of 3 at delta = 1e-05 for each patient" in said, "rounded up"
    assert "by 4 of 10 noisy contributions" in said


@pytest.mark.unit
def test_the_closing_words_have_each_hospitals_own_figure(tmp_path):
    spec = SimpleNamespace(name="demo", metric=SimpleNamespace(name="auc"))
    figures = {"evaluation": {"swarm": {"figures": {"auc": {"value": 0.8125}}}}}
    (tmp_path / "record.json").write_text(json.dumps(figures))
    named = [("A", tmp_path), ("B", tmp_path / "nothing")]
    homes = [
        SimpleNamespace(config=SimpleNamespace(name=n), local_path=lambda study, p=p: p)
        for n, p in named
    ]
    said = say_measured(spec, homes, 0.9)
    assert "AUC by each hospital on its own test patients, kept there: A 0.812" in said
    assert "all data pooled, without noise, on all: 0.900" in said


@pytest.mark.process
def test_a_run_with_masks_and_noise_spends_its_budget(tmp_path):
    told = ["--privacy", "masked,dp", "--epsilon", "8", "--rounds", "2", "--home", tmp_path / "d"]
    command = [sys.executable, "-m", "swarmhub", "demo", "--json", *map(str, told)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["privacy"], found["rounds"]) == ("masked,dp", 2)
    assert [s["steps"] for s in found["budget"]["spent"]] == [2, 2, 2, 2]
    assert all(7.9 < s["epsilon"] <= 8.0 for s in found["budget"]["spent"])
    assert found["auc"]["swarm"] > 0.7, "0.85 without noise"
    page = (tmp_path / "d" / "report.html").read_text()
    assert "Privacy budget: epsilon = 8" in page
    assert "in a study with noise no hospital publishes what it measures" in page
    assert "privacy/budget.json" in CONTENTS
