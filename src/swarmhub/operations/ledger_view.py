"""A ledger as a person of one hospital reads it: members, studies, motions. It signs nothing."""

from __future__ import annotations

from swarmhub.contract.consortium.motions import get_electors, get_motions
from swarmhub.contract.records import (
    SPEC,
    STUDY,
    Member,
    Motion,
    Spec,
    Study,
    get_member_of_key,
    get_members,
    get_names,
)
from swarmhub.errors import BadInput
from swarmhub.home.ledgers import DeskLedger
from swarmhub.home.membership import find_standing
from swarmhub.types import MemberId


class LedgerView:
    """An open ledger, and the public account key of the hospital that reads it."""

    def __init__(self, ledger: DeskLedger, public: str) -> None:
        self.ledger = ledger
        self.public = public

    @property
    def me(self) -> Member:
        """Return this hospital's member record. Raises BadInput, with the reason, if there is
        none."""
        found = get_member_of_key(self.ledger.state, self.public)
        if found is None:
            raise BadInput(find_standing(self.ledger.state, self.public).said)
        return found

    def motions(self) -> list[Motion]:
        """Return the open motions, oldest first."""
        return get_motions(self.ledger.state)

    def electors(self, motion: Motion) -> tuple[MemberId, ...]:
        """Return the ids of the members that decide the motion at present."""
        return get_electors(self.ledger.state, motion)

    def names(self) -> dict[MemberId, str]:
        """Return the name of every member by id, departed ones included."""
        return get_names(self.ledger.state)

    def members(self) -> list[Member]:
        """Return the active members."""
        return get_members(self.ledger.state)

    def need_member(self, member: MemberId) -> Member:
        """Return an active member. Raises BadInput if there is none with this id."""
        found = next((m for m in self.members() if m.id == member), None)
        if found is None:
            raise BadInput(f"There is no member '{member}'; see 'swarmhub consortium members'.")
        return found

    def studies(self) -> list[Study]:
        """Return all studies, sorted by name."""
        paths = [p for p in self.ledger.state.values if p.startswith("study/")]
        return [self.need_study(path.removeprefix("study/")) for path in sorted(paths)]

    def need_study(self, name: str) -> Study:
        """Return a study. Raises BadInput if there is none."""
        found = STUDY.get(self.ledger.state, name)
        if found is None:
            raise BadInput(
                f"There is no study '{name}' on the ledger; 'swarmhub study propose' it."
            )
        return found

    def need_spec(self, name: str) -> Spec:
        """Return a study's terms."""
        self.need_study(name)
        return SPEC.need(self.ledger.state, name)
