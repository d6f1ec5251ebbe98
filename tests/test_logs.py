"""A line of JSON for each event."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

import pytest

from swarmhub import logs
from swarmhub.errors import BadInput
from swarmhub.train import notices


def record(message="%s", *arguments, **more):
    return logging.LogRecord(
        "swarmhub.node", logging.WARNING, "x.py", 1, message, arguments, more.get("exc_info")
    )


def line(made):
    text = logs.JsonLines().format(made)
    assert "\n" not in text
    assert text.isascii()
    return json.loads(text)


@pytest.fixture
def in_json(monkeypatch):
    monkeypatch.setenv(logs.VARIABLE, "json")


def test_an_event_has_time_level_logger_and_message():
    made = record("block %d: %s", 7, "Hôpital 1\nvotes\u2028 \ud800")
    made.created = datetime(2026, 11, 30, 3, 37, 6, 349_000, UTC).timestamp()
    assert line(made) == {
        "time": "2026-11-30T03:37:06.349Z",
        "level": "WARNING",
        "logger": "swarmhub.node",
        "message": "block 7: Hôpital 1\nvotes\u2028 \ud800",
    }


def test_a_traceback_is_a_part_of_its_event():
    try:
        raise ValueError("lost")
    except ValueError:
        found = line(record("failed", exc_info=sys.exc_info()))
    assert found["message"] == "failed"
    assert found["exc"].startswith("Traceback")
    assert found["exc"].endswith("ValueError: lost")


@pytest.mark.parametrize("value", ["JSON", "xml", "1"])
def test_another_format_is_one_sentence(monkeypatch, value):
    monkeypatch.setenv(logs.VARIABLE, value)
    with pytest.raises(BadInput, match=f"'text' or 'json', got '{value}'"):
        logs.is_json()


def test_a_trainers_notice_is_an_event(in_json, capsys):
    notices.to_stderr("round 1 of 3")
    found = json.loads(capsys.readouterr().err)
    assert (found["level"], found["logger"], found["message"]) == (
        "INFO", "swarmhub.trainer", "round 1 of 3",
    )  # fmt: skip


def test_a_notice_is_text_by_default(monkeypatch, capsys):
    monkeypatch.delenv(logs.VARIABLE, raising=False)
    notices.to_stderr("round 1 of 3")
    assert capsys.readouterr().err == "swarmhub: round 1 of 3\n"


def test_an_uncaught_error_is_an_event(in_json, capsys):
    try:
        raise KeyError("x")
    except KeyError as error:
        logs.say_uncaught(KeyError, error, error.__traceback__)
    found = json.loads(capsys.readouterr().err)
    assert found["level"] == "CRITICAL"
    assert "KeyError: 'x'" in found["exc"]


@pytest.mark.parametrize("chosen", logs.FORMATS)
def test_a_printed_sentence_is_read_back(monkeypatch, capsys, chosen):
    monkeypatch.setenv(logs.VARIABLE, chosen)
    logs.say("The disk is full.")
    assert logs.read_sentence(capsys.readouterr().err.strip()) == "The disk is full."
