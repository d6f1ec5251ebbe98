"""The examples of the documentation run as they stand, against real nodes."""

import asyncio
import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from swarmhub.contract.records import STUDY
from swarmhub.contract.transactions import Start
from swarmhub.data.heart import write_heart
from swarmhub.demo.processes import Processes, free_address
from swarmhub.home.card import make_card
from swarmhub.home.home import Home
from swarmhub.ledger import SqliteLedger
from swarmhub.operations.ledger_client import LedgerClient, found_consortium
from swarmhub.operations.studies import read_spec

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guides" / "own-training.md"
README = ROOT / "README.md"
ROWS = 60
NODES = 2


def example(name: str) -> str:
    """The block that follows `<!-- example: NAME -->` in the guide."""
    found = re.search(rf"<!-- example: {name} -->\n```\w+\n(.*?)```", GUIDE.read_text(), re.S)
    assert found, f"the guide has no example {name!r}"
    return found[1]


def shell_block(text: str, within: str) -> str:
    """The `sh` block that contains a line."""
    return next(b for b in re.findall(r"```sh\n(.*?)```", text, re.S) if within in b)


def write_table(path: Path, seed: int) -> None:
    """Label, then four features of which two matter."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(ROWS, 4))
    table = np.column_stack([x[:, 0] + x[:, 1] > 0, x])
    np.savetxt(path, table, delimiter=",", header="label,a,b,c,d", comments="", fmt="%.5f")


async def run_study(root: Path, script: str) -> tuple[list[Home], SqliteLedger]:
    """Run the guide's study `scan` with the script as every hospital's trainer, to its end."""
    (root / "train.py").write_text(script)
    (root / "scan.toml").write_text(example("spec"))
    ledger_path = root / "ledger.sqlite"
    homes = [
        Home.create(root / f"h{i}", f"Hospital {i}", free_address(), ledger=str(ledger_path))
        for i in range(NODES)
    ]
    found_consortium("docs", [make_card(h) for h in homes], homes[0])
    ledger = await SqliteLedger.open(ledger_path, homes[0].key("account"))
    with Processes() as children:
        spec = read_spec(root / "scan.toml")
        desks = [LedgerClient(ledger, h.key("account")) for h in homes]
        await desks[0].propose(spec)
        for client in desks[1:]:
            await client.approve(spec.name)
        for client in desks:
            await client.enrol(spec.name, ROWS)
        await desks[0].submit(Start(spec.name))
        for i, home in enumerate(homes):
            table = root / f"table{i}.csv"
            write_table(table, seed=i)
            logs = home.root / "logs"
            children.start(f"node {i}", ["up", "--home", str(home.root)], logs / "node.log")
            children.start_command(
                f"trainer {i}",
                ["env", f"SWARMHUB_HOME={home.root}", sys.executable, str(root / "train.py"),
                 str(table)],
                logs / "trainer.log",
            )  # fmt: skip
        end = time.monotonic() + 60
        while any(children.is_running(f"trainer {i}") for i in range(NODES)):
            children.check()
            assert time.monotonic() < end, "the trainers did not end"
            await asyncio.sleep(0.05)
        children.check()
        # our own view of the ledger may be a block behind the nodes'
        while STUDY.need(ledger.state, spec.name).status == "running":
            assert time.monotonic() < end, "the study did not end"
            await asyncio.sleep(0.05)
    return homes, ledger


def learn(root: Path, script: str) -> float:
    """Run the study; the accuracy of its best model, after checking that all hold the last."""

    async def run() -> float:
        homes, ledger = await run_study(root, script)
        try:
            study = STUDY.need(ledger.state, "scan")
        finally:
            await ledger.close()
        assert study.status == "finished"
        assert study.current is not None
        for home in homes:
            assert (home.blobs_path / f"{study.current.digest}.bin").exists()
        assert study.best_score is not None
        return study.best_score.metrics["accuracy"] / 1e6

    return asyncio.run(run())


@pytest.mark.torch
def test_the_three_line_pytorch_example_learns(tmp_path):
    torch = pytest.importorskip("torch")
    seeded = example("pytorch").replace(
        "import swarmhub\n", "import swarmhub\n\ntorch.manual_seed(1)\n"
    )
    assert learn(tmp_path, seeded) > 0.5
    models = [torch.load(tmp_path / f"table{i}.csv.model") for i in range(NODES)]
    assert all(torch.equal(models[0][name], models[1][name]) for name in models[0])


def test_the_numpy_example_learns(tmp_path):
    assert learn(tmp_path, example("numpy")) > 0.8
    models = [dict(np.load(tmp_path / f"table{i}.csv.model.npz")) for i in range(NODES)]
    assert all(np.array_equal(models[0][name], models[1][name]) for name in models[0])


def test_the_scikit_learn_example_learns(tmp_path):
    pytest.importorskip("sklearn")
    assert learn(tmp_path, example("sklearn")) > 0.7


def test_the_readme_repeats_the_lines_of_the_guide():
    lines = [line for line in example("pytorch").splitlines() if "round" in line or "join" in line]
    assert len(lines) == 3
    assert all(line in README.read_text() for line in lines)


def test_the_readme_walk_from_init_to_exported_model_runs_as_it_stands(tmp_path):
    text = shell_block(README.read_text(), "swarmhub study propose")
    demo, text = text.split("\n", 1)  # leaves the tables; the test writes the same ones
    assert demo.startswith("swarmhub demo --home demo ")
    write_heart(tmp_path / "demo" / "tables")
    for port in ("7401", "7402", "7403"):
        text = text.replace(f"127.0.0.1:{port}", free_address())
    command = tmp_path / "bin" / "swarmhub"  # this interpreter's, whatever is on the path
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m swarmhub "$@"\n')
    command.chmod(0o755)
    script = f"set -e\n{text}\nwait\n"
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {k: v for k, v in os.environ.items() if k != "SWARMHUB_HOME"}
    environment |= {"PATH": path, "COLUMNS": "100"}
    with subprocess.Popen(
        ["bash", "-c", script], cwd=tmp_path, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    ) as shell:  # fmt: skip
        try:
            said, _ = shell.communicate(timeout=300)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, 9)
    assert shell.returncode in (0, 143), said
    assert "Applied: motion 1." in said
    assert "round 1 of at most 20: trained on 87 rows" in said
    assert "Wrote the scores of 1 rows to scores.csv." in said
    assert "verified." in said
    assert (tmp_path / "heart-model" / "model.json").exists()


def test_the_spec_of_the_readme_parses(tmp_path):
    text = re.search(r"<<'TOML'\n(.*?)\nTOML\n", README.read_text(), re.S)
    assert text
    (tmp_path / "heart.toml").write_text(text[1])
    spec = read_spec(tmp_path / "heart.toml")
    assert (spec.name, spec.min_peers, spec.options) == ("heart", 3, {"model": "logistic"})


@pytest.mark.parametrize(
    "page",
    ["reference/spec.md", "guides/own-training.md", "guides/stages.md", "guides/tabular.md"],
)
def test_whole_specs_on_other_pages_parse(tmp_path, page):
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / page).read_text(), re.S)
    assert blocks
    for block in blocks:
        (tmp_path / "spec.toml").write_text(block)
        read_spec(tmp_path / "spec.toml")
