"""The studies in which a node takes part: a driver for each, and the blobs that they need."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from swarmhub.contract.events import Event, LeftOut
from swarmhub.contract.records import MEMBER, ROUND, STUDY
from swarmhub.contract.round.kinds import waits_for_shares
from swarmhub.node.forgetting import Removed, forget_here
from swarmhub.node.memory import give_memory_back
from swarmhub.node.outgoing import Description, kind_of
from swarmhub.node.parts import show_parts
from swarmhub.node.services import Services
from swarmhub.node.study_driver import StudyDriver
from swarmhub.protocol import LocalState, compute_kept
from swarmhub.types import Digest, MemberId

log = logging.getLogger("swarmhub.node")


class Studies:
    """The drivers of a node's studies, by name."""

    def __init__(self, services: Services) -> None:
        self.drivers: dict[str, StudyDriver] = {}
        self.on_forget: Callable[[str], None] = lambda study: None
        self._services = services
        self._held: set[Digest] = set(services.blobs.digests())

    def take_part(self, name: str, me: MemberId) -> None:
        """Create a driver for a study in which this node is enrolled."""
        study, journal = STUDY.need(self._services.state, name), self._services.journal
        if study.is_over and self._services.home.is_forgotten(name):
            return
        r = ROUND.get(self._services.state, name)
        is_needed = study.samples_of(me) is not None or (r and waits_for_shares(r, me))
        if name not in self.drivers and is_needed:
            local = LocalState(
                name, me, self._held, prepared=journal.load_prepared(name),
                signed=journal.load_signed(name), obtained=journal.load_obtained(name),
                masked=journal.load_masked(name),
            )  # fmt: skip
            mine = r.contribution_of(me) if r is not None else None
            if mine is not None:
                self._held |= show_parts(self._services.blobs, mine)
            self.drivers[name] = StudyDriver(self._services, local, self.sweep)

    def remember(self) -> None:
        """Load at start the studies that are over: their models are kept, and served to others."""
        state, home = self._services.state, self._services.home
        for name in home.forgotten():  # a crash may have interrupted it
            forget_here(home, state, self._services.blobs, name)
        self._held.intersection_update(self._services.blobs.digests())
        me = self._services.me()
        for path in [p for p in state.values if me and p.startswith("study/")]:
            self.take_part(path.removeprefix("study/"), me.id if me else 0)

    async def forget(self, name: str) -> Removed:
        """Stop taking part in a study that is over (or left), and delete its data here."""
        blobs = self._services.blobs
        self.on_forget(name)
        more = blobs.condemned
        driver = self.drivers.pop(name, None)
        if driver is not None:
            await driver.close()
            more |= compute_kept(self._services.state, driver.local)
            more |= set(driver.local.obtained.digests)
        state = self._services.state
        for other in self.drivers.values():
            more -= compute_kept(state, other.local)
        removed = forget_here(self._services.home, state, blobs, name, more)
        self._held.intersection_update(blobs.digests())
        log.info("forgot '%s': %d bytes, %d files", name, removed.nbytes, removed.files)
        return removed

    def sweep(self) -> None:
        """Delete blobs that no study needs any more."""
        state, blobs = self._services.state, self._services.blobs
        kept: set[Digest] = set()
        for driver in self.drivers.values():
            kept |= compute_kept(state, driver.local)
        blobs.retain(kept)
        self._held.intersection_update(blobs.digests())
        give_memory_back()

    def hear(self, happened: Sequence[Event]) -> None:
        """Tell the drivers of events that concern an answer from here."""
        me = self._services.me()
        for event in happened:
            driver = self.drivers.get(event.study) if isinstance(event, LeftOut) else None
            if driver is not None and isinstance(event, LeftOut) and me and event.member == me.id:
                driver.explain_left_out(event)

    def react(self) -> None:
        """Make each driver decide anew."""
        for driver in self.drivers.values():
            driver.react()

    async def close(self) -> None:
        """Cancel all effects."""
        for driver in self.drivers.values():
            await driver.close()

    def describe(self, member: MemberId, digest: Digest) -> Description:
        """Return what a blob is that goes to a member, for the record of what was sent."""
        state = self._services.state
        found = MEMBER.get(state, member)
        to = found.name if found else f"member {member}"
        for driver in self.drivers.values():
            kind = kind_of(state, driver.local, digest)
            if kind is not None:
                return kind, to, driver.study
        return "", to, ""
