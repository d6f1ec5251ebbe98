"""The verification of a home's ledger, as the home notes it."""

import sqlite3

import pytest

from swarmhub.errors import LedgerDamaged
from swarmhub.files import lock
from swarmhub.home.card import make_card
from swarmhub.home.home import Home
from swarmhub.operations import verifying
from swarmhub.operations.ledger_client import found_consortium
from swarmhub.operations.verifying import Verification, read_verification, verify_home


@pytest.fixture
def home(tmp_path):
    made = Home.create(tmp_path / "home", "A", "127.0.0.1:1")
    made.make_folders()
    found_consortium("test", [make_card(made)], made)
    return made


def test_a_ledger_that_holds_is_noted_with_its_head(home):
    assert read_verification(home) == Verification()
    found = verify_home(home)
    noted = read_verification(home)
    assert (noted.state, noted.head, noted.genesis) == ("holds", found.head, found.genesis)
    assert (noted.height, noted.blocks) == (0, found.blocks)
    assert noted.ended_ms >= noted.began_ms > 0


def test_a_block_that_does_not_hold_is_noted_with_its_sentence(home):
    with sqlite3.connect(home.ledger_path) as db:
        db.execute("UPDATE blocks SET signature = ?", ("0" * 128,))
    db.close()
    with pytest.raises(LedgerDamaged):
        verify_home(home)
    noted = read_verification(home)
    assert noted.state == "fails"
    assert "signature is not its writer's" in noted.said


def test_one_that_was_killed_was_stopped(home, monkeypatch):
    def die(file, root, tell):
        tell(7)
        raise KeyboardInterrupt

    monkeypatch.setattr(verifying, "verify", die)
    monkeypatch.setattr(verifying, "TELL_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        verify_home(home)
    assert (read_verification(home).state, read_verification(home).height) == ("stopped", 7)


def test_a_second_one_meanwhile_verifies_without_a_note(home):
    verify_home(home)
    before = read_verification(home)
    with lock(home.run_path("verify.lock")):
        assert verify_home(home).blocks == 1
    assert read_verification(home) == before


def test_a_note_that_is_damaged_is_none(home):
    home.state_path("verified.json").write_bytes(b"{}}")
    assert read_verification(home) == Verification()
