"""Every decoder of others' bytes: kept examples, then mutations of them, a bounded number of runs.

The same harnesses run for as long as one likes with `python -m fuzz`. A crash that it finds is kept
in fuzz/corpus and so becomes a test here.
"""

import dataclasses
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz import __main__ as command
from fuzz import engine
from fuzz.harnesses import HARNESSES, Harness
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmhub.errors import Malformed

pytestmark = pytest.mark.campaign

ROOT = Path(__file__).parents[2]
RUNS = 1500  # about a second for each decoder
KEPT = sorted(engine.CORPUS.glob("*/*.bin"))


@pytest.fixture(autouse=True)
def corpus(tmp_path, monkeypatch):
    """Examples are read from the kept corpus; what a test finds does not go there."""
    kept = {name: engine.corpus_of(h) for name, h in HARNESSES.items()}
    monkeypatch.setattr(engine, "corpus_of", lambda h: kept.get(h.name) or h.examples())
    monkeypatch.setattr(engine, "CORPUS", tmp_path / "found")


def test_every_decoder_has_kept_examples_and_every_example_a_decoder():
    assert {p.parent.name for p in KEPT} == set(HARNESSES)
    for name, harness in HARNESSES.items():
        examples = [p for p in KEPT if p.parent.name == name and p.stem.startswith("example")]
        assert len(examples) >= len(harness.examples()), name
        harness.try_bytes(examples[0].read_bytes())  # it is a good one: nothing is raised
    assert sum(p.stat().st_size for p in KEPT) < 1 << 20, "the corpus stays small"


@pytest.mark.parametrize("path", KEPT, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_a_kept_input_ends_as_its_decoder_documents_within_its_memory(path):
    engine.measure(HARNESSES[path.parent.name], path.read_bytes())


@pytest.mark.parametrize("name", HARNESSES)
def test_mutations_end_as_the_decoder_documents(name):
    report = engine.fuzz(HARNESSES[name], seed=1, max_runs=RUNS)
    assert report.runs == RUNS
    assert not report.found, [p.read_bytes()[:2000] for p in report.found]


@settings(max_examples=50, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_end_as_every_decoder_documents(data):
    for harness in HARNESSES.values():
        harness(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)


@settings(max_examples=50, deadline=None)
@given(value=JSON, place=st.integers(0, 1 << 30))
def test_any_value_at_any_place_of_a_valid_document_ends_as_documented(value, place):
    for harness in HARNESSES.values():
        for example in harness.examples():
            try:
                document = json.loads(example)
            except ValueError:
                break
            if isinstance(document, dict) and document:
                document[sorted(document)[place % len(document)]] = value
                harness(json.dumps(document, sort_keys=True, separators=(",", ":")).encode())


# the engine itself can fail


def crashing(data):
    if b"9" in data:
        raise ZeroDivisionError
    raise Malformed("no")


def toy(try_bytes, **changes):
    return Harness("toy", try_bytes, lambda: [b'{"a":1}'], (Malformed,), **changes)


def test_a_crash_is_found_kept_and_reported_once():
    report = engine.fuzz(toy(crashing), seed=1, max_runs=RUNS)
    assert report.crashes > 1
    (path,) = report.found
    assert b"9" in path.read_bytes()
    assert json.loads(report.line()) == {
        "decoder": "toy", "runs": RUNS, "crashes": report.crashes,
        "peak_mb": round(report.peak_mb, 2),
    }  # fmt: skip


def test_too_much_memory_is_a_crash():
    report = engine.fuzz(toy(lambda data: bytearray(3 << 20), limit_mb=2), seed=1, max_runs=1)
    assert report.crashes == 1
    assert engine.fuzz(toy(lambda data: bytearray(1 << 20), limit_mb=2), 1, 1).crashes == 0


@pytest.mark.parametrize("said", ["two\nlines", "x" * 3000])
def test_a_refusal_of_two_lines_or_without_end_is_a_crash(said):
    def refuse(data):
        raise Malformed(said)

    with pytest.raises(AssertionError):
        toy(refuse)(b"")


def test_a_seed_gives_the_same_inputs_again():
    harness = HARNESSES["offers"]

    def first(seed):
        made = engine.inputs(harness, seed)
        return [next(made) for _ in range(50)]

    assert first(3) == first(3)
    assert first(3) != first(4)


def test_mutations_of_json_often_stay_canonical():
    chance, kept = random.Random(1), 0
    harness = HARNESSES["offers"]
    (example,) = harness.examples()
    for _ in range(200):
        data = engine.mutate_json(example, chance)
        try:
            engine.codec.decode(data)
            kept += 1
        except Malformed:
            pass
    assert kept > 100


def test_the_command_prints_a_line_for_a_decoder():
    done = subprocess.run(
        [sys.executable, "-m", "fuzz", "--minutes", "0.005", "--only", "leaves", "--seed", "2"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    (line,) = done.stdout.splitlines()
    report = json.loads(line)
    assert (report["decoder"], report["crashes"]) == ("leaves", 0)
    assert report["runs"] > 0


def test_the_command_replays_a_kept_input():
    done = subprocess.run(
        [sys.executable, "-m", "fuzz", "--replay", str(KEPT[0])],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("No crash")


def campaign(folder, *options):
    return subprocess.run(
        [sys.executable, "-m", "fuzz", "--campaign", str(folder), "--minutes", "0.01",
         "--slice-s", "0.1", "--only", "leaves", *options],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_campaign_counts_cpu_time_and_goes_on_where_it_was(tmp_path):
    first = campaign(tmp_path)
    assert first.returncode == 0, first.stderr
    one = json.loads(first.stdout)
    assert one["decoder"] == "leaves"
    assert one["cpu_s"] >= 0.6
    assert one["runs"] > 0
    assert one["crashes"] == 0
    again = campaign(tmp_path)
    assert json.loads(again.stdout) == one, "it has had its time"
    assert not again.stderr
    more = json.loads(campaign(tmp_path, "--minutes", str(one["cpu_s"] / 60 + 0.001)).stdout)
    assert more["slices"] > one["slices"]
    assert more["runs"] > one["runs"]


def test_every_harness_states_a_limit_of_memory():
    assert all(dataclasses.asdict(h)["limit_mb"] <= 16 for h in HARNESSES.values())


def test_what_stood_still_is_not_called_slow(tmp_path, monkeypatch):
    harness, data = HARNESSES["specs"], HARNESSES["specs"].examples()[0]
    slow, crash = tmp_path / "found-slow-unit-1", tmp_path / "found-crash-1"
    slow.write_bytes(data)
    crash.write_bytes(data)
    assert command.is_quick(harness, slow)
    assert not command.is_quick(harness, crash)
    monkeypatch.setattr(command, "SLOW_S", 0)
    assert not command.is_quick(harness, slow)
