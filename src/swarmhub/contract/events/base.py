"""Bases of all events."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True)
class StudyEvent(Event):
    """Base of the events of a study."""

    study: str


@dataclass(frozen=True)
class RoundEvent(StudyEvent):
    """Base of the events of a round."""

    number: int  # of the round
