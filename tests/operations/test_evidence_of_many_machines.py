"""Evidence of a ledger of many machines: the validators' signatures prove it, and nobody else's."""

import json
import random
from dataclasses import replace

import pytest
from agreed_chain import Networked, choose_signed, place_of, retold
from builders import HEART, card_of, key
from evidence_tools import (
    SECRET,
    beside_others,
    count_named,
    edit,
    folder_of,
    forge,
    made_of,
    played,
    refused,
    spoil_many,
)
from recorded import Recorded

from swarmhub import codec
from swarmhub.contract.consortium.misbehaviour import compute_address
from swarmhub.contract.transactions import Leave, Rotate, Validate
from swarmhub.errors import LedgerError
from swarmhub.ledger.cometbft import headers as h
from swarmhub.ledger.cometbft import light_client
from swarmhub.operations.evidence import many_machines, state
from swarmhub.operations.evidence.lines import join_lines, read_line, write_line
from swarmhub.operations.evidence.verify import verify_evidence

BLOCKS, HEADERS = "ledger/blocks.jsonl", "ledger/headers.jsonl"
STATE, VALIDATORS = "ledger/state.jsonl", "ledger/validators.jsonl"
H2 = compute_address(key("h2/consensus").public)
CHANGES = 1000


def networked(rounds=1, n=4):
    return played(rounds, n, Networked)


def test_a_whole_study_is_executed_again(tmp_path):
    c = networked(3)
    folder, genesis = folder_of(tmp_path, c)
    found = verify_evidence(folder, genesis)
    assert (found.origin, found.signers, found.executed) == ("proven", "validators", True)
    assert (found.study, found.signed_by, found.blocks) == (HEART, "h1", len(c.blocks))
    assert verify_evidence(folder).origin == "not proven"


def test_a_thousand_changed_bytes_are_a_thousand_found(tmp_path):
    folder, _ = folder_of(tmp_path, beside_others(networked(2, 3)))
    assert count_named(folder, CHANGES, random.Random(65)) == CHANGES
    assert verify_evidence(folder).study == HEART


def test_the_documents_are_those_of_one_machine():
    ours, theirs = made_of(networked(2)).files, made_of(played(2)).files
    for name in ("participation", "metrics", "members"):
        one, other = (files[f"study/{name}.jsonl"].splitlines() for files in (ours, theirs))
        assert len(one) == len(other) > 1


def test_other_studies_are_not_in_the_folder(tmp_path):
    folder, genesis = folder_of(tmp_path, beside_others(networked()))
    text = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file()).decode()
    assert not any(word in text for word in (SECRET, "lung", "skin"))
    found = verify_evidence(folder, genesis)
    assert (found.headers, found.parts, found.executed) == (1, 1, False)


def test_the_whole_ledger_is_executed_again(tmp_path):
    folder, genesis = folder_of(tmp_path, beside_others(networked()), whole=True)
    assert verify_evidence(folder, genesis).executed


def changed_validators():
    """A chain whose validators change by a rotation, an admission and a departure."""
    c = networked()
    rotated = card_of("h2", consensus=key("h2/next").public, ledger=place_of(2))
    proof = c.rotated(2, by=key("h2"), consensus=rotated.consensus, ledger=place_of(2))
    c.ok(2, Rotate(*proof))
    c.idle()
    c.ok(2, Validate())
    late = c.admit("late")
    c.ok(late, Validate())
    c.idle()
    c.ok(3, Leave())
    c.idle()
    c.idle()
    return c


def test_validators_that_come_and_go_are_followed(tmp_path):
    c = changed_validators()
    folder, genesis = folder_of(tmp_path, c)
    sets = (folder / VALIDATORS).read_bytes().splitlines()
    assert [len(json.loads(line)["validators"]) for line in sets] == [4, 3, 4, 5, 4]
    headers = (folder / HEADERS).read_bytes().splitlines()
    assert sum(b'"commit":' in line for line in headers) == len(sets)
    assert verify_evidence(folder, genesis).executed


# forgeries that an exporter signs


