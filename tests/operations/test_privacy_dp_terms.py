"""Differential privacy in the terms: TOML to records and back, noise that suffices, and words."""

import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from swarmhub.cli.app import app
from swarmhub.contract.records import Privacy
from swarmhub.contract.records.privacy import DifferentialPrivacy
from swarmhub.contract.stages import get_stages
from swarmhub.errors import BadInput
from swarmhub.operations.privacy_budget import (
    check_budget_terms,
    compute_least_noise,
    compute_reached,
)
from swarmhub.operations.privacy_terms import (
    MODES,
    Numbers,
    choose_privacy,
    name_mode,
    set_privacy,
    write_privacy,
)
from swarmhub.operations.privacy_words import EXCLUDES, list_excluded, say_privacy, say_spent
from swarmhub.operations.studies import parse_spec
from swarmhub.privacy.accounting import compute_delta

pytestmark = pytest.mark.unit

HEAD = 'name = "s"\nmin_peers = 3\nrounds = 7\n'
FULL = """[privacy]
masked = true
colluders = 2
clip = 3.5
[privacy.dp]
epsilon = 2.5
delta = 1e-6
clip = 0.25
steps = 9
unit = "record"
noise = 12.000001
"""


def read(privacy):
    return parse_spec(HEAD + privacy, "the terms").privacy


def find_sigma(epsilon, delta, steps):
    """The least noise by plain bisection: an oracle beside `compute_noise`."""
    low, high = 1e-3, 1e6
    for _ in range(200):
        middle = (low + high) / 2
        if compute_delta(math.sqrt(steps) / middle, epsilon) > delta:
            low = middle
        else:
            high = middle
    return high


def test_a_whole_table_is_read_exactly():
    budget = DifferentialPrivacy(2_500_000, 1_000_000, 250_000, 12_000_001, 9, "record")
    assert read(FULL) == Privacy(True, 2, 3_500_000, budget)
    assert read(write_privacy(read(FULL))) == read(FULL)


def test_what_is_left_out_is_as_usual_and_the_noise_suffices():
    found = read("[privacy.dp]\n").dp
    assert found.steps == 7, "as many as there are rounds"
    assert found == replace(MODES["dp"].dp, steps=7, noise_millionths=found.noise_millionths)
    sigma = find_sigma(3.0, 1e-5, 7)
    assert 0 <= found.noise_millionths - sigma * 1e6 < 1.001
    assert compute_reached(found, 7) <= 3.0 < compute_reached(found, 7) + 1e-5


@pytest.mark.parametrize("steps", [1, 7, 10_000])
@pytest.mark.parametrize("epsilon", [100_000, 3_000_000, 50_000_000])
def test_noise_that_is_computed_is_the_least(epsilon, steps):
    dp = DifferentialPrivacy(epsilon, 10_000_000, 1_000_000, 0, steps)
    least = replace(dp, noise_millionths=compute_least_noise(dp))
    check_budget_terms(replace(parse_spec(HEAD, "t"), privacy=Privacy(dp=least)))
    less = replace(least, noise_millionths=least.noise_millionths - 2)
    with pytest.raises(BadInput):
        check_budget_terms(replace(parse_spec(HEAD, "t"), privacy=Privacy(dp=less)))


def test_noise_that_does_not_suffice_is_refused_with_both_numbers():
    with pytest.raises(BadInput) as found:
        read("[privacy.dp]\nepsilon = 1.0\nnoise = 2.0\nsteps = 10\n")
    said = str(found.value)
    assert "within epsilon = 1.0" in said
    reached = float(re.search(r"noise = 2.0, gives epsilon = ([0-9.]+)\.", said)[1])
    assert compute_delta(math.sqrt(10) / 2, reached) <= 1e-5
    assert compute_delta(math.sqrt(10) / 2, reached - 0.002) > 1e-5
    least = float(re.search(r"it is ([0-9.]+) then", said)[1])
    assert least == pytest.approx(find_sigma(1.0, 1e-5, 10), abs=2e-6)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("epsilon = 0", "privacy.dp.epsilon as a number above 0 and up to 100"),
        ("epsilon = 100.000001", "up to 100"),
        ("delta = 0.01", "privacy.dp.delta as a number above 0 and up to 0.001"),
        ("delta = 1e-13", "in steps of 0.000000000001"),
        ("clip = true", "privacy.dp.clip as a number"),
        ("noise = 0.0000001", "in steps of 0.000001"),
        ("steps = 0", "privacy.dp.steps from 1 to 10000"),
        ("steps = 10001", "privacy.dp.steps from 1 to 10000"),
        ("epsilon = 3.0\nepsilon_millionths = 5", "got both"),
        ('unit = "ward"', "patient, record"),
        ("epsilon = 0.000001\ndelta = 1e-12", "fewer privacy.dp.steps"),
    ],
)
def test_numbers_that_cannot_be_get_one_sentence(line, expected):
    with pytest.raises(BadInput, match=re.escape(expected)) as found:
        read(f"[privacy.dp]\n{line}\n")
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("before", ["", FULL, 'privacy = "masked,dp"\n', "privacy.masked = true\n"])
def test_each_mode_takes_the_place_of_another(mode, before):
    text = set_privacy(HEAD + before, MODES[mode])
    found = parse_spec(text, "the terms").privacy
    assert name_mode(found) == mode
    assert found == read(f'privacy = "{mode}"\n')


