"""The error of a proof that does not hold."""

from __future__ import annotations

from swarmhub.errors import BadInput, plain


class ProofFails(BadInput):
    """The first part of a proof that does not hold: `part` (a field, with a height or a number) and
    `why`."""

    def __init__(self, part: str, why: str) -> None:
        self.part, self.why = plain(part, 100), plain(why, 400)
        super().__init__(f"{self.part}: {self.why}.")
