"""What an auditor finds out, with hands that are right there."""

import asyncio

import pytest
from builders import LAYOUT, digest

from swarmhub.contract.records import MergeRule, Share
from swarmhub.params import CHUNK_BYTES, ChunkHasher, leaf_of
from swarmhub.round import Audit, Audited, CheckedBad, Doubt, recompute
from swarmhub.round.inquiry import audit_offer

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

    async def audit(self, wish, starts, excerpts):
        return recompute.audit(self, wish, starts, excerpts)

    async def examine(self, wish, chunks):
        return recompute.examine(self, wish, chunks)


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
    assert (found.doubt and found.doubt.chunk) == chunk
    if isinstance(found.doubt, Doubt):
        right = dict(enumerate(RIGHT)).get(chunk, b"")
        assert found.doubt.leaf == leaf_of(right).hex() != found.doubt.claimed


def test_a_document_that_breaks_off_after_a_right_chunk_is_bad_and_nothing_to_dispute(monkeypatch):
    (found,) = inquire(RIGHT[0], monkeypatch)
    assert isinstance(found, CheckedBad)
    assert found.digest == digest("offer")


def inquire(offer, monkeypatch):
    monkeypatch.setattr(recompute, "merge", lambda shelf, wish: iter(RIGHT))
    wish = Audit(
        "s", 1, "statistics", 0, MergeRule(), LAYOUT, (Share(2, 1, digest("c")),),
        digest("offer"), leader=2, full=True,
    )  # fmt: skip
    return asyncio.run(audit_offer(Here(offer), wish))
