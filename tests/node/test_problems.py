"""What an operator reads of a running node, and until when."""

import asyncio
import logging
from types import SimpleNamespace

import pytest

from swarmhub.contract.transactions import Leave
from swarmhub.home.home import Home
from swarmhub.home.membership import Standing
from swarmhub.node import service
from swarmhub.node.problems import MOST, Problems
from swarmhub.node.service import Node

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
    """A node that is a member in good standing, without a ledger."""
    there = Node(Home.create(tmp_path / "home", "Hospital", "127.0.0.1:7000"))
    monkeypatch.setattr(there, "standing", lambda: Standing("member", True, "A member."))
    monkeypatch.setattr(service, "get_member_of_key", lambda state, key: None)
    monkeypatch.setattr(service, "find_double_signs", lambda state, me: [])
    there.ledger = SimpleNamespace(state=None, why_late=LATE)
    return there


def test_a_problem_that_stays_is_something_to_mend(there):
    assert there.is_well()
    there.problems.report("The journal was damaged.")
    assert not there.is_well()


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
        monkeypatch.setattr(service, "advance_block_time", nothing)
        monkeypatch.setattr(service, "sign_transaction", lambda *given: b"tx")
        monkeypatch.setattr(there, "now_ms", lambda: 0)
        there.ledger.submit, there.ledger.tip = nothing, SimpleNamespace(chain_id="c")
        return await there.submit(Leave())

    assert asyncio.run(story()) == "taken"
    said = [(r.levelname, r.message) for r in caplog.records if LATE in r.message]
    assert said == [("WARNING", LATE), ("INFO", f"over: {LATE}")]
    assert there.is_well()


@pytest.mark.parametrize(("state", "level"), [("member", "WARNING"), ("removed", "ERROR")])
def test_a_member_that_is_alone_is_warned(there, monkeypatch, caplog, state, level):
    monkeypatch.setattr(there, "standing", lambda: Standing(state, False, "Nobody answers."))
    there._tell_standing()
    there._tell_standing()
    assert [(r.levelname, r.message) for r in caplog.records] == [(level, "Nobody answers.")]
