"""What an auditor finds out, with hands that are right there."""

import asyncio
import random
from dataclasses import replace

import pytest
from builders import LAYOUT, digest

from swarmhub.contract.records import Share, Stage
from swarmhub.errors import PeerError
from swarmhub.params import CHUNK_BYTES, ChunkHasher, Fingerprint, leaf_of
from swarmhub.protocol import (
    Audit,
    Audited,
    CheckedBad,
    Discrepancy,
    ExcerptUnavailable,
    RecomputeChunk,
    recompute,
)
from swarmhub.protocol.audit_procedure import answer_dispute, audit_offer

RIGHT = [b"a" * CHUNK_BYTES, b"the rest"]


class Here:
    """Hands of an auditor that holds everything."""

    me = 1

    def __init__(self, offer):
        hasher = ChunkHasher(LAYOUT)
        for at in range(0, len(offer), CHUNK_BYTES):
            hasher.feed(offer[at : at + CHUNK_BYTES])
        self.offer = hasher.finish()

    def holds(self, _):
        return True

    def fingerprint(self, _):
        return self.offer

    async def audit(self, effect, starts, excerpts):
        return recompute.audit(self, effect, starts, excerpts)

    async def is_met(self, effect):
        return recompute.is_met(self, effect.stage, effect.digest)

    async def examine(self, effect, chunks):
        return recompute.recompute_chunk(self, effect, chunks)


@pytest.mark.parametrize(
    ("offer", "chunk"),
    [
        (b"".join(RIGHT), None),
        (RIGHT[0] + b"another", 1),
        (b"b" * CHUNK_BYTES, 0),
        (b"".join(RIGHT).ljust(2 * CHUNK_BYTES) + b"and more", 1),
        (RIGHT[0] + RIGHT[1].ljust(CHUNK_BYTES), 1),
    ],
    ids=["right", "another end", "another chunk", "longer", "longer by less than a chunk"],
)
def test_a_document_that_is_not_the_merge_is_doubted_in_a_chunk_that_is_false(
    offer, chunk, monkeypatch
):
    (found,) = inquire(offer, monkeypatch)
    assert isinstance(found, Audited)
    assert (found.discrepancy and found.discrepancy.chunk) == chunk
    if isinstance(found.discrepancy, Discrepancy):
        right = dict(enumerate(RIGHT)).get(chunk, b"")
        assert found.discrepancy.leaf == leaf_of(right).hex() != found.discrepancy.claimed


def test_a_document_that_breaks_off_after_a_right_chunk_is_bad_and_nothing_to_dispute(monkeypatch):
    (found,) = inquire(RIGHT[0], monkeypatch)
    assert isinstance(found, CheckedBad)
    assert found.digest == digest("offer")


def inquire(offer, monkeypatch):
    monkeypatch.setattr(recompute, "merge", lambda reader, effect: iter(RIGHT))
    effect = Audit(
        "s", 1, Stage("statistics", "describe"), 0, LAYOUT, (Share(2, 1, digest("c")),),
        digest("offer"), leader=2, full=True,
    )  # fmt: skip
    return asyncio.run(audit_offer(Here(offer), effect, {}))


# drawn


class Asking:
    """Hands of an auditor that holds the offer and the leader's contribution."""

    me = 1

    def __init__(self, withheld=(), false=False):
        self.asked, self.line, self.chance = [], [], random.Random(0)
        self.withheld, self.false = withheld, false

    def holds(self, found):
        return found == digest("leader's")

    def fingerprint(self, _):
        return Fingerprint(LAYOUT, 3 * CHUNK_BYTES, (b"x" * 32,) * 3)

    def below(self, n):
        return self.chance.randrange(n)

    async def excerpts(self, wanted, nbytes, starts):
        self.asked.append((set(wanted), starts))
        return dict.fromkeys(wanted, b"")

    async def chunk(self, holders, *given):
        self.line.append(list(holders))
        if set(holders) & set(self.withheld):
            raise PeerError("no")
        return b""

    async def audit(self, effect, starts, excerpts):
        return 1

    async def is_met(self, effect):
        return False

    async def examine(self, effect, chunks):
        return "ab" * 32


DRAWN = Audit(
    "s", 1, Stage("training", "train"), 0, LAYOUT,
    (Share(2, 1, digest("leader's")), Share(3, 1, digest("other's"))),
    digest("offer"), leader=2, full=False,
)  # fmt: skip


def test_stretches_are_drawn_once_for_an_offer_and_the_leader_is_not_asked():
    audit_io, drawn = Asking(withheld=[3]), {}
    for _ in range(3):
        found = asyncio.run(audit_offer(audit_io, DRAWN, drawn))
        assert found == [ExcerptUnavailable(1, 0, 3)], "whoever keeps back the proof gives its all"
    assert [who for who, _ in audit_io.asked] == [{3}] * 3
    assert len({starts for _, starts in audit_io.asked}) == 1
    another = replace(DRAWN, digest=digest("another"))
    asyncio.run(audit_offer(audit_io, another, drawn))
    assert len({starts for _, starts in audit_io.asked}) == 2


def test_a_false_stretch_is_disputed_with_what_its_owners_have_proven():
    (found,) = asyncio.run(audit_offer(Asking(), DRAWN, {}))
    assert isinstance(found, Audited)
    assert (found.discrepancy.chunk, found.discrepancy.leaf) == (1, "ab" * 32)


def test_who_recomputes_asks_the_one_who_has_disputed_before_the_accused():
    audit_io = Asking()
    audit_io.holds = lambda _: False
    effect = RecomputeChunk(
        "s", 1, Stage("training", "train"), 0, LAYOUT, 3 * CHUNK_BYTES, DRAWN.shares, 1, by=4,
        accused=2,
    )  # fmt: skip
    asyncio.run(answer_dispute(audit_io, effect))
    assert audit_io.line == [[4, 2, 3], [3, 4, 2]]
