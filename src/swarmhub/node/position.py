"""The place of a study's driver in its study."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Position:
    """The round and revision that a study's driver has reached."""

    number: int = 0
    is_open: bool = True
    revision: int = 0
    closed: bool = False  # the driver has ended
