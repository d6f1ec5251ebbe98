"""A validator whose file of signatures is older than the chain does not sign."""

from __future__ import annotations

import asyncio
import json

import pytest
from builders import key
from engines import Player, StandIn, networked
from ledger_tools import GENESIS, Clock, done, propose, signed

from swarmhub.contract.consortium.misbehaviour import compute_address
from swarmhub.home.ledgers import find_credible_height
from swarmhub.ledger.cometbft import CometLedger, Settings, create_comet_ledger, driver
from swarmhub.ledger.cometbft import messages as m
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.signing import SIGNED_FILE, Signing
from swarmhub.ledger.cometbft.store import Store

pytestmark = pytest.mark.engine

OURS, OTHER = key("h1/consensus").public, key("h2/consensus").public
ABSENT, COMMIT, NIL = 1, 2, 3


@pytest.fixture
def store(tmp_path):
    create_comet_ledger(tmp_path, GENESIS)
    store = Store.open(tmp_path / STATE_FILE)
    yield store
    store.close()


def write_file(folder, height):
    path = folder / SIGNED_FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"height": str(height), "round": 0, "step": 3}))


def vote(public, flag):
    address = bytes.fromhex(compute_address(public))
    return m.VoteInfo(validator=m.Validator(address=address), block_id_flag=flag)


@pytest.mark.parametrize("flag", [COMMIT, NIL])
def test_a_signature_that_is_newer_than_the_file_ends_signing(tmp_path, store, flag):
    write_file(tmp_path, 9)
    signing, told = Signing(tmp_path, OURS, store), []
    signing.on_change = lambda: told.append(signing.why_not)
    signing.look(9, [vote(OTHER, COMMIT), vote(OURS, flag)])
    signing.look(10, [vote(OTHER, COMMIT), vote(OURS, ABSENT)])
    assert signing.may_sign
    for height in (10, 11):
        signing.look(height, [vote(OURS, flag)])
    (why,) = told
    assert "its key has signed block 10 of the chain" in why
    assert "knows of none after 9" in why


@pytest.mark.parametrize("file", [None, b"", b"[]", b'{"height": "x"}', b"[" * 99999])
def test_a_file_that_is_gone_or_torn_knows_of_nothing(tmp_path, store, file):
    write_file(tmp_path, 9)
    (tmp_path / SIGNED_FILE).unlink()
    if file is not None:
        (tmp_path / SIGNED_FILE).write_bytes(file)
    signing = Signing(tmp_path, OURS, store)
    assert signing.may_sign, "it may be its first start"
    signing.look(1, [vote(OURS, COMMIT)])
    assert not signing.may_sign


def test_what_the_chain_has_of_a_key_outlives_the_process(tmp_path):
    async def main():
        ledger = await StandIn.open(tmp_path, GENESIS, Clock())
        write_file(tmp_path, 5)
        ledger.app._signing = Signing(tmp_path, OURS, ledger._store)
        await done(ledger, signed(ledger, propose("a")))
        engine = await Player.connect(tmp_path / "abci.sock")
        votes = m.CommitInfo(votes=[vote(OURS, COMMIT)])
        request = {"height": 2, "time_ms": ledger.tip.time_ms + 9, "hash": b"h" * 32}
        await engine.ask("finalize_block", decided_last_commit=votes, **request)
        await engine.ask("commit")
        await engine.hang_up()
        found = [ledger._store.signed(compute_address(key)) for key in (OURS, OTHER)]
        write_file(tmp_path, 0)
        again = [Signing(tmp_path, key, ledger._store).may_sign for key in (OURS, OTHER)]
        await ledger.close()
        return found, again

    assert asyncio.run(main()) == ([1, 0], [False, True])


def test_a_home_that_has_seen_more_looks_before_it_signs(tmp_path, store):
    write_file(tmp_path, 9)
    signing = Signing(tmp_path, OURS, store)
    signing.expect(9, tip=3)
    assert signing.may_sign, "a crash, and no old copy"
    signing.expect(10, tip=3)
    assert "there is a block 10 already" in signing.why_not
    signing.look(8, [vote(OURS, COMMIT)])
    signing.settle()
    assert signing.may_sign
    signing.expect(10, tip=3)
    signing.found(10)
    signing.settle()
    assert "its key has signed block 10" in signing.why_not


@pytest.mark.parametrize(
    ("told", "members", "height"),
    [
        ([], 4, 0), ([1 << 60], 4, 0), ([1 << 60, 7], 4, 7), ([5, 1 << 60, 7], 4, 7),
        ([5], 2, 5), ([4, 6], 3, 6), ([9, 9, 8, 8, 3], 7, 8),
    ],
)  # fmt: skip
def test_a_liar_cannot_have_a_validator_wait_for_ever(told, members, height):
    assert find_credible_height(told, members) == height


def test_a_height_that_is_told_later_moves_the_block_to_wait_for(tmp_path, store):
    write_file(tmp_path, 3)
    signing = Signing(tmp_path, OURS, store)
    assert not signing.expect(3, tip=3)
    assert signing.expect(10, tip=3), "it has signed until now"
    assert not signing.expect(20, tip=5), "its engine has no key already"
    assert not signing.expect(15, tip=5), "an older word"
    assert (signing.seen, "a block 20 already" in signing.why_not) == (20, True)
    signing.found(12)
    assert not signing.expect(30, tip=5)
    assert "its key has signed block 12" in signing.why_not


@pytest.fixture
def validator(tmp_path, monkeypatch):
    """A validator's handle without an engine, and the ends of the one that it would have."""
    monkeypatch.setattr(driver, "ASK_AGAIN_S", 0)
    genesis, ((name, peer, address), *_) = networked(GENESIS)
    create_comet_ledger(tmp_path, genesis)
    write_file(tmp_path, 0)
    settings = Settings(tmp_path, genesis, key(f"{name}/consensus"), peer, address, address)
    ledger = CometLedger(settings, Store.open(tmp_path / STATE_FILE), Clock())
    kills = []

    def kill():
        kills.append(1)

    monkeypatch.setattr(ledger.engine, "kill", kill)
    return ledger, kills


def test_a_member_that_comes_later_is_heard(validator):
    validator, kills = validator
    mine = validator.settings.consensus.public
    answers, seen = [(0, False), (7, False), (9, True)], []

    async def find_height(state):
        seen.append((validator.signing.seen, validator.engine.settings.consensus.public == mine))
        if not answers:
            validator.signing.seen = 0  # all blocks are here
            return 9, True
        return answers.pop(0)

    asyncio.run(validator._ask_again(find_height, False))
    assert seen == [(0, True), (0, True), (7, False), (9, False)]
    assert kills == [1]


def test_nobody_is_asked_again_when_all_is_known(validator):
    async def find_height(state):
        raise AssertionError

    asyncio.run(validator[0]._ask_again(find_height, True))
