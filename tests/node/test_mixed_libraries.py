"""Hospitals never run the same libraries: what they merge and audit is the same bits all the same.

One node runs with the installed libraries; one with the oldest ones that `pyproject.toml` allows,
which pip puts into a folder of their own; one without the vector instructions that NumPy would use.
"""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from long_runs import choose
from newton_study import NEWTON, said
from swarm import PROGRAMS, Network, make_spec, swarmhub

from swarmhub.contract.events import DisputeOpened, FalseMerge, Settled
from swarmhub.contract.records import MergeRule, Metric
from swarmhub.operations.record import read_record

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[2]
TABLES = ROOT / "tests" / "data" / "tables"
LIBRARIES = ROOT / "tests" / "programs" / "libraries.py"


def oldest():
    """The requirements of the package, each pinned to its lower bound: name -> version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    bounds = [text.partition(",")[0].partition(">=") for text in project["dependencies"]]
    return {name: version for name, _, version in bounds}


def used_with(variables):
    """The libraries and CPU features in use with these environment variables."""
    environment = {**os.environ, **variables}
    done = subprocess.run([sys.executable, str(LIBRARIES)], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.fixture(scope="session")
def environments(tmp_path_factory):
    """Environment variables of the three nodes."""
    folder = tmp_path_factory.mktemp("oldest")
    pinned = [f"{name}=={version}" for name, version in oldest().items()]
    command = [sys.executable, "-m", "pip", "install", "--no-input", "--quiet", "--no-compile",
               "--only-binary", ":all:", "--target", str(folder), *pinned]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"pip cannot install the oldest libraries here ({why})")
    features = " ".join(used_with({})["features"])
    return {}, {"PYTHONPATH": str(folder)}, {"NPY_DISABLE_CPU_FEATURES": features}


def test_the_oldest_libraries_are_those_of_the_lower_bounds(environments):
    new, old, _ = map(used_with, environments)
    for name, version in oldest().items():
        assert old[name].startswith(version), name
    assert old["numpy"] != new["numpy"]
    assert old["swarmhub"] == new["swarmhub"]


def test_one_node_has_no_vector_instructions(environments):
    new, _, plain = map(used_with, environments)
    assert plain["features"] == []
    if not new["features"]:
        pytest.skip("NumPy uses no vector instructions on this processor")


@pytest.mark.parametrize("rule", choose(["weighted_mean", "geometric_median"], 1))
def test_nodes_of_unlike_libraries_settle_equal_models(tmp_path, environments, rule):
    spec = make_spec(
        rounds=8, min_peers=3, statistics=True, audit="full", metric=Metric("auc", "max"),
        merge=MergeRule(rule), options={"model": "logistic"},
    )  # fmt: skip
    with Network(tmp_path, 3) as network:
        for i, variables in enumerate(environments, 1):
            network.up(i, **variables)
        network.open_study(spec, samples=200)
        for i, variables in enumerate(environments, 1):
            train_table(network, i, variables)
        network.wait_until(lambda: network.study("s").status == "finished", 120)
        check(network)


def test_nodes_of_unlike_libraries_add_the_same_sums(tmp_path, environments):
    terms = make_spec(rounds=0, stages=NEWTON, min_peers=3, audit="full")
    with Network(tmp_path, 3) as network:
        for i, variables in enumerate(environments, 1):
            network.up(i, **variables)
        network.open_study(terms)
        for i, variables in enumerate(environments, 1):
            home = network.homes[i - 1].root
            command = [sys.executable, str(PROGRAMS / "newton.py"), "--home", str(home)]
            log = home / "logs" / "trainer.log"
            network.children.start_command(f"trainer {i}", command, log, **variables)
        network.wait_until(lambda: network.study("s").status == "finished", 120)
        network.wait_until(lambda: all("weights" in said(network, i) for i in (1, 2, 3)))
        assert len({said(network, i)["weights"] for i in (1, 2, 3)}) == 1
        home = network.homes[0]
        events = [e for b in read_record(home.ledger_path, home.root).blocks for e in b.events]
    assert not [e for e in events if isinstance(e, DisputeOpened | FalseMerge)]
    settled = [e.model for e in events if isinstance(e, Settled)]
    assert {m.kind for m in settled} == {"sum", "initial", "train", "evaluate"}
    assert [m.turn for m in settled if m.met] == [6], "every auditor has found the test to hold"


def train_table(network, i, variables):
    """Train on the rows of both tables from the i-th on, by thirds."""
    home = network.homes[i - 1].root
    tables = [(TABLES / f"hospital-{x}.csv").read_text().splitlines(keepends=True) for x in "ab"]
    rows = [line for table in tables for line in table[i::3]]
    (home / "table.csv").write_text("".join([tables[0][0], *rows]))
    command = [sys.executable, "-m", "swarmhub", "train", "table", "s", "--home", str(home),
               "--data", str(home / "table.csv"), "--label", "label"]  # fmt: skip
    log = home / "logs" / "trainer.log"
    network.children.start_command(f"trainer {i}", command, log, **variables)


def check(network):
    """Each has led and signed, nobody was disputed, and all hold the same last model."""
    home = network.homes[0]
    events = [e for b in read_record(home.ledger_path, home.root).blocks for e in b.events]
    assert not [e for e in events if isinstance(e, DisputeOpened | FalseMerge)]
    models = [e.model for e in events if isinstance(e, Settled)]
    assert [m.kind for m in models] == ["describe", "initial", *["train"] * 8]
    assert {m.leader for m in models} == {1, 2, 3}
    assert {signer for m in models for signer in m.receipts} == {1, 2, 3}
    assert all(len(m.shares) == 3 for m in models if m.kind != "initial")
    assert network.study("s").best_score is not None  # all have evaluated
    out = [network.root / f"{i}.safetensors" for i in (1, 2, 3)]
    for found, file in zip(network.homes, out, strict=True):
        done = swarmhub("node", "export", "s", "--home", found.root, "--out", file)
        assert done.returncode == 0, done.stderr
    assert len({file.read_bytes() for file in out}) == 1
