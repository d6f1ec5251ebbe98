"""A study's evidence: it proves itself, and the first record that was altered is named."""

import json
import os
import random

import pytest
from builders import HEART, key
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
from typer.testing import CliRunner

from swarmhub import codec
from swarmhub.cli.app import app
from swarmhub.contract.transactions import Leave, Withdraw
from swarmhub.errors import BadInput
from swarmhub.operations.evidence import proof, state
from swarmhub.operations.evidence.lines import read_line, write_line
from swarmhub.operations.evidence.verify import verify_evidence

BLOCKS, STATE = "ledger/blocks.jsonl", "ledger/state.jsonl"
CHANGES = 1000


def rows(folder, name):
    path = folder / "study" / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_whole_study_is_executed_again(tmp_path):
    c = played()
    folder, genesis = folder_of(tmp_path, c)
    found = verify_evidence(folder, genesis)
    assert (found.origin, found.executed, found.recomputed) == ("proven", True, True)
    assert (found.study, found.signed_by, found.blocks) == (HEART, "h1", len(c.ledger.blocks))
    assert verify_evidence(folder).origin == "not proven"


def test_a_thousand_changed_bytes_are_a_thousand_found(tmp_path):
    folder, _ = folder_of(tmp_path, beside_others(played(2, 3)))
    assert count_named(folder, CHANGES, random.Random(64)) == CHANGES
    assert verify_evidence(folder).study == HEART


def test_a_file_that_is_added_taken_away_or_a_link_is_found(tmp_path):
    folder, _ = folder_of(tmp_path, played(1))
    extra = folder / "study" / "more.jsonl"
    extra.write_bytes(b"{}\n")
    assert "study/more.jsonl: it is not listed" in str(refused(folder))
    extra.unlink()
    (folder / "README.md").rename(tmp_path / "away")
    assert "README.md: it is missing" in str(refused(folder))
    os.symlink(tmp_path / "away", folder / "README.md")
    assert "README.md: it is a link" in str(refused(folder))


def test_a_line_more_and_a_line_less_are_named(tmp_path):
    folder, _ = folder_of(tmp_path, played(1))
    path = folder / "study" / "approvals.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert (refused(folder).file, refused(folder).record) == (
        "study/approvals.jsonl", len(lines),
    )  # fmt: skip
    path.write_bytes(b"".join([*lines, b"{}\n"]))
    assert refused(folder).record == len(lines) + 1


def test_a_document_that_does_not_follow_is_found_though_signed(tmp_path):
    c = played(1)
    path = "study/approvals.jsonl"
    fault = refused(forge(tmp_path, c, {path: edit(2, act="refused")}))
    assert (fault.file, fault.record) == (path, 2)
    assert "does not follow from the blocks" in fault.why


OTHER_CONTENTS = [
    ("txs", [], "one result for each"),
    ("results", [], "one result for each"),
    ("signature", "0" * 128, "its writer's"),
    ("begun", [["study_refused", {"member": 2, "study": HEART}]], "its header names"),
]


@pytest.mark.parametrize(("field", "value", "said"), OTHER_CONTENTS)
def test_a_block_with_other_contents_is_found_though_signed(tmp_path, field, value, said):
    c = played(1)
    fault = refused(forge(tmp_path, c, {BLOCKS: edit(2, **{field: value})}))
    assert (fault.file, fault.record) == (BLOCKS, 2)
    assert said in fault.why


def test_a_block_that_is_left_out_is_found_though_signed(tmp_path):
    def drop(data):
        lines = data.splitlines(keepends=True)
        return b"".join(lines[:4] + lines[5:])

    fault = refused(forge(tmp_path, played(1), {BLOCKS: drop}))
    assert (fault.file, fault.record) == (BLOCKS, 5)


def test_what_a_forger_signs_is_one_sentence_or_holds(tmp_path, monkeypatch):
    c, dice = beside_others(played(1)), random.Random(64)
    monkeypatch.setattr(proof, "is_signed", lambda *_: True)  # a chain that the forger made
    monkeypatch.setattr(proof, "has_contents", lambda *_: True)
    monkeypatch.setattr(state, "check_proof", lambda *_: True)
    said = spoil_many(tmp_path, c, [BLOCKS, BLOCKS, STATE, "study/metrics.jsonl"], dice)
    assert len(said) > 48
    assert not any("\n" in sentence for sentence in said)


def test_a_record_of_the_state_is_proven(tmp_path):
    def change(data):
        return data.replace(b'\\"samples\\":100', b'\\"samples\\":900')

    fault = refused(forge(tmp_path, played(1), {STATE: change}))
    assert "'study/heart' is not proven" in fault.why


def test_another_hospital_s_key_signs_for_nobody(tmp_path):
    fault = refused(forge(tmp_path, played(1), {}, signer=2, name="h3"))
    assert fault.file == "signature.json"
    assert "not the release key of that member" in fault.why


def test_a_head_that_the_blocks_do_not_have_is_found(tmp_path):
    assert refused(forge(tmp_path, played(1), {}, head="0" * 64)).file == "manifest.json"


def test_a_chain_made_anew_is_found_by_its_genesis(tmp_path):
    folder, genesis = folder_of(tmp_path, played(1))
    assert verify_evidence(folder, genesis).origin == "proven"
    other = made_of(played(1, 3)).manifest.genesis
    assert "it is another chain's" in str(refused(folder, other))


