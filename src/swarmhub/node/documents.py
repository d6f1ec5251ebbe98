"""The documents of all studies at a running node: fetched from any member, served to all.

A study that is proposed or amended names them by digest. The node asks the proposer's node for
those that it lacks, then the other members, and again after a pause, until they are here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from swarmhub.clock import wall_clock_ms
from swarmhub.contract.events import Event, ProposalLapsed, StudyAmended, StudyProposed
from swarmhub.contract.records import SPEC, STUDY, get_members
from swarmhub.documents import DocumentStore
from swarmhub.documents.store import MAX_DOCUMENT_BYTES
from swarmhub.errors import PeerError
from swarmhub.node.services import Services
from swarmhub.types import Digest, MemberId

PAUSES_S = (1.0, 2.0, 5.0, 15.0, 60.0)  # after the first, second, ... time that no member had one
LEFT_MS = 3_600_000  # a folder without a study is that of a proposal under way, or left behind

log = logging.getLogger("swarmhub.node")


class Documents:
    """The documents that the studies on the ledger name."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = DocumentStore(services.home.documents_path)
        self._named: dict[str, tuple[Digest, ...]] = {}  # by study
        self._changed = asyncio.Event()
        self._told: set[Digest] = set()  # that are missing
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look at all studies, remove what none needs, and fetch what is missing."""
        state = self._services.state
        for path in [p for p in state.values if p.startswith("study/")]:
            self._look(path.removeprefix("study/"))
        for study in self._store.studies():
            if study in self._named:
                self._store.tidy(study, self._named[study])
            elif self._is_left(study):
                self._store.forget(study)
        self._task = asyncio.create_task(self._keep_up())

    def _is_left(self, study: str) -> bool:
        try:
            age_ms = wall_clock_ms() - (self._store.root / study).stat().st_mtime * 1000
        except OSError:
            return False
        return age_ms > LEFT_MS

    async def close(self) -> None:
        """Stop fetching."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def hear(self, happened: Sequence[Event]) -> None:
        """Follow the studies of which a block has new terms."""
        for event in happened:
            if isinstance(event, StudyProposed | StudyAmended | ProposalLapsed):
                self._look(event.study)
                self._store.tidy(event.study, self._named.get(event.study, ()))
            if isinstance(event, ProposalLapsed) and event.study not in self._named:
                self._store.forget(event.study)

    def _look(self, study: str) -> None:
        spec = SPEC.get(self._services.state, study)
        self._named.pop(study, None)
        if spec is not None and not self._services.home.is_forgotten(study):
            self._named[study] = tuple(d for d in (spec.code, spec.ethics) if d)
            self._changed.set()

    def forget(self, study: str) -> None:
        """Neither fetch nor serve documents of a study any more."""
        self._named.pop(study, None)

    def find(self, digest: Digest) -> tuple[str, Path] | None:
        """Return a study that names a document which is here, and the document's path."""
        for study, digests in self._named.items():
            path = self._store.path(study, digest) if digest in digests else None
            if path is not None:
                return study, path
        return None

    # fetching

    async def _keep_up(self) -> None:
        failed = 0
        while True:
            self._changed.clear()
            has_all = True
            for study, digest in self._list_wanted():
                has_all &= self._store.has(study, digest) or await self._get(study, digest)
            pause_s = None if has_all else PAUSES_S[min(failed, len(PAUSES_S) - 1)]
            failed = 0 if has_all else failed + 1
            try:
                async with asyncio.timeout(pause_s):
                    await self._changed.wait()
            except TimeoutError:
                continue
            failed = 0

    def _list_wanted(self) -> list[tuple[str, Digest]]:
        """Return the documents of studies that are not over: nobody approves the others any
        more."""
        state = self._services.state
        records = {study: STUDY.get(state, study) for study in self._named}
        live = [study for study, record in records.items() if record and not record.is_over]
        return [(study, digest) for study in live for digest in self._named[study]]

    async def _get(self, study: str, digest: Digest) -> bool:
        """Return whether a document is here now."""
        found = self.find(digest)  # another study may name it too
        data = self._store.read(found[0], digest) if found else await self._fetch(study, digest)
        if data is None or digest not in self._named.get(study, ()):
            return False
        try:
            await asyncio.to_thread(self._store.put, study, data)
        except OSError as error:
            self._services.problems.report_shortage(error, self._store.root)
            return False
        log.info("a document of '%s' has come: %s", study, digest)
        return True

    async def _fetch(self, study: str, digest: Digest) -> bytes | None:
        for holder in self._holders(study):
            try:
                return await self._services.client.document(holder, digest, MAX_DOCUMENT_BYTES)
            except PeerError as error:
                log.debug("document %s: %s", digest, error)
        if digest not in self._told:
            self._told.add(digest)
            log.warning("no member gives the document %s of '%s' yet", digest, study)
        return None

    def _holders(self, study: str) -> list[MemberId]:
        """Return the members to ask, the proposer first; none if this hospital is no member."""
        me, record = self._services.me(), STUDY.get(self._services.state, study)
        if me is None or record is None:
            return []
        others = [m.id for m in get_members(self._services.state) if m.tls and m.id != me.id]
        return sorted(others, key=lambda member: member != record.proposer)
