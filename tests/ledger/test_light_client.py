"""A light client against a chain that four real engines have made (`record_chain`)."""

import base64
import hashlib
import itertools
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from swarmhub import codec
from swarmhub.contract.records import read_genesis_json
from swarmhub.contract.state import Overlay, State
from swarmhub.errors import Malformed
from swarmhub.ledger.blocks import Agreed, agree, agree_on_genesis
from swarmhub.ledger.cometbft import headers as h
from swarmhub.ledger.cometbft import light_client
from swarmhub.ledger.cometbft.application import OK, REFUSED
from swarmhub.ledger.cometbft.header_source import read_set, read_signed_header, read_time
from swarmhub.ledger.cometbft.light_client import NotAgreed, Root, check_headers, needs_votes

TOLD = json.loads(Path(__file__).with_name("recorded_chain.json").read_text())
SIGNED = [read_signed_header(block["signed_header"]) for block in TOLD["blocks"]]
SETS = [read_set(block["validators"]) for block in TOLD["blocks"]]
TXS = [[base64.b64decode(tx) for tx in block["txs"]] for block in TOLD["blocks"]]
HASHES = [b["signed_header"]["commit"]["block_id"]["hash"].lower() for b in TOLD["blocks"]]
GENESIS = read_genesis_json(TOLD["genesis"])


def begun():
    """The tip, the state and the root that the genesis gives."""
    overlay = Overlay(State())
    tip, committed = agree_on_genesis(GENESIS, overlay)
    first = h.make_set(committed.validators)
    return tip, overlay, Root(tip.chain_id, first, committed.block.header.app_hash)


ROOT = begun()[2]


def choose(signed=SIGNED):
    """Headers with votes if they are needed, and the sets."""
    bare = [h.SignedHeader(one.header) for one in signed]
    ends = [place for place in range(len(bare)) if needs_votes(bare, place)]
    return [one if i in ends else bare[i] for i, one in enumerate(signed)], [SETS[i] for i in ends]


def refused(signed, sets, root=ROOT):
    with pytest.raises(NotAgreed) as caught:
        check_headers(root, signed, sets)
    return caught.value


def test_headers_and_sets_have_the_engine_s_hashes():
    assert [h.compute_header_hash(one.header) for one in SIGNED] == HASHES
    assert [h.compute_set_hash(s) for s in SETS] == [s.header.validators_hash for s in SIGNED]
    assert all(h.make_set([(v.key, v.power) for v in s.validators]) == s for s in SETS)


def test_transactions_have_the_engine_s_hashes():
    for one, txs in zip(SIGNED, TXS, strict=True):
        leaves = [hashlib.sha256(tx).digest() for tx in txs]
        assert h.compute_data_hash(leaves) == one.header.data_hash


def test_every_vote_of_the_engines_holds():
    for one, digest, validators in zip(SIGNED, HASHES, SETS, strict=True):
        power = light_client.count_power(one, digest, validators)
        assert power == len(one.commit.votes) >= 3
    assert {len(one.commit.votes) for one in SIGNED[:10]} == {3, 4}  # one came too late


def test_a_chain_is_followed_from_the_genesis_over_a_change():
    signed, sets = choose()
    assert [i for i, one in enumerate(signed) if one.commit] == [9, 12]
    assert [len(found.validators) for found in sets] == [4, 3]
    assert list(check_headers(ROOT, signed, sets)) == HASHES


def test_the_contract_has_the_states_and_results_that_are_signed():
    tip, overlay, _ = begun()
    state = State()
    state.commit(overlay.writes, tip.tree)
    for place, (one, after) in enumerate(itertools.pairwise(SIGNED)):
        overlay = Overlay(state)
        agreed = Agreed(one.header.time.ms, one.header.proposer_address, HASHES[place])
        tip, committed = agree(tip, overlay, TXS[place], agreed)
        state.commit(overlay.writes, tip.tree)
        leaves = [h.compute_result_leaf(OK if r.ok else REFUSED, r.code.encode())
                  for r in committed.results]  # fmt: skip
        assert state.app_hash.hex() == after.header.app_hash
        assert h.compute_results_hash(leaves) == after.header.last_results_hash


OTHERS = {str: "ab" * 32, int: 77, h.Time: h.Time(1), h.BlockId: h.BlockId("cd" * 32)}


