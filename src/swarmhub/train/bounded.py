"""The bound of what a patient changes in a contribution, in a study with differential privacy.

A contribution is rounded to the type of its parameters; the node reckons with that
(`privacy.noising`), whatever the trainer.
"""

from __future__ import annotations

from dataclasses import dataclass

MILLION = 1_000_000


@dataclass(frozen=True)
class Bound:
    """A patient changes weight x (contribution - merged) by at most `clip` in the L2 norm; the
    weight is `samples`, those declared at enrolment; `unit` is "patient" or "record"."""

    clip: float
    samples: int
    unit: str = "patient"
