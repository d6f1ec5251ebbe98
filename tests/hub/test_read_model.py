"""The read model against the blocks themselves."""

from builders import HEART, spec_of
from recorded import Recorded

from swarmhub.contract.study.lifecycle import compute_spec_digest
from swarmhub.contract.transactions import Amend, Approve, Refuse, Start
from swarmhub.hub.read_model import PAGE, Search
from swarmhub.ledger.sentences import members_of, say_event


def played(rounds=30):
    c = Recorded(3)
    c.start(min_peers=2, rounds=rounds)
    c.ready(1, 2, 3)
    c.settle()
    for _ in range(rounds):
        c.play()
    return c


def test_a_page_has_what_the_blocks_have():
    c = played()
    model = c.read()
    names = {m: f"h{m}" for m in c.accounts}
    every = [(b.height, say_event(e, names)) for b in c.blocks for e in b.events]
    found, page = [], 1
    while page <= model.search(Search(page=page)).pages:
        found += model.search(Search(page=page)).entries
        page += 1
    assert [(e.height, e.said) for e in reversed(found)] == every
    assert len(every) > 3 * PAGE


def test_a_search_is_by_words_study_member_and_time():
    c = played(3)
    model = c.read()
    settled = model.search(Search(text="SETTLES round 3"))
    assert settled.total == 1
    assert "settles round 3" in settled.entries[0].said
    mine = sum(2 in members_of(e) for b in c.blocks for e in b.events)
    assert model.search(Search(member=2)).total == mine
    assert model.search(Search(study="other")).total == 0
    middle = c.blocks[len(c.blocks) // 2].block.header.time_ms
    before = sum(len(b.events) for b in c.blocks if b.block.header.time_ms < middle)
    assert model.search(Search(until_ms=middle)).total == before
    whole = model.search(Search()).total
    assert model.search(Search(since_ms=middle)).total == whole - before
    assert model.search(Search(page=10_000)).page == model.search(Search()).pages


def test_what_is_searched_for_is_no_pattern():
    model = played(1).read()
    for text in ("%", "_", "'; DROP TABLE entry; --", "\\", "*" * 500):
        assert model.search(Search(text=text)).total == 0
    assert model.search(Search()).total > 0


def test_a_refusal_is_an_entry_with_its_reason():
    c = played(1)
    c.refused("AlreadyDone", 1, Start(HEART))
    found = c.read().search(Search(text="refused"))
    assert found.total == 1
    entry = found.entries[0]
    assert (entry.is_refused, entry.study, entry.kind) == (True, HEART, "study.start")
    assert "AlreadyDone" in entry.said


def test_terms_are_kept_and_those_that_a_member_approved_before():
    c = Recorded(3)
    c.propose()
    first = c.spec()
    c.ok(2, Approve(HEART, c.study().spec))
    c.ok(1, Amend(spec_of(title="another question")))
    model = c.read()
    terms = model.terms(HEART)
    assert [t.digest for t in terms] == [compute_spec_digest(first), c.study().spec]
    assert model.approved_before(HEART, 2) == first
    assert model.approved_before(HEART, 3) is None
    c.ok(2, Refuse(HEART, c.study().spec))
    assert c.read().approved_before(HEART, 2) == first


def test_rounds_are_those_of_the_study():
    c = played(1)
    model = c.read()
    assert model.height == c.blocks[-1].height
    assert len(model.settled(HEART)) == 2
    assert [h.settled_ms > 0 for h in model.held(HEART)] == [True, True, False]  # it is evaluated