@pytest.mark.parametrize("name", [f.name for f in fields(h.EngineHeader)])
def test_a_header_with_another_field_is_found(name):
    signed, sets = choose()
    for place in (4, 12):  # bound by the next header, and by votes
        old = getattr(signed[place].header, name)
        header = replace(signed[place].header, **{name: OTHERS[type(old)]})
        changed = [*signed]
        changed[place] = replace(signed[place], header=header)
        assert refused(changed, sets).place in (place, place + 1)


def test_a_header_less_or_in_another_place_is_found():
    signed, sets = choose()
    assert refused(signed[:3] + signed[4:], sets).place == 3
    assert refused(signed[1:], sets).place == 0
    assert "votes of 0 of 3" in refused(signed[:-1], sets).why


def test_votes_of_two_thirds_are_not_enough():
    signed, sets = choose()
    votes = signed[-1].commit.votes
    signed[-1] = replace(signed[-1], commit=replace(signed[-1].commit, votes=votes[:2]))
    fault = refused(signed, sets)
    assert (fault.place, fault.is_set) == (12, False)
    assert "votes of 2 of 3" in fault.why


def of_last(**changes):
    signed, sets = choose()
    signed[-1] = replace(signed[-1], commit=replace(signed[-1].commit, **changes))
    return refused(signed, sets)


def test_a_vote_counts_once_for_its_own_validator():
    one, two, three = SIGNED[-1].commit.votes
    assert "not in order" in of_last(votes=(one, one, two)).why
    assert "not in order" in of_last(votes=(two, one, three)).why
    assert "not in order" in of_last(votes=(one, two, replace(three, validator=3))).why
    assert "not in order" in of_last(votes=(replace(one, validator=-1), two, three)).why
    assert "votes of 2" in of_last(votes=(one, two, replace(three, signature=one.signature))).why


def test_a_vote_is_for_its_block_round_and_time():
    commit = SIGNED[-1].commit
    assert "votes of 0" in of_last(round=commit.round + 1).why
    assert "votes of 0" in of_last(parts=2).why
    late = replace(commit.votes[0], time=h.Time(commit.votes[0].time.seconds + 1))
    assert "votes of 2" in of_last(votes=(late, *commit.votes[1:])).why
    assert "nanoseconds" in of_last(votes=(replace(late, time=h.Time(1, 10**9)),)).why


def test_another_set_of_validators_is_found():
    signed, sets = choose()
    other = h.ValidatorSet((replace(sets[1].validators[0], power=9), *sets[1].validators[1:]))
    assert (refused(signed, [sets[0], other]).place, refused(signed, sets[:1]).is_set) == (1, True)
    assert refused(signed, [*sets, sets[0]]).why == "no header names it"
    assert refused(signed, sets, replace(ROOT, validators=sets[1])).place == 0


def test_validators_of_another_genesis_are_not_followed():
    signed, sets = choose()
    assert refused(signed, sets, replace(ROOT, app_hash="0" * 64)).place == 0
    assert "another chain" in refused(signed, sets, replace(ROOT, chain_id="x-1")).why


def test_votes_where_none_are_needed_are_refused():
    signed, sets = choose()
    signed[3] = SIGNED[3]
    assert refused(signed, sets).place == 3


@pytest.mark.parametrize("changes", [
    {"height": -1}, {"height": 1 << 63}, {"data_hash": "AB"}, {"data_hash": "a"},
    {"data_hash": "00" * 65}, {"time": h.Time(-1)}, {"proposer_address": "ab cd"},
])  # fmt: skip
def test_values_that_no_header_has_are_malformed(changes):
    with pytest.raises(Malformed):
        h.compute_header_hash(replace(SIGNED[0].header, **changes))


def test_a_signed_header_reads_back_as_it_was_packed():
    for one in SIGNED:
        assert codec.unpack(h.SignedHeader, codec.pack(one)) == one


@pytest.mark.parametrize(("text", "nanos"), [
    ("1970-01-01T00:00:05Z", 0), ("1970-01-01T00:00:05.1Z", 100_000_000),
    ("1970-01-01T00:00:05.000000012Z", 12),
])  # fmt: skip
def test_times_of_the_engine_are_read_to_the_nanosecond(text, nanos):
    assert read_time(text) == h.Time(5, nanos)
