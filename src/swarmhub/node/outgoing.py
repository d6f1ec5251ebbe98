"""Recording of everything that a running node sends (see `SentBook`)."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

from swarmhub.clock import wall_clock_ms
from swarmhub.contract.records import ROUND, STUDY
from swarmhub.contract.round.kinds import KINDS, PARAMETERS
from swarmhub.contract.state import Reader
from swarmhub.node.sent import MASKED, MASKED_SUMS, Sent, SentBook, sent_of
from swarmhub.protocol import LocalState
from swarmhub.protocol.retention import (
    get_contributed_parts,
    get_digests,
    get_model_digests,
    get_settled_parts,
)
from swarmhub.types import Digest, MemberId

EVERY_S = 0.2
MOST_KNOWN = 4096  # descriptions in memory: more than a round has uploads

Description = tuple[str, str, str]  # a blob's kind ("" if no study here knows it), receiver, study


class Outgoing:
    """Records everything that a running node sends."""

    def __init__(
        self,
        book: SentBook,
        describe: Callable[[MemberId, Digest], Description],
        on_trouble: Callable[[OSError], object],
    ) -> None:
        self._book, self._describe, self._on_trouble = book, describe, on_trouble
        self._known: OrderedDict[tuple[MemberId, Digest], Description] = OrderedDict()
        self._waiting: dict[tuple[Description, Digest], int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.nbytes: Counter[str] = Counter()  # sent by kind, since the node's start

    def add(self, member: MemberId, digest: Digest, nbytes: int) -> None:
        """Record that so many bytes of a blob went to a member."""
        kind, to, study = self._recall(member, digest)
        self._add((kind or "passed on", to, study), digest, nbytes)

    def add_layout(self, member: MemberId, digest: Digest, nbytes: int) -> None:
        """Record that so many bytes of a blob's layout went to a member."""
        _, to, study = self._recall(member, digest)
        self._add(("layout", to, study), digest, nbytes)

    def add_document(self, member: MemberId, digest: Digest, nbytes: int, study: str) -> None:
        """Record that so many bytes of a study's code or ethics document went to a member."""
        _, to, _ = self._describe(member, digest)
        self._add(("study document", to, study), digest, nbytes)

    def _recall(self, member: MemberId, digest: Digest) -> Description:
        """Return the blob's description as of when this member first got any of it: a contribution
        that is uploaded across a settlement stays one."""
        key = (member, digest)
        known = self._known.get(key) or self._describe(member, digest)
        if known[0]:
            self._known[key] = known
            self._known.move_to_end(key)
            if len(self._known) > MOST_KNOWN:
                self._known.popitem(last=False)
        return known

    def _add(self, known: Description, digest: Digest, nbytes: int) -> None:
        self._waiting[known, digest] = self._waiting.get((known, digest), 0) + nbytes
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY_S, self.flush)

    def add_transaction(self, body: Any, nbytes: int) -> None:
        """Record a transaction of this hospital to the ledger."""
        self._write(sent_of(body, nbytes))

    def flush(self) -> None:
        """Write pending entries."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, waiting, self._waiting = None, self._waiting, {}
        now_ms = wall_clock_ms()
        self._write(*(
            Sent(now_ms, kind, to, study, nbytes, digest)
            for ((kind, to, study), digest), nbytes in waiting.items()
        ))  # fmt: skip

    def _write(self, *entries: Sent) -> None:
        for entry in entries:
            self.nbytes[entry.kind] += entry.nbytes
        try:
            if entries:
                self._book.append(*entries)
        except OSError as error:
            self._on_trouble(error)


def kind_of(state: Reader, local: LocalState, digest: Digest) -> str | None:
    """Return the kind of a blob in a study; None if it does not belong to the study."""
    study, r = STUDY.get(state, local.study), ROUND.get(state, local.study)
    own = {c.digest for c in r.contributions if c.member == local.me} if r else set()
    if local.prepared is not None:
        own.add(local.prepared.digest)
    if local.masked is not None and digest == local.masked.digest:
        return MASKED if r is None or KINDS[r.kind].makes_model else MASKED_SUMS
    mine = [c for c in r.contributions if c.member == local.me] if r else []
    if digest in own or any(digest in get_digests(c, c.parts) for c in mine):
        return KINDS[r.kind].carries if r else PARAMETERS
    merged = {m.digest for m in local.merged.values()}
    if digest in merged or (study is not None and digest in get_model_digests(state, study)):
        return "merged"
    if r is not None and digest in get_settled_parts(state, r):
        return "merged"
    if r is not None and digest in {c.digest for c in r.contributions} | get_contributed_parts(r):
        return "passed on"
    return None
