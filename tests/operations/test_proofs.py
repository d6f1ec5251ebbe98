"""Proofs of one transaction: they hold, and a byte that is changed is found."""

import hashlib
import json
import random
from pathlib import Path

import pytest
from builders import HEART
from evidence_tools import genesis_and, played
from typer.testing import CliRunner

from swarmhub import codec
from swarmhub.cli.app import app
from swarmhub.contract import Result
from swarmhub.contract.execution import compute_genesis_digest
from swarmhub.contract.records import read_genesis_json
from swarmhub.contract.transactions import Leave, Refuse
from swarmhub.errors import BadInput
from swarmhub.ledger.blocks import Block, Committed, Header
from swarmhub.ledger.cometbft.headers import compute_data_hash, compute_results_hash
from swarmhub.merkle import leaf_of
from swarmhub.operations.evidence.extract import leaf_of_result
from swarmhub.operations.proofs import forms, votes_check
from swarmhub.operations.proofs.blocks_proof import make_blocks_proof
from swarmhub.operations.proofs.faults import ProofFails
from swarmhub.operations.proofs.prove import check_proof
from swarmhub.operations.proofs.votes_proof import find_path

SEEDS = 200
# of four real engines; two of its headers hand over to other validators
VOTES = (Path(__file__).parent / "proof_of_votes.json").read_bytes()


def proof_of(c, height=None):
    """A proof of the last transaction of a consortium, or of the last one up to a height."""
    blocks = [b for b in genesis_and(c) if height is None or b.height <= height]
    while not blocks[-1].results:
        blocks.pop()
    found = blocks[-1].results[-1]
    return forms.write_proof(make_blocks_proof(blocks, found.id)), found


@pytest.fixture(scope="module")
def made():
    """One proof of each kind, by kind, with the digest of its block 0."""
    data, _ = proof_of(played(2))
    genesis = json.loads(VOTES)["genesis"]
    founding = compute_genesis_digest(read_genesis_json(codec.decode(genesis.encode())))
    return {"blocks": (data, check_proof(data).genesis), "votes": (VOTES, founding)}


KINDS = pytest.mark.parametrize("kind", ["blocks", "votes"])


@KINDS
def test_a_proof_holds_and_says_whether_its_origin_is_proven(made, kind):
    data, genesis = made[kind]
    found = check_proof(data, genesis)
    assert (found.kind, found.origin, found.code, found.missing) == (kind, "proven", "ok", "")
    assert check_proof(data).origin == "not proven"
    with pytest.raises(ProofFails, match="the proof is of another chain"):
        check_proof(data, "0" * 64)


@KINDS
@pytest.mark.parametrize("seed", range(SEEDS))
def test_one_byte_that_is_changed_is_found(made, kind, seed):
    data, _ = made[kind]
    dice = random.Random(seed)
    at = dice.randrange(len(data))
    changed = data[:at] + bytes([data[at] ^ dice.randrange(1, 256)]) + data[at + 1 :]
    with pytest.raises(BadInput):
        check_proof(changed)


