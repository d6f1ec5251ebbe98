"""`swarmhub.Client`: what the commands do, from Python."""

import json
import subprocess
import sys

import pytest
from crossing import updated
from swarm import PROGRAMS, make_spec
from typer.testing import CliRunner

import swarmhub
from swarmhub import codec
from swarmhub.cli.app import app
from swarmhub.home.card import make_card
from swarmhub.home.home import Home

SPEC = 'name = "heart"\nrounds = 2\nmin_peers = 2\n'


@pytest.fixture
def hospitals(tmp_path):
    ledger = str(tmp_path / "ledger.sqlite")
    homes = [
        Home.create(tmp_path / n, n, f"127.0.0.1:{7400 + i}", ledger=ledger)
        for i, n in enumerate("AB")
    ]
    card = tmp_path / "b.json"
    card.write_text(json.dumps(codec.to_json(make_card(homes[1]))))
    a, b = (swarmhub.Client(home.root) for home in homes)
    a.found("Test", (card,))
    return a, b


def test_a_study_goes_from_its_proposal_to_its_end(hospitals, tmp_path):
    a, b = hospitals
    (tmp_path / "spec.toml").write_text(SPEC)
    proposed = a.propose(tmp_path / "spec.toml")
    b.approve("heart", proposed.spec)  # its proposer has approved it by proposing
    for client in (a, b):
        client.enrol("heart", 100)
    a.start("heart")
    shown = b.study("heart")
    assert (shown.study.status, shown.round.number, shown.min_peers) == ("running", 1, 2)
    a.finish("heart")
    assert [s.study.status for s in a.studies()] == ["finished"]


def test_a_study_is_refused_with_a_reason_paused_and_resumed(hospitals):
    a, b = hospitals
    a.propose(make_spec("heart", rounds=2, min_peers=1))
    b.refuse("heart", "no ethics vote yet")
    assert b.study("heart").reasons == {2: "no ethics vote yet"}
    a.enrol("heart", 100)
    a.start("heart")
    a.pause("heart", "audit of the data")
    assert a.study("heart").waits.startswith("paused by A: audit of the data")
    a.resume("heart")
    assert a.study("heart").study.status == "running"
    with pytest.raises(swarmhub.BadInput, match="Expected a suspended study, got 'heart'"):
        a.resume("heart")


def test_a_first_draft_of_terms_is_written(hospitals, tmp_path):
    a, _ = hospitals
    made = a.new_study(tmp_path / "study.toml", name="heart")
    assert (tmp_path / "study.toml").read_text() == made.text


def test_a_refusal_is_an_error_of_the_package_with_one_sentence(hospitals):
    a, _ = hospitals
    with pytest.raises(swarmhub.BadInput, match="There is no study 'heart' on the ledger"):
        a.enrol("heart", 10)
    with pytest.raises(swarmhub.BadInput, match=r"\(BadValue\)"):
        a.propose(make_spec(rounds=0))
    with pytest.raises(swarmhub.HomeError, match="Expected a node's home"):
        swarmhub.Client(a.home.root / "nothing")


def test_commands_print_the_records_of_the_client(hospitals, tmp_path):
    a, _ = hospitals
    a.propose(make_spec("heart", rounds=2))
    listed = CliRunner().invoke(app, ["study", "list", "--json", "--home", str(a.home.root)])
    assert [s["name"] for s in json.loads(listed.stdout)] == ["heart"]
    motion = a.remove(2)
    assert (motion.name, motion.removed) == ("B", True)
    shown = CliRunner().invoke(app, ["consortium", "members", "--json", "--home", str(a.home.root)])
    found = [{k: v for k, v in m.items() if k != "link"} for m in json.loads(shown.stdout)]
    assert found == [codec.to_json(m) for m in a.members()]


def test_a_name_that_is_not_there_is_named():
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = swarmhub.Nothing


@pytest.mark.process
def test_a_trainers_import_does_not_load_the_client():
    command = [sys.executable, str(PROGRAMS / "modules_of_an_import.py")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "swarmhub.train" in done.stdout
    assert "swarmhub.operations" not in done.stdout


def test_an_upgrade_to_a_version_that_is_not_here_is_refused(hospitals):
    a, _ = hospitals
    with pytest.raises(swarmhub.BadInput, match=r"this swarmhub has \(version 1\), got 2; update"):
        a.upgrade(2)


def test_an_upgrade_waits_until_both_nodes_have_announced(hospitals):
    a, b = hospitals
    with updated():
        moved = a.upgrade(2, after_blocks=7)
        assert (moved.motion, moved.height) == (1, 0)
        voted = b.vote(1, True)
        assert voted.state == "open"
        assert voted.waits == "the nodes of members 1, 2 must announce contract version 2 first"
        (shown,) = b.inbox()
        assert shown.detail == "from 7 blocks after the decision on; not yet at A, B"
