"""The privacy that a study's terms ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Privacy:
    """Protection of a hospital's contributions from the other members of a study.

    Without `masked`, members read one another's contributions. With it they learn the sum of all
    alone, unless `colluders` + 1 members work together against the others.
    """

    masked: bool = False
    colluders: int = 1  # members that may show one another all they have
    clip_millionths: int = 10_000_000  # no parameter moves further in a round; 10^-6 of its unit
