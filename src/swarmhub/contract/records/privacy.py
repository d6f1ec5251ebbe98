"""The privacy that a study's terms ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swarmhub.contract.state import Table
from swarmhub.types import Digest


@dataclass(frozen=True)
class DifferentialPrivacy:
    """A budget of each member of a study: so many contributions of parameters, with so much noise.

    One patient (or record) changes weight x (contribution - base) by at most `clip` in the L2 norm,
    and what the others read has noise with the standard deviation `noise` x `clip`: `steps` of
    these together are (epsilon, delta)-private (`privacy.accounting` computes it; the contract,
    which has whole numbers only, counts steps).
    """

    epsilon_millionths: int
    delta_trillionths: int  # 10^-12
    clip_millionths: int
    noise_millionths: int
    steps: int  # of each member, over the whole study
    unit: Literal["patient", "record"] = "patient"


@dataclass(frozen=True)
class Privacy:
    """Protection of a hospital's contributions from the other members of a study.

    Without `masked`, members read one another's contributions. With it they learn the sum of all
    alone, unless `colluders` + 1 members work together against the others. With `dp`, whatever they
    read has noise: with `masked` too, the sum has it, and each contribution a part.
    """

    masked: bool = False
    colluders: int = 1  # members that may show one another all they have
    clip_millionths: int = 10_000_000  # no parameter moves further in a round; 10^-6 of its unit
    dp: DifferentialPrivacy | None = None


@dataclass(frozen=True)
class Spent:
    """The noisy contributions of a member to a study so far; it stays when the member leaves."""

    steps: int = 0
    last: Digest = ""  # of the newest one: sent again, it tells nothing new


SPENT = Table("spent", Spent)  # by study and member
