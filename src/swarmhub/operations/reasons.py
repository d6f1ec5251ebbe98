"""The reasons that members state when they refuse a study, folded from the blocks of the ledger."""

from __future__ import annotations

from swarmhub.contract.events import StudyProposed, StudyRefused
from swarmhub.ledger import Committed
from swarmhub.types import MemberId


def find_refusals(committed: Committed, study: str) -> dict[MemberId, str]:
    """Return the reasons of a block's refusals of the study, by member; "" without one."""
    refusals = (e for e in committed.events if isinstance(e, StudyRefused) and e.study == study)
    return {e.member: e.reason for e in refusals}


class ReasonBook:
    """The newest reason of each member that has refused a study, from blocks in order."""

    def __init__(self, study: str) -> None:
        self._study = study
        self._newest: dict[MemberId, str] = {}

    def see(self, committed: Committed) -> None:
        """Add a block's refusals; a proposal under the name of one that has lapsed begins anew."""
        for event in committed.events:
            if isinstance(event, StudyProposed) and event.study == self._study:
                self._newest.clear()
        self._newest |= find_refusals(committed, self._study)

    @property
    def reasons(self) -> dict[MemberId, str]:
        """The reasons that were stated, by member."""
        return {member: reason for member, reason in self._newest.items() if reason}
