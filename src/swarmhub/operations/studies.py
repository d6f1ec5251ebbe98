"""Views of a study: its terms, its members, its rounds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from swarmhub.contract.consortium.thresholds import compute_faults, compute_min_peers
from swarmhub.contract.records import ROUND, Round, Spec, Study
from swarmhub.contract.round.election import get_leader
from swarmhub.contract.round.kinds import MERGING, compute_training_round
from swarmhub.home.home import Home
from swarmhub.ledger import Committed
from swarmhub.ledger.cometbft import CometReadClient
from swarmhub.node.waits import find_wait
from swarmhub.operations.ledger_client import LedgerClient, open_client
from swarmhub.operations.rounds import RoundBook, SettledRound
from swarmhub.types import MemberId

PAGE = 500  # blocks


@dataclass(frozen=True)
class StudyShown:
    """A study as of the newest block. `min_peers` is what a round needs with the present enrolment,
    of which `faults` may be Byzantine."""

    study: Study
    spec: Spec
    round: Round | None
    names: dict[MemberId, str]
    members: tuple[MemberId, ...]  # active ones
    min_peers: int
    faults: int
    waits: str = ""  # the members it waits for, and since when
    rounds: tuple[SettledRound, ...] = ()

    def name(self, member: MemberId) -> str:
        """Return a member's name; its number if the ledger has none."""
        return self.names.get(member, f"member {member}")

    def training_round(self, number: int) -> int:
        """Return the training round of a ledger round; below 1 before the first."""
        return compute_training_round(self.spec, number)

    @property
    def leader(self) -> MemberId | None:
        """The leader of the open round, if it is merging."""
        merging = self.round is not None and self.round.phase == MERGING
        return get_leader(self.round) if merging and self.round else None


def look_at_study(client: LedgerClient, name: str) -> StudyShown:
    """Return a study's terms and state. Raises BadInput if there is none of this name."""
    study, spec = client.need_study(name), client.need_spec(name)
    enrolled = len(study.enrolled)
    wait = find_wait(client.ledger.state, name, client.ledger.estimate_ms())
    return StudyShown(
        study=study,
        spec=spec,
        round=ROUND.get(client.ledger.state, name),
        names=client.names(),
        members=tuple(m.id for m in client.members()),
        min_peers=compute_min_peers(spec.min_peers, enrolled),
        faults=compute_faults(enrolled),
        waits=wait.sentence if wait else "",
    )


async def show_study(home: Home, name: str, last: int = 20) -> StudyShown:
    """Return the same with its newest settled rounds (`last`; 0: all that are kept here)."""
    book = RoundBook(name, last)
    async with open_client(home, book.see) as client:
        shown = look_at_study(client, name)
        if isinstance(client.ledger, CometReadClient):
            read_kept(client.ledger, book, name, last)
        return replace(shown, rounds=book.rounds())


def read_kept(ledger: CometReadClient, book: RoundBook, study: str, last: int) -> None:
    """Feed the kept blocks to a book, from the `last` + 1 newest settlements of the study on, or
    from its proposal."""
    start, settled, is_young = ledger.tip.height + 1, 0, False
    while start > 0 and not is_young and (not last or settled <= last):
        page = ledger.kept(max(0, start - PAGE), start)
        settled += sum(_has(block, "settled", study) for block in page)
        is_young = any(_has(block, "proposed", study) for block in page)
        start -= PAGE
    for height in range(max(0, start), ledger.tip.height + 1, PAGE):
        for block in ledger.kept(height, min(height + PAGE, ledger.tip.height + 1)):
            book.see(block)


def _has(block: Committed, event: str, study: str) -> bool:
    return any(name == event and f["study"] == study for name, f in block.events)