@KINDS
def test_another_spelling_of_the_same_hex_is_found(made, kind):
    data, _ = made[kind]
    for at in [i for i, c in enumerate(data) if c in b"abcdef"][:: len(data) // 150]:
        with pytest.raises(BadInput):
            check_proof(data[:at] + data[at : at + 1].upper() + data[at + 1 :])


@KINDS
def test_half_a_proof_and_two_are_no_proof(made, kind):
    data, _ = made[kind]
    for wrong in (b"", data[:-1], data[: len(data) // 2], data + data, b" " + data):
        with pytest.raises(BadInput, match="Expected a proof of 'swarmhub ledger prove'"):
            check_proof(wrong)


# blocks


def test_every_transaction_of_a_ledger_can_be_proven():
    c = played(1)
    for height in range(1, c.ledger.tip.height + 1, 5):
        data, result = proof_of(c, height)
        found = check_proof(data)
        assert (found.tx, found.code) == (result.id, result.code)


def test_a_refusal_is_proven_as_one():
    c = played(1)
    c.block(c.write(2, Refuse(HEART, "0" * 64)))
    data, result = proof_of(c)
    assert check_proof(data).code == result.code != "ok"


def test_a_proof_knows_members_that_left_and_keys_that_were_replaced():
    c = played(1)
    c.ok(4, Leave())
    height = c.ledger.tip.height
    c.propose(name="lung")
    data, _ = proof_of(c)
    assert (check_proof(data).act, check_proof(data).height > height) == ("study.propose", True)


def test_headers_stand_for_blocks_that_do_not_matter(made):
    blocks = json.loads(made["blocks"][0])["blocks"]
    levels = [block["level"] for block in blocks]
    assert levels[0] == levels[-1] == "whole"
    assert levels.count("header") > len(levels) / 2


def edited(data, change):
    """A proof with another value, in canonical form."""
    value = json.loads(data)
    change(value)
    return codec.encode(value) + b"\n"


WRONG_BLOCKS = [
    (lambda v: v["blocks"].pop(), "does not have this transaction"),
    (lambda v: v["blocks"].pop(3), "stands in its place"),
    (lambda v: v["blocks"].clear(), "it has no block"),
    (lambda v: v.update(tx="0" * 64), "does not have this transaction"),
    (lambda v: v["blocks"][2].update(level="part"), "no place in a proof"),
    (lambda v: v["blocks"][-1]["results"][0].__setitem__(2, []), "its contents are not"),
]


@pytest.mark.parametrize(("change", "said"), WRONG_BLOCKS)
def test_blocks_that_do_not_fit_are_named(made, change, said):
    with pytest.raises(ProofFails, match=said):
        check_proof(edited(made["blocks"][0], change))


# votes


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13])
def test_the_path_of_every_transaction_leads_to_its_roots(count):
    txs = tuple(f"tx {i}".encode() for i in range(count))
    results = tuple(Result("", "ok" if i % 3 else "Late") for i in range(count))
    header = Header(1, 1, "", "", "", "", "")
    hashes = [hashlib.sha256(tx).digest() for tx in txs]
    roots = [compute_data_hash(hashes), compute_results_hash(list(map(leaf_of_result, results)))]
    for i in range(count):
        path = find_path(Committed(Block(header, "", txs), results, ()), i)
        ways = [[(b.left, b.tx) for b in path], [(b.left, b.result) for b in path]]
        leaves = [leaf_of(hashes[i]), leaf_of_result(results[i])]
        assert list(map(votes_check._climb, leaves, ways)) == roots


def drop_votes(signed):
    signed["commit"]["votes"] = signed["commit"]["votes"][:2]


def repeat_vote(signed):
    signed["commit"]["votes"] = [signed["commit"]["votes"][0]] * 4


WRONG_VOTES = [
    (lambda v: drop_votes(v["signed"]), "signed: .*are not two thirds"),
    (lambda v: drop_votes(v["handovers"][0]), "handover 1: .*are not two thirds"),
    (lambda v: v["handovers"].pop(0), "handover 1: its validators are not those of block 0"),
    (lambda v: v["handovers"].pop(), "handover 1: the next validators are not those"),
    (lambda v: v["handovers"].reverse(), "handover 1: it is not older"),
    (lambda v: v.update(code="Late"), "code: its path does not lead"),
    (lambda v: v.update(tx=v["tx"].replace("invite", "invitf")), "tx: its path does not lead"),
    (lambda v: v["header"].update(height=5), "header: it is not that of the block before"),
    (lambda v: v["signed"]["validators"][0].update(power=7), "its validators are not those"),
]


@pytest.mark.parametrize(("change", "said"), WRONG_VOTES)
def test_votes_that_do_not_fit_are_named(change, said):
    with pytest.raises(ProofFails, match=said):
        check_proof(edited(VOTES, change))


def test_without_the_way_from_block_0_the_origin_is_not_proven(made):
    data, genesis = edited(VOTES, lambda v: v["handovers"].clear()), made["votes"][1]
    found = check_proof(data, genesis)
    assert (found.origin, found.missing) == ("not proven", votes_check.NO_WAY)


OUT_OF_BOUNDS = [
    lambda v: repeat_vote(v["signed"]),
    lambda v: v["signed"]["commit"]["votes"][0].update(validator=4),
    lambda v: v["signed"]["commit"]["votes"][0].update(validator=-1),
    lambda v: v["signed"]["validators"].clear(),
    lambda v: v["signed"]["validators"][0].update(power=-1),
    lambda v: v["signed"]["validators"].extend(v["signed"]["validators"] * 300),
    lambda v: v["handovers"].extend(v["handovers"][:1] * 10_001),
    lambda v: v["beside"].extend([{"left": True, "tx": "0" * 64, "result": "0" * 64}] * 25),
    lambda v: v["header"].update(data="0" * 63),
    lambda v: v["header"].update(more=1),
    lambda v: v.update(kind="words"),
]


@pytest.mark.parametrize("change", OUT_OF_BOUNDS)
def test_what_is_out_of_bounds_is_no_proof(change):
    with pytest.raises(BadInput, match="Expected a proof of 'swarmhub ledger prove'"):
        check_proof(edited(VOTES, change))


JUNK = [None, -1, 2**53 - 1, "", "\x00", "é" * 300, [], {}, [[]], {"a": 1}, True]


def spoil(value, dice):
    """Replace one value somewhere in a JSON value by another kind of value."""
    if dice.random() < 0.1 or not isinstance(value, dict | list) or not value:
        return dice.choice(JUNK)
    if isinstance(value, dict):
        name = dice.choice(sorted(value))
        return value | {name: spoil(value[name], dice)}
    at = dice.randrange(len(value))
    return [*value[:at], spoil(value[at], dice), *value[at + 1 :]]


@KINDS
@pytest.mark.parametrize("seed", range(0, SEEDS, 2))
def test_values_of_another_kind_are_found_without_a_traceback(made, kind, seed):
    value = json.loads(made[kind][0])
    spoiled = spoil(value, random.Random(seed))
    if spoiled != value:
        with pytest.raises(BadInput):
            check_proof(codec.encode(spoiled) + b"\n")


# the command


def type_(*words):
    done = CliRunner().invoke(app, ["ledger", "check-proof", *map(str, words)])
    return done.exit_code, done.output, done.exception


@KINDS
def test_the_command_has_a_code_for_each_outcome(made, kind, tmp_path):
    data, genesis = made[kind]
    path = tmp_path / "proof.json"
    path.write_bytes(data)
    assert type_(path, "--genesis", genesis)[0] == 0
    code, said, _ = type_(path)
    assert (code, "origin not proven: give --genesis" in said) == (3, True)
    code, said, _ = type_(path, "--genesis", "1" * 64)
    assert (code, said.startswith("Does not hold: genesis: ")) == (1, True)


@pytest.mark.parametrize("data", [b"\0" * 10, b"[" * 300_000, b'{"kind":"votes"}\n'])
def test_what_is_no_proof_is_one_sentence(tmp_path, data):
    path = tmp_path / "proof.json"
    path.write_bytes(data)
    error = type_(path)[2]
    assert isinstance(error, BadInput)
    assert str(error).startswith("Expected a proof of 'swarmhub ledger prove', but ")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "proof.json"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # sparse: reading it would end this test
    assert "more than 32 MiB" in str(type_(path)[2])
    assert "it is no file" in str(type_("/dev/zero")[2])
