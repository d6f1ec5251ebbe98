"""The account keys of the members, folded from block 0 and the consortium's events."""

from __future__ import annotations

from swarmhub.contract import events as e
from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.records import get_members
from swarmhub.contract.state import Reader
from swarmhub.contract.transactions import Rotate
from swarmhub.ledger import Committed
from swarmhub.types import MemberId, PublicKey


class Accounts:
    """Members by account key, after the blocks seen so far."""

    def __init__(self, state: Reader) -> None:
        """Begin with the state of block 0."""
        self._members = {m.account: m.id for m in get_members(state)}
        self._applied: dict[int, tuple[str, PublicKey]] = {}  # by motion
        self._ever = set(self._members.values())

    def find(self, account: PublicKey) -> MemberId | None:
        """Return the member with an account key; None for a stranger."""
        return self._members.get(account)

    def all(self) -> dict[PublicKey, MemberId]:
        """Return the members by account key."""
        return dict(self._members)

    def ever(self) -> set[MemberId]:
        """Return the members of all times."""
        return set(self._ever)

    def see(self, committed: Committed) -> None:
        """Add a block after block 0."""
        results = zip(committed.block.txs, committed.results, strict=True)
        for tx, result in results:
            if result.ok:
                self._take_rotation(tx)
        carried = {
            event.motion for event in committed.events
            if isinstance(event, e.MotionClosed) and event.outcome == "carried"
        }  # fmt: skip
        for event in committed.events:
            match event:
                case e.AdmissionMoved(name=name, account=account, motion=motion):
                    self._applied[motion] = (name, account)
                case e.Admitted(member=member, name=name):
                    self._admit(member, name, carried)
                case e.Departed(member=member):
                    self._members = {a: m for a, m in self._members.items() if m != member}
                case _:
                    pass

    def _take_rotation(self, tx: bytes) -> None:
        found = read_transaction(tx)
        if isinstance(found.body, Rotate) and found.signer in self._members:
            self._members[found.body.card.account] = self._members.pop(found.signer)

    def _admit(self, member: MemberId, name: str, carried: set[int]) -> None:
        self._ever.add(member)
        for motion in sorted(carried):
            if self._applied.get(motion, ("", ""))[0] == name:
                self._members[self._applied.pop(motion)[1]] = member
                return
