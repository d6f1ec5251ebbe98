"""Evidence of a ledger that four real engines have made."""

import json

import pytest
from builders import HEART, spec_of
from comets import Comets
from engines import needs_cometbft
from evidence_tools import refused
from typer.testing import CliRunner

from swarmhub.cli.app import app
from swarmhub.contract.records import STUDY
from swarmhub.contract.transactions import Approve, Propose
from swarmhub.operations.evidence.verify import verify_evidence

pytestmark = [needs_cometbft, pytest.mark.engine]


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """A study, another one beside it, and keys of hospital 4 that were rotated in between."""
    with Comets(tmp_path_factory.mktemp("four"), 4) as comets:
        act(comets, 1, Propose(spec_of()))
        terms = STUDY.need(comets.look(1)[1], HEART).spec
        act(comets, 2, Approve(HEART, terms))
        comets.rotate_all(4, over=1)
        comets.wait_until(lambda: comets.is_back(4))
        act(comets, 3, Propose(spec_of(name="lung")))
        act(comets, 4, Approve(HEART, terms))
        comets.wait_until(lambda: len(approved(comets)) == 3)
        yield comets


def act(comets, i, body):
    result = comets.at_desk(i, lambda client: client.submit(body))
    assert result.ok, result


def approved(comets):
    """The hospitals that have approved, as hospital 1 sees it."""
    return STUDY.need(comets.look(1)[1], HEART).approved


def genesis_of(comets):
    """The digest of block 0 as another hospital knows it."""
    return json.loads(comets.type(3, "ledger", "verify", "--json"))["genesis"]


def test_real_validators_prove_a_study(four, tmp_path):
    folder = tmp_path / "evidence"
    four.type(1, "evidence", "export", HEART, "--out", str(folder))
    sets = (folder / "ledger" / "validators.jsonl").read_bytes().splitlines()
    assert len(sets) >= 3  # the key's vote went, and came back
    found = verify_evidence(folder, genesis_of(four))
    assert (found.origin, found.signers, found.headers) == ("proven", "validators", 1)
    assert b"lung" not in (folder / "ledger" / "blocks.jsonl").read_bytes()
    rows = (folder / "study" / "approvals.jsonl").read_bytes().splitlines()
    assert [json.loads(row)["member"] for row in rows] == [1, 2, 4]


def test_all_blocks_of_real_engines_are_executed_again(four, tmp_path):
    folder = tmp_path / "evidence"
    four.type(2, "evidence", "export", HEART, "--whole-ledger", "--out", str(folder))
    run = CliRunner().invoke(app, ["evidence", "verify", str(folder)])
    assert (run.exit_code, "origin not proven" in run.output) == (3, True)
    assert "signed by their validators, executed again by the contract" in " ".join(
        run.output.split()
    )
    run = CliRunner().invoke(
        app, ["evidence", "verify", str(folder), "--genesis", genesis_of(four)]
    )
    assert run.exit_code == 0
    path = folder / "ledger" / "headers.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"round":', b'"round" :', 1))
    assert refused(folder).file == "ledger/headers.jsonl"


def test_evidence_needs_the_node_that_has_the_signatures(four, tmp_path):
    four.children.kill("node 1")
    said = four.type(1, "evidence", "export", HEART, "--out", str(tmp_path / "x"), code=2)
    assert "start it with 'swarmhub up'" in " ".join(said.split())
    assert not (tmp_path / "x").exists()
