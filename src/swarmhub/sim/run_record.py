"""The account of a run that the invariants keep for themselves, from the ledger's events."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from swarmhub import codec
from swarmhub.contract.records import Model
from swarmhub.sim.contents import Blob
from swarmhub.sim.ports import Environment
from swarmhub.types import Digest, MemberId


@dataclass(frozen=True)
class Access:
    """The members that may read each blob, as of a block."""

    number: int = 0  # of the open round
    roster: frozenset[MemberId] = frozenset()
    contributions: frozenset[Digest] = frozenset()
    enrolled: frozenset[MemberId] = frozenset()
    models: frozenset[Digest] = frozenset()  # settled ones


class RunRecord:
    """Facts of the run so far. `broken` lists the invariants that did not hold: "NAME:
    sentence"."""

    def __init__(self, world: Environment) -> None:
        self.world = world
        self.broken: list[str] = []
        self.models: list[Model] = []
        self.ids: list[str] = []
        self._blocks: list[Any] = []
        self._looked = 0
        self._txs: list[tuple[bytes, ...]] = []
        self._accepted: set[str] = set()  # ids of transactions
        self._keys = {n.account.public: m for m, n in world.nodes.items()}
        self._past_keys: dict[MemberId, list[str]] = {}  # of leaders of this set
        self._led: set[MemberId] = set()  # leaders of this set of contributions
        self._members = set(world.nodes)
        self._enrolled: set[MemberId] = set()
        self._reckoned: set[MemberId] = set()  # enrolled when the round opened or grew
        self._approved: set[MemberId] = set()
        self._ended: dict[MemberId, int] = {}  # end of its approval or part, by height
        self._ballots: dict[int, set[MemberId]] = {}  # ayes of a motion
        self._targets: dict[int, MemberId] = {}  # the members that motions are to remove
        self._number, self._kind = 0, ""  # of the open round
        self._at = ("", 1)  # its stage and turn
        self._left: set[MemberId] = set()  # members that were left out of it for their layout
        self._roster: set[MemberId] = set()  # of the open round
        self._contributed: dict[int, set[MemberId]] = {}
        self.finished = False
        self._sets: dict[int, set[MemberId]] = {}  # round -> members to be merged
        # of open disputes, by shard: leaf by member, and that of the accused
        self._answers: dict[int, dict[MemberId, str]] = {}
        self._claimed: dict[int, str] = {}
        self._signed: set[MemberId] = set()  # for the newest settlement
        # signers of each settled shard, and the members caught by then
        self._backed: dict[int, tuple[set[MemberId], set[MemberId]]] = {}
        self._shards: list[Digest] = []  # settled in the open round
        self._parts: dict[MemberId, set[Digest]] = {}  # of contributions of the open round
        self._pieces: set[Digest] = set()  # of settled models
        self._reports: dict[MemberId, set[MemberId]] = {}
        self._caught: dict[int, set[MemberId]] = {}
        self._brought: dict[MemberId, Digest] = {}  # contributions of the open round
        self._total: Digest = ""  # the open round's settled sum
        self._merges: set[tuple[MemberId, int, Digest]] = set()  # (member, round, digest)
        self._access = [Access()]  # by height
        self._right: list[Blob] = []  # settled models, recomputed
        self._begin_masks()

    def _begin_masks(self) -> None:
        """Begin the account of masked rounds."""

    @property
    def _faults(self) -> int:
        return (len(self._reckoned) - 1) // 3

    def _reckon(self, joined: set[MemberId]) -> None:
        """Recount the enrolled members if a new one has joined the open round."""
        if not joined <= self._reckoned:
            self._reckoned = set(self._enrolled)

    def _break(self, name: str, sentence: str) -> None:
        self.broken.append(f"{name}: {sentence}")
        self.world.tell(0, f"BROKEN {name}: {sentence}")

    def _line(self, number: int, candidates: set[MemberId], shard: int = 0) -> list[MemberId]:
        """Return the line of a shard's leaders: the order of all, from the shard's place on."""
        order = self._sorted(number, candidates | self._reckoned, 0)
        first = shard % len(order) if order else 0
        return [m for m in (*order[first:], *order[:first]) if m in candidates]

    def _sorted(self, number: int, members: set[MemberId], purpose: int) -> list[MemberId]:
        def rank(m: MemberId) -> str:
            words = (self.world.spec.name, str(number), str(purpose), str(m))
            return codec.digest(b"swarmhub/leader/1", *(w.encode() for w in words))

        return sorted(members, key=rank)

    def _is_verdict(self, number: int, agreed: int) -> bool:
        voters = len(self._sets.get(number, set())) - 1
        return 2 * agreed > voters and agreed > self._faults
