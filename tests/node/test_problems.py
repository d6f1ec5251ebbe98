"""What an operator reads of a running node, and until when."""

import asyncio
import logging
from types import SimpleNamespace

import pytest
from parts import services_on

from swarmhub.contract.transactions import Leave
from swarmhub.home.membership import Standing
from swarmhub.node import services, status
from swarmhub.node.problems import MOST, Problems
from swarmhub.node.status import Status

LATE = "No block has it."


@pytest.fixture
def problems(tmp_path):
    return Problems(tmp_path)


def test_a_topic_has_one_sentence_until_it_is_well(problems, caplog):
    caplog.set_level(logging.INFO)
    for sentence in ("one key", "one key", "two keys", ""):
        problems.update("keys", sentence)
        assert problems.sentences == ([sentence] if sentence else [])
    said = [r.message for r in caplog.records]
    assert said == ["one key", "over: one key", "two keys", "over: two keys"]


def test_a_sentence_of_two_topics_stays_while_one_has_it(problems):
    for topic in ("one", "two"):
        problems.update(topic, "the same")
    problems.update("one", "")
    assert problems.sentences == ["the same"]
    problems.update("two", "")
    assert problems.sentences == []


def test_the_newest_problems_are_kept_each_once(problems):
    for i in range(2 * MOST):
        problems.report(f"problem {i // 2}")
        problems.report("again and again")
    assert len(problems.sentences) == MOST
    assert problems.sentences.count("again and again") == 1


@pytest.fixture
def there(tmp_path, monkeypatch):
    """Services of a node that is a member in good standing, without a ledger."""
    monkeypatch.setattr(Status, "standing", lambda self: Standing("member", True, "A member."))
    monkeypatch.setattr(services, "get_member_of_key", lambda state, key: None)
    monkeypatch.setattr(status, "find_double_signs", lambda state, me: [])
    return services_on(tmp_path / "home", why_late=LATE)


def is_well(there):
    return Status(there, None, None, SimpleNamespace(waiting=False)).is_well()


def test_a_problem_that_stays_is_something_to_mend(there):
    assert is_well(there)
    there.problems.report("The journal was damaged.")
    assert not is_well(there)


def test_a_ledger_that_is_late_is_a_warning_with_an_end(there, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    answers = iter([TimeoutError, TimeoutError, "taken"])

    async def result(timeout_s):
        answer = next(answers)
        if answer is TimeoutError:
            raise TimeoutError
        return answer

    async def nothing(*given):
        return SimpleNamespace(result=result)

    async def story():
        monkeypatch.setattr(services, "advance_block_time", nothing)
        monkeypatch.setattr(services, "sign_transaction", lambda *given: b"tx")
        there.ledger.submit, there.ledger.tip = nothing, SimpleNamespace(chain_id="c")
        return await there.submit(Leave())

    assert asyncio.run(story()) == "taken"
    said = [(r.levelname, r.message) for r in caplog.records if LATE in r.message]
    assert said == [("WARNING", LATE), ("INFO", f"over: {LATE}")]
    assert is_well(there)


@pytest.mark.parametrize(("state", "level"), [("member", "WARNING"), ("removed", "ERROR")])
def test_a_member_that_is_alone_is_warned(there, monkeypatch, caplog, state, level):
    monkeypatch.setattr(Status, "standing", lambda self: Standing(state, False, "Nobody answers."))
    told = Status(there, None, None, SimpleNamespace(waiting=False))
    told.log_standing()
    told.log_standing()
    assert [(r.levelname, r.message) for r in caplog.records] == [(level, "Nobody answers.")]