@pytest.mark.parametrize(("field", "value", "said"), [
    ("txs", [], "one result for each"),
    ("agreed", "0" * 64, "the one that the validators have signed"),
    ("begun", [["study_refused", {"member": 2, "study": HEART}]], "what the contract computes"),
    ("misbehaviour", [[H2, 1]], "what the contract computes"),
    ("hidden", [{"place": 0, "result": "0" * 64, "tx": "0" * 64}], "in full, and has hidden"),
    ("level", "header", "besides its header"),
])  # fmt: skip
def test_a_block_with_other_contents_is_found_though_signed(tmp_path, field, value, said):
    c = networked()
    fault = refused(forge(tmp_path, c, {BLOCKS: edit(2, **{field: value})}))
    assert (fault.file, fault.record) == (BLOCKS, 2)
    assert said in fault.why


def rewrite(record, change):
    """Change an excerpt of a block."""

    def apply(data):
        lines = data.splitlines()
        lines[record - 1] = write_line(change(read_line(lines[record - 1])))
        return join_lines(lines)

    return apply


def part_of(c):
    """The record of the block that is there in part."""
    lines = made_of(c).files[BLOCKS].splitlines()
    return 1 + next(i for i, line in enumerate(lines) if b'"level":"part"' in line)


def without_its_transaction(excerpt):
    found = excerpt.committed
    block = replace(found.block, txs=())
    return replace(excerpt, committed=replace(found, block=block, results=(), events=()))


def refuse_it(excerpt):
    found = excerpt.committed
    results = tuple(replace(r, code="NotAMember") for r in found.results)
    return replace(excerpt, committed=replace(found, results=results))


@pytest.mark.parametrize(("change", "said"), [
    (without_its_transaction, "its transactions are not those"),
    (refuse_it, "its results are not those"),
    (lambda x: replace(x, hidden=()), "its transactions are not those"),
    (lambda x: replace(x, hidden=(replace(x.hidden[0], tx="ab" * 32),)), "its transactions are"),
    (lambda x: replace(x, hidden=(replace(x.hidden[0], result="ab" * 32),)), "its results are"),
    (lambda x: replace(x, hidden=(replace(x.hidden[0], place=1),)), "its transactions are not"),
    (lambda x: replace(x, hidden=(replace(x.hidden[0], place=9),)), "no proper places"),
    (lambda x: replace(x, hidden=(replace(x.hidden[0], tx="ab"),)), "no proper places"),
])  # fmt: skip
def test_a_part_has_exactly_the_transactions_that_were_signed(tmp_path, change, said):
    c = beside_others(networked())
    part = part_of(c)
    fault = refused(forge(tmp_path, c, {BLOCKS: rewrite(part, change)}))
    assert (fault.record, fault.why.startswith(said) or said in fault.why) == (part, True)


def test_events_that_the_contract_does_not_compute_are_found(tmp_path):
    def change(excerpt):
        found = excerpt.committed
        results = tuple(replace(r, events=()) for r in found.results)
        return replace(excerpt, committed=replace(found, results=results, events=()))

    fault = refused(forge(tmp_path, networked(), {BLOCKS: rewrite(2, change)}))
    assert (fault.file, fault.record, fault.why) == (BLOCKS, 2, many_machines.COMPUTED)


def test_a_record_of_the_state_is_proven(tmp_path):
    def change(data):
        return data.replace(b'\\"samples\\":100', b'\\"samples\\":900')

    fault = refused(forge(tmp_path, networked(), {STATE: change}))
    assert "'study/heart' is not proven" in fault.why


def other_state(header):
    return replace(header, app_hash="ab" * 32) if header.height == 9 else header


def test_a_minority_of_validators_cannot_tell_another_story(tmp_path):
    c = networked()
    files = retold(c.ledger, other_state, away=("h3/consensus", "h4/consensus"))
    fault = refused(forge(tmp_path, c, files))
    assert (fault.file, fault.record) == (HEADERS, len(c.ledger.signed))
    assert "votes of 2 of 4" in fault.why


def test_what_all_validators_forge_the_contract_finds(tmp_path):
    c = networked()
    files = retold(c.ledger, other_state)
    fault = refused(forge(tmp_path, c, files))
    assert fault.file == BLOCKS


