"""A wait is said when it changes and once a minute; an error ends a program with a sentence."""

import subprocess
import sys
from pathlib import Path

import pytest

from swarmhub.train.notices import Notices

TRAINERS = Path(__file__).parent / "trainers"


class Person:
    """Hears a trainer, at a time of the test's choice."""

    def __init__(self):
        self.said, self.now_s = [], 0.0
        self.notices = Notices(self.said.append, lambda: self.now_s)

    def wait_for(self, sentence, now_s):
        self.now_s = now_s
        self.notices.waiting(sentence)
        return len(self.said)


def test_a_wait_is_said_once_and_again_every_minute():
    person = Person()
    assert [person.wait_for("for B", t) for t in (0, 1, 59, 60, 61, 120)] == [1, 1, 1, 2, 2, 3]


def test_a_wait_for_something_else_is_said_at_once():
    person = Person()
    assert [person.wait_for(f"for {who}", 1) for who in "ABBA"] == [1, 2, 2, 3]


def test_a_number_that_grows_is_no_news():
    person = Person()
    assert [person.wait_for(f"for B: {t} s", t) for t in (1, 2, 30, 61)] == [1, 1, 1, 2]


def test_the_end_of_a_wait_is_said_if_there_was_one():
    person = Person()
    person.notices.goes_on("going on")
    person.wait_for("for B", 0)
    person.notices.goes_on("going on")
    assert person.said == ["for B", "going on"]


def test_what_is_said_once_is_not_said_again():
    person = Person()
    for _ in range(3):
        person.notices.once("a word")
    assert person.said == ["a word"]


def run(name, *arguments):
    return subprocess.run(
        [sys.executable, TRAINERS / name, *arguments], capture_output=True, text=True, timeout=60
    )


@pytest.mark.process
def test_a_program_ends_with_a_sentence_and_no_traceback(tmp_path):
    done = run("add_one.py", "--home", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("swarmhub: Expected a node's home at ")
    assert "Traceback" not in done.stderr


@pytest.mark.process
def test_another_error_of_a_program_keeps_its_traceback(tmp_path):
    done = run("fails.py", "--home", tmp_path)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
