"""Conversion of the numbers that a trainer reports to what the ledger can record.

The limits (size, count, names) are enforced in one place, the node's local API. Here a number is
refused only if it cannot be converted to an integer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from swarmhub.codec import MAX_INT
from swarmhub.errors import TrainerError, plain
from swarmhub.types import MICRO


def to_count(value: Any, what: str) -> int:
    """Return a number of samples. Raises TrainerError if it is not a whole number (NaN, 2.5,
    text)."""
    try:
        count = int(value)
        is_whole = not isinstance(value, str | bytes) and bool(count == value)
    except (TypeError, ValueError, OverflowError):
        is_whole = False
    if not is_whole or not -MAX_INT <= count <= MAX_INT:
        raise TrainerError(f"Expected a whole number of samples in {what}, got {_shown(value)}.")
    return count


def to_metrics(
    metrics: Any, what: str, say: Callable[[str], None] = lambda sentence: None
) -> dict[str, float]:
    """Return metrics by name, and "samples" as a whole number. None and NaN (an AUC over one class)
    are left out, with a notice. Raises TrainerError if a metric is not a number, or infinite."""
    if not isinstance(metrics, Mapping):
        raise TrainerError(
            f'Expected metrics by name from {what}, e.g. {{"auc": 0.87}}, got {_shown(metrics)}.'
        )
    found: dict[str, float] = {}
    for name, value in metrics.items():
        if not isinstance(name, str):
            raise TrainerError(f"Expected text as a metric's name in {what}, got {_shown(name)}.")
        if name == "samples":
            found[name] = to_count(value, what)
            continue
        number = math.nan if value is None else _to_float(name, value, what)
        if math.isnan(number):
            say(f"the metric {plain(name, 40)!r} of {what} is no number: taken for no measurement")
        else:
            found[name] = number
    return found


def _to_float(name: str, value: Any, what: str) -> float:
    try:
        number = math.inf if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.inf
    if abs(number) > MAX_INT / MICRO:
        raise TrainerError(
            f"Expected a number that can be recorded as the metric {plain(name, 40)!r} of {what}, "
            f"got {_shown(value)}; leave it out, or return NaN, if there was no measurement."
        )
    return number


def to_micro(metrics: Mapping[str, float]) -> dict[str, int]:
    """Return metrics as integers in millionths."""
    return {name: round(value * MICRO) for name, value in metrics.items()}


def _shown(value: Any) -> str:
    return plain(repr(value), 60)