def test_other_studies_are_not_in_the_folder(tmp_path):
    c = beside_others(played(1))
    folder, genesis = folder_of(tmp_path, c)
    text = b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file()).decode()
    for word in (SECRET, "lung", "skin"):
        assert word not in text
    found = verify_evidence(folder, genesis)
    assert (found.headers, found.parts, found.executed) == (1, 1, False)


def test_the_whole_ledger_is_executed_again(tmp_path):
    folder, genesis = folder_of(tmp_path, beside_others(played(1)), whole=True)
    assert verify_evidence(folder, genesis).executed


def test_a_part_has_no_member_s_act_without_its_signature(tmp_path):
    c = beside_others(played(1))
    lines = made_of(c).files[BLOCKS].splitlines()
    part = 1 + next(i for i, line in enumerate(lines) if b'"level":"part"' in line)

    def put(data):
        lines = data.splitlines()
        row, other = json.loads(lines[part - 1]), json.loads(lines[1])
        row["txs"], row["results"] = other["txs"], other["results"]
        row["txs"] = [t.replace('"signature":"', '"signature":"00') for t in row["txs"]]
        lines[part - 1] = codec.encode(row)
        return b"".join(line + b"\n" for line in lines)

    fault = refused(forge(tmp_path, c, {BLOCKS: put}))
    assert (fault.record, fault.why) == (part, "a transaction is not signed by its sender")


def test_keys_that_changed_and_members_that_came_and_went_are_followed(tmp_path):
    c = played(1)
    beside_others(c)
    c.admit("late")
    c.rotate(2)
    c.ok(3, Leave())
    c.idle(1000)
    c.ledger.writer = key("h2/new")
    c.idle(1000)
    folder, genesis = folder_of(tmp_path, c)
    found = verify_evidence(folder, genesis)
    assert (found.origin, found.executed) == ("proven", False)
    assert [m["status"] for m in rows(folder, "members")] == [
        "active", "active", "left", "active", "active",
    ]  # fmt: skip


def test_a_stranger_writes_no_block_of_others(tmp_path):
    c = beside_others(played(1))
    c.ledger.writer = key("stranger")
    c.propose(name="bone", title=SECRET)
    folder, _ = folder_of(tmp_path, c)
    assert refused(folder).why == "its writer is not a member"


def test_the_documents_say_what_happened(tmp_path):
    c = played(2)
    folder, _ = folder_of(tmp_path, c)
    acts = [(r["act"], r["name"]) for r in rows(folder, "approvals")]
    assert acts[0] == ("proposed", "h1")
    assert {a for a in acts if a[0] == "approved"} >= {("approved", f"h{i}") for i in (2, 3, 4)}
    assert {r["terms"] for r in rows(folder, "approvals")} == {c.study().spec}
    held = rows(folder, "participation")
    assert [r["kind"] for r in held[:3]] == ["initial", "train", "train"]
    assert [t["samples"] for t in held[1]["took_part"]] == [100] * 4
    released = rows(folder, "releases")[0]
    assert released["model"] == c.study().released[0].digest
    assert released["outcome"] == "carried"
    assert released["votes"][0]["name"] == "h1"
    assert len(rows(folder, "contributions")) == sum(len(r["took_part"]) for r in held)


def test_a_member_that_is_missing_is_there_with_the_reason(tmp_path):
    c = played(1)
    d = type(c)(4)
    d.start(min_peers=2, quorum_grace_ms=1000, rounds=5)
    d.ready(1, 2, 3, 4)
    d.settle()
    d.contribute(1, 2, 3)
    d.ok(4, Withdraw(HEART))
    d.settle()
    folder, _ = folder_of(tmp_path, d)
    absent = rows(folder, "participation")[1]["absent"]
    assert [(a["name"], a["why"]) for a in absent] == [("h4", "has withdrawn from the study")]


def test_a_line_reads_back_as_it_was_written():
    c = played(1)
    lines = made_of(c).files[BLOCKS].splitlines()
    assert [write_line(read_line(line)) for line in lines] == lines


def test_the_crate_lists_every_file_with_its_digest(tmp_path):
    folder, _ = folder_of(tmp_path, played(1))
    crate = json.loads((folder / "ro-crate-metadata.json").read_bytes())
    entities = {e["@id"]: e for e in crate["@graph"]}
    parts = {p["@id"] for p in entities["./"]["hasPart"]}
    there = {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}
    assert there - parts == {"ro-crate-metadata.json", "manifest.json", "signature.json"}
    for part in parts:
        assert int(entities[part]["contentSize"]) == (folder / part).stat().st_size
        assert entities[part]["description"]


def test_a_folder_is_never_overwritten(tmp_path):
    folder_of(tmp_path, played(1))
    with pytest.raises(BadInput, match="never overwritten"):
        folder_of(tmp_path, played(1))


def run(*words):
    return CliRunner().invoke(app, ["evidence", "verify", *map(str, words)])


def test_exit_codes_tell_origin_alteration_and_bad_input(tmp_path):
    folder, genesis = folder_of(tmp_path, played(1))
    done = run(folder, "--genesis", genesis)
    assert (done.exit_code, "origin proven" in done.output) == (0, True)
    done = run(folder)
    assert (done.exit_code, "Consistent, origin not proven" in done.output) == (3, True)
    (folder / "README.md").write_text("other")
    done = run(folder, "--json")
    assert (done.exit_code, json.loads(done.stdout)["altered"]["file"]) == (1, "README.md")
    assert isinstance(run(tmp_path).exception, BadInput)
    assert isinstance(run(folder, "--genesis", "12").exception, BadInput)