def test_headers_that_do_not_prove_the_record_are_not_exported():
    c = networked()
    record, signed = c.followed()
    many_machines.need_proven(record, signed)
    with pytest.raises(LedgerError, match="do not prove its blocks"):
        many_machines.need_proven(record, choose_signed(c.ledger.signed[:-1], c.ledger.sets))
    other = replace(record, blocks=[*record.blocks[:-1], record.blocks[3]])
    with pytest.raises(LedgerError, match="not those of the blocks"):
        many_machines.need_proven(other, signed)


def test_validators_that_nobody_agreed_on_are_found(tmp_path):
    c = changed_validators()
    own = h.make_set([(key("h1/next").public, 1)])

    def change(data):
        return join_lines([*data.splitlines()[:-1], codec.pack(own)])

    fault = refused(forge(tmp_path, c, {VALIDATORS: change}))
    assert (fault.file, fault.record) == (VALIDATORS, 5)


@pytest.mark.parametrize(("change", "record"), [
    (lambda lines: lines[:-1], 0), (lambda lines: [*lines, lines[-1]], 0),
    (lambda lines: [lines[1], lines[0], *lines[2:]], 1), (lambda lines: [b"{}", *lines[1:]], 1),
    (lambda lines: [*lines[:5], lines[4], *lines[6:]], 6),
])  # fmt: skip
def test_headers_that_are_not_the_chain_are_named(tmp_path, change, record):
    def apply(data):
        return join_lines(change(data.splitlines()))

    fault = refused(forge(tmp_path, networked(), {HEADERS: apply}))
    assert (fault.file, fault.record) == (HEADERS, record)


def test_more_sets_than_headers_are_not_read(tmp_path):
    def change(data):
        return data * 1000

    fault = refused(forge(tmp_path, networked(), {VALIDATORS: change}))
    assert (fault.file, fault.why) == (VALIDATORS, "it has more sets than there are headers")


def test_one_member_cannot_retell_a_ledger_of_many(tmp_path):
    class Retold(Recorded):
        """The same founders, and a member that writes blocks alone."""

        def __init__(self, n=4):
            founders = tuple(card_of(f"h{i}", ledger=place_of(i)) for i in range(1, n + 1))
            super().__init__(n, founders=founders)

    c = played(1, 4, Retold)
    assert made_of(c).manifest.genesis == made_of(networked()).manifest.genesis
    fault = refused(folder_of(tmp_path, c)[0])
    assert "does not list ledger/headers.jsonl" in fault.why


def test_a_ledger_of_one_machine_has_no_blocks_without_writers(tmp_path):
    c = played(1)
    line = {**json.loads(made_of(c).files[BLOCKS].splitlines()[1]), "agreed": "ab" * 32}
    line |= {"hidden": [], "misbehaviour": []}
    del line["signature"]

    def change(data):
        return join_lines([data.splitlines()[0], codec.encode(line), *data.splitlines()[2:]])

    fault = refused(forge(tmp_path, c, {BLOCKS: change}))
    assert (fault.record, fault.why) == (2, "its signature is not its writer's")


def test_what_a_forger_signs_is_one_sentence_or_holds(tmp_path, monkeypatch):
    c, dice = beside_others(changed_validators()), random.Random(66)
    monkeypatch.setattr(light_client.keys, "verify_bytes", lambda *_: True)  # own validators
    monkeypatch.setattr(state, "check_proof", lambda *_: True)
    paths = [BLOCKS, BLOCKS, HEADERS, HEADERS, VALIDATORS, STATE]
    said = spoil_many(tmp_path, c, paths, dice, 60)
    assert len(said) > 48
    assert not any("\n" in sentence for sentence in said)


def test_a_line_reads_back_as_it_was_written():
    for whole in (True, False):
        lines = made_of(beside_others(networked()), whole=whole).files[BLOCKS].splitlines()
        assert [write_line(read_line(line)) for line in lines] == lines


def test_a_line_that_is_too_long_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(many_machines, "MAX_SET_BYTES", 100)
    fault = refused(folder_of(tmp_path, networked())[0])
    assert (fault.file, fault.record) == (VALIDATORS, 1)
    assert "Expected at most 100 bytes" in fault.why
