"""The record of what left this hospital."""

import asyncio
from pathlib import Path

import pytest
from builders import HEART, digest, initialised, merging

from swarmhub.contract.records import Evaluation
from swarmhub.contract.transactions import Leave, Propose, Ready
from swarmhub.home import record_log
from swarmhub.node import outgoing, sent
from swarmhub.node.outgoing import Outgoing, kind_of
from swarmhub.node.sent import ALL, Sent, SentBook, sent_of
from swarmhub.operations.sent import Total, add_up
from swarmhub.protocol import LocalState
from swarmhub.protocol.observations import OwnMasked


def entry(i=0, **changes):
    fields = {"time_ms": i, "kind": "parameters", "to": "B", "study": HEART, "nbytes": 10}
    return Sent(**{**fields, "what": digest(f"blob {i}"), **changes})


@pytest.fixture
def book(tmp_path):
    return SentBook(tmp_path / "sent.jsonl")


def test_what_was_recorded_is_read_since_a_moment(book):
    book.append(entry(1), entry(2))
    book.append(entry(3))
    assert list(book.read()) == [entry(1), entry(2), entry(3)]
    assert list(book.read(2)) == [entry(2), entry(3)]
    assert book.path.stat().st_mode & 0o77 == 0


def test_a_torn_line_costs_itself_only(book):
    book.append(entry(1), entry(2))
    book.path.write_bytes(book.path.read_bytes()[:-30])
    book.append(entry(3))
    assert list(book.read()) == [entry(1), entry(3)]


def test_the_record_is_bounded_and_keeps_the_newest(book, monkeypatch):
    monkeypatch.setattr(record_log, "MAX_BYTES", 2000)
    for i in range(100):
        book.append(entry(i))
    kept = list(book.read())
    assert kept == [entry(i) for i in range(100 - len(kept), 100)]
    assert (
        sum(p.stat().st_size for p in book.path.parent.glob("sent*.jsonl"))
        < 2300 * record_log.FILES
    )
    assert len(kept) > 2000 * (record_log.FILES - 1) / 250


def test_bytes_of_one_blob_to_one_member_are_one_entry(book):
    async def scenario():
        out = Outgoing(book, lambda m, d: ("merged", f"h{m}", HEART), pytest.fail)
        for _ in range(3):
            out.add(2, digest("x"), 100)
        out.add(3, digest("x"), 7)
        out.flush()

    asyncio.run(scenario())
    assert [(e.to, e.nbytes) for e in book.read()] == [("h2", 300), ("h3", 7)]


def test_an_upload_keeps_its_description_across_a_settlement(book):
    described = iter([("parameters", "h2", HEART), ("", "h2", "")])

    async def scenario():
        out = Outgoing(book, lambda m, d: next(described), pytest.fail)
        for _ in range(2):
            out.add(2, digest("x"), 100)
            out.flush()

    asyncio.run(scenario())
    assert [(e.kind, e.study, e.nbytes) for e in book.read()] == [("parameters", HEART, 100)] * 2


def test_a_blob_that_was_unknown_is_described_when_it_is_known(book):
    described = iter([("", "h2", ""), ("merged", "h2", HEART)])

    async def scenario():
        out = Outgoing(book, lambda m, d: next(described), pytest.fail)
        out.add(2, digest("x"), 1)
        out.add(2, digest("x"), 2)
        out.flush()

    asyncio.run(scenario())
    assert [(e.kind, e.nbytes) for e in book.read()] == [("passed on", 1), ("merged", 2)]


def test_descriptions_that_are_kept_are_bounded(book, monkeypatch):
    monkeypatch.setattr(outgoing, "MOST_KNOWN", 10)

    async def scenario():
        out = Outgoing(book, lambda m, d: ("merged", "h2", HEART), pytest.fail)
        for i in range(30):
            out.add(2, digest(f"blob {i}"), 1)
        out.flush()
        return len(out._known)

    assert asyncio.run(scenario()) == 10


def test_a_layout_is_recorded_as_one_of_its_study(book):
    async def scenario():
        out = Outgoing(book, lambda m, d: ("parameters", "h2", HEART), pytest.fail)
        out.add(2, digest("x"), 100)
        out.add_layout(2, digest("x"), 7)
        out.flush()

    asyncio.run(scenario())
    assert [(e.kind, e.study, e.nbytes) for e in book.read()] == [
        ("parameters", HEART, 100), ("layout", HEART, 7),
    ]  # fmt: skip


def test_a_record_that_cannot_be_written_is_trouble_said(tmp_path):
    said = []

    async def scenario():
        out = Outgoing(SentBook(tmp_path / "no" / "x"), lambda m, d: ("", "", ""), said.append)
        out.add(2, digest("x"), 100)
        out.flush()

    asyncio.run(scenario())
    assert isinstance(said[0], FileNotFoundError)


def test_a_transaction_with_metrics_is_said_to_be_one():
    c = initialised(2)
    plain = c.contribution(1)
    measured = c.contribution(1, evaluations=(Evaluation(c.round().base, 5, {"auc": 1}),))
    found = [sent_of(body, 9) for body in (plain, measured, Leave(), Ready("x"), Propose(c.spec()))]
    assert [e.kind for e in found] == ["transaction", "metrics", *["transaction"] * 3]
    assert [e.study for e in found] == [HEART, HEART, "", "x", HEART]
    assert {e.to for e in found} == {ALL}


def test_a_blob_is_of_the_kind_that_the_study_knows():
    c = merging(2)
    r, local = c.round(), LocalState(HEART, 1, set())
    mine, other = (r.contribution_of(m).digest for m in (1, 2))
    kinds = {d: kind_of(c.state, local, d) for d in (mine, other, r.base, digest("stranger"))}
    assert list(kinds.values()) == ["parameters", "passed on", "merged", None]
    assert {*kinds.values()} - {None} <= set(sent.KINDS)


def test_a_masked_contribution_is_of_a_kind_of_its_own():
    c = merging(2)
    r, local = c.round(), LocalState(HEART, 1, set())
    mine, other = (r.contribution_of(m) for m in (1, 2))
    local.masked = OwnMasked(r.number, 0, digest("plain"), mine.digest, "", 1, mine.layout, 1)
    kinds = [kind_of(c.state, local, d) for d in (mine.digest, other.digest, digest("plain"))]
    assert kinds == ["masked parameters", "passed on", None]


def test_totals_are_by_kind_receiver_and_study():
    found = add_up([entry(1), entry(2, to="C"), entry(3)])
    assert found == [
        Total("parameters", "B", HEART, 2, 20),
        Total("parameters", "C", HEART, 1, 10),
    ]


def test_the_guide_names_every_kind():
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "network.md").read_text()
    assert all(f"| `{kind}` | {words}" in guide for kind, words in sent.KINDS.items())
