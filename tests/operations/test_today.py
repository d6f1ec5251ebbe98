"""The page Today: what needs a hospital, and what is left to do after a study's end."""

from types import SimpleNamespace

import pytest
from builders import HEART, Consortium

from swarmhub.contract.records import Declaration, Outcome
from swarmhub.contract.transactions import Finish, Release, Vote
from swarmhub.home.config import make_config
from swarmhub.operations.ended import SHOWN_MS
from swarmhub.operations.ledger_view import LedgerView
from swarmhub.operations.looks import Seen, look_at_today

DAY_MS = 86_400_000


def today(c, member=1, forgotten=(), later_ms=0):
    """Today at a member, some time after the last block."""
    ledger = SimpleNamespace(state=c.state, estimate_ms=lambda: c.now_ms + later_ms)
    view = LedgerView(ledger, c.accounts[member].public)
    record = SimpleNamespace(
        studies=lambda: [study.name for study in view.studies()], reasons=lambda study: {},
        settled=lambda study: (), held=lambda study: (),
    )  # fmt: skip
    home = SimpleNamespace(
        config=make_config("h1", "h1.example:7000", "", "x"),
        is_forgotten=lambda study: study in forgotten,
    )
    return look_at_today(Seen(home, view, record))


def finished(**spec):
    """A study of two of three members that is over."""
    c = Consortium(3)
    c.start(1, 2, rounds=1, **spec)
    c.ready(1, 2)
    c.settle()
    c.play()
    c.contribute(1, 2)
    assert c.study().status == "finished"
    return c


def steps(found):
    (ended,) = found.ended
    return [step.kind for step in ended.steps]


def test_after_its_end_a_study_says_what_to_do_next():
    found = today(finished(data=Declaration(Outcome("ill", positive=("1",)))))
    assert steps(found) == ["report", "release", "export", "evidence", "forget"]
    commands = [s.command for s in found.ended[0].steps if s.command]
    assert commands == [
        "swarmhub model export heart --out FOLDER",
        "swarmhub evidence export heart --out FOLDER",
        "swarmhub study forget heart",
    ]


def test_a_study_without_declared_data_has_no_report():
    found = today(finished())
    assert steps(found) == ["release", "export", "evidence", "forget"]
    assert found.ended[0].steps[1].command == "swarmhub node export heart --out FILE"


def test_the_vote_on_a_release_follows_its_motion():
    c = finished()
    model = c.study().current.digest
    c.ok(1, Release(HEART, model))
    assert steps(today(c))[0] == "vote"
    c.ok(2, Vote(c.open_motions[0], True))
    assert steps(today(c))[0] == "released"


def test_a_study_that_ended_without_training_has_no_model():
    c = Consortium(2)
    c.start(statistics=True)
    c.contribute(1, 2)
    c.settle()
    c.ok(1, Finish(HEART))
    assert steps(today(c)) == ["no_model", "forget"]


def test_who_took_no_part_or_has_forgotten_it_sees_nothing():
    c = finished()
    assert len(today(c, 2).ended) == 1
    assert today(c, 3).ended == ()
    assert today(c, forgotten=(HEART,)).ended == ()


@pytest.mark.parametrize(("later_ms", "shown"), [(SHOWN_MS - DAY_MS, 1), (SHOWN_MS, 0)])
def test_after_a_while_it_is_shown_no_longer(later_ms, shown):
    assert len(today(finished(), later_ms=later_ms).ended) == shown


def test_a_study_that_is_over_needs_nothing_and_waits_for_nobody():
    found = today(finished(), 3)
    assert (found.to_approve, found.to_enrol, found.to_start) == ((), (), ())
    assert (found.running, found.waiting) == ((), ())


def test_a_study_whose_time_is_up_needs_no_answer():
    c = Consortium(3)
    c.propose(expires_ms=c.now_ms + DAY_MS)
    assert [s.name for s in today(c, 2).to_approve] == [HEART]
    assert today(c, 2, later_ms=DAY_MS).to_approve == ()


def test_a_motion_whose_time_is_up_needs_no_vote():
    c = finished()
    c.ok(1, Release(HEART, c.study().current.digest))
    assert len(today(c, 2).motions) == 1
    assert today(c, 2, later_ms=31 * DAY_MS).motions == ()