def test_a_choice_changes_the_numbers_that_it_names():
    text = choose_privacy(HEAD, "dp", Numbers(epsilon="2", delta="1e-7"))
    budget = parse_spec(text, "the terms").privacy.dp
    assert (budget.epsilon_millionths, budget.delta_trillionths) == (2_000_000, 100_000)
    text = choose_privacy(HEAD + FULL, "masked,dp", Numbers(patient_clip="0.5"))
    privacy = parse_spec(text, "the terms").privacy
    assert privacy == replace(read(FULL), dp=replace(read(FULL).dp, clip_millionths=500_000))
    text = choose_privacy(HEAD + FULL, "dp", Numbers(epsilon="8"))
    privacy = parse_spec(text, "the terms").privacy
    assert (privacy.masked, privacy.dp.epsilon_millionths, privacy.dp.steps) == (
        False,
        8_000_000,
        9,
    )
    assert privacy.dp.noise_millionths == compute_least_noise(privacy.dp), "computed anew"


def test_a_draft_has_noise_if_it_is_asked_for(tmp_path):
    out = tmp_path / "study.toml"
    done = CliRunner().invoke(app, ["study", "new", "--privacy", "dp", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "[privacy.dp]" in out.read_text()
    assert "# [[data.scales]]" in out.read_text()
    assert "! A study with privacy.dp merges no statistics" in done.output


def test_terms_of_rounds_get_the_stages_that_have_noise():
    stages = get_stages(parse_spec(HEAD + 'privacy = "dp"\n', "t"))
    assert [(s.kind, s.max_rounds) for s in stages] == [("initial", 1), ("train", 7)]
    stages = get_stages(parse_spec(HEAD + 'statistics = true\nprivacy = "dp"\n', "t"))
    assert [s.kind for s in stages] == ["describe", "initial", "train"], "the contract refuses it"


# words


def test_words_say_what_epsilon_means():
    said = dict(say_privacy(read("[privacy.dp]\nepsilon = 1.0\n")))
    assert "epsilon = 1.0, delta = 0.00001 for each patient" in said["privacy"]
    assert "by a factor of at most 2.72" in said["privacy"], "e"
    assert "at most 73% sure" in said["privacy"], "e / (1 + e)"
    assert "1 in 100,000" in said["privacy"]
    assert "7 noisy contributions" in said["covered"]
    for words in ("samples", "times and sizes", "elsewhere", "kept at home", "budget_epsilon"):
        assert words in said["not hidden"]


def test_words_say_the_noise_of_each_hospital():
    dp = DifferentialPrivacy(3_000_000, 10_000_000, 500_000, 8_000_000, 5)
    assert "8 x 0.5 = 4" in dict(say_privacy(Privacy(dp=dp), 4))["noise"]
    said = dict(say_privacy(Privacy(True, 1, dp=dp), 4))["noise"]
    assert "with 4 hospitals 4 / sqrt(2) = 2.828" in said, "3 shares open, and one colludes"
    assert "unless" not in dict(say_privacy(Privacy(dp=dp)))["privacy"]


def test_each_mode_lists_what_it_excludes():
    masked, dp = list_excluded(Privacy(True)), list_excluded(MODES["dp"])
    assert {*masked, *dp} == {*list_excluded(MODES["masked,dp"])}
    assert {*masked, *dp} == {(what, why) for _, what, why in EXCLUDES}
    assert any("statistics" in what for what, _ in dp)
    assert not any("statistics" in what for what, _ in masked)


def test_the_guide_has_the_same_table():
    guide = (Path(__file__).parents[2] / "docs/guides/privacy.md").read_text()
    rows = [line for line in guide.splitlines() if line.startswith("| ")]
    for by, what, why in EXCLUDES:
        marks = ["x" if mode in by else "" for mode in ("masked", "dp")]
        assert f"| {what} | {marks[0]} | {marks[1]} | {why} |" in rows


def test_steps_spent_are_said_of_each_member():
    dp = replace(MODES["dp"].dp, steps=4, noise_millionths=4_000_000)
    (_, ulm), (_, bonn) = say_spent(Privacy(dp=dp), [("Ulm", 4), ("Bonn", 0)])
    assert ulm.startswith("Ulm: 4 of 4 steps, epsilon = ")
    assert "nothing more" in ulm
    assert bonn == "Bonn: 0 of 4 steps, epsilon = 0 of 3"
    assert say_spent(Privacy(), [("Ulm", 1)]) == []
