"""The bound of what a patient changes in a contribution, in a study with differential privacy.

A contribution is rounded to the type of its parameters. Rounding moves each by half a unit in the
last place, and which way depends on all patients; so patients are clipped to a little less than the
terms allow, by as much as rounding can add for the largest possible parameter.
"""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.errors import BadInput

LARGEST_LOSS = 0.5  # of the clip, to rounding
MILLION = 1_000_000


@dataclass(frozen=True)
class Bound:
    """A patient changes weight x (contribution - merged) by at most `clip` in the L2 norm; the
    weight is `samples`, those declared at enrolment; `unit` is "patient" or "record"."""

    clip: float
    samples: int
    unit: str = "patient"

    def less_rounding(self, place: float, largest: float) -> float:
        """Return the clip, less what rounding can add. `place` is the L2 norm of one unit in the
        last place of each parameter, relative to its value; no merged parameter is larger than
        `largest`. Raises BadInput if too little is left.

        At most `samples` patients, each changing a parameter by clip / samples, move it by at most
        the clip. With a patient and without, rounding adds half a unit each.
        """
        added = self.samples * place * (largest + self.clip)
        if added > LARGEST_LOSS * self.clip:
            raise BadInput(
                f"Expected a larger clip in the study's privacy.dp for {self.samples} samples: a "
                f"patient's part of at most {self.clip:g} is lost in the rounding of parameters "
                f"here; propose the study with a larger clip (and rate); {2 * added:.2g} may do."
            )
        return self.clip - added
