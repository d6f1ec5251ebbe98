"""The effects of masked rounds, carried out over two ports: blobs that are held, and the vault with
a node's secrets.

The vault keeps one root secret for each keying of a round until the round is settled, and what it
has been used for: the one answer that is masked with it, and the one set with a sum that is opened.
Both are on disk before anything leaves the node, so no crash, forked ledger or liar makes it mask
two answers with the same masks, or show both secrets of a member."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Literal, Protocol

from swarmhub import codec
from swarmhub.errors import SpentError
from swarmhub.merge.sums import MAX_STEPS
from swarmhub.params import Layout
from swarmhub.privacy import (
    Mask,
    MaskedSums,
    Masking,
    make_ring_noise,
    mask_arrays,
    mask_model,
    need_int64,
    ring_layout,
    unmask_arrays,
    unmask_model,
)
from swarmhub.protocol import mask_work as work
from swarmhub.protocol.blob_reader import BlobReader, need_layout
from swarmhub.protocol.effects import (
    CheckShare,
    MakeDealing,
    MakeKeys,
    MakeOpening,
    MaskOwn,
    Unmask,
)
from swarmhub.protocol.mask_work import Keying
from swarmhub.protocol.observations import (
    DealingMade,
    KeysMade,
    OpeningMade,
    ShareChecked,
)
from swarmhub.protocol.recompute import to_sum_rule
from swarmhub.types import Digest

Use = Literal["answer", "set"]


class MaskVault(Protocol):
    """The port for a node's secrets of one study's masked rounds."""

    def root(self, number: int, keying: int) -> bytes:
        """Return the root secret (32 bytes) of a keying; it is made, and on disk, when it is first
        asked for."""
        ...

    def bind(self, number: int, keying: int, use: Use, digest: Digest) -> None:
        """Record, on disk, what a root is used for. Raises SpentError if it was used for
        another."""
        ...

    def draw_key(self) -> bytes:
        """Return a key of noise (32 bytes) that nobody can guess, and nobody keeps."""
        ...


def make_keys(vault: MaskVault, effect: MakeKeys) -> KeysMade:
    """Make the public keys of a keying."""
    pair, seal = work.make_keys(vault.root(effect.number, effect.keying))
    return KeysMade(effect.number, effect.keying, pair, seal)


def need_root(vault: MaskVault, keying: Keying) -> bytes:
    """Return the root of a keying. Raises SpentError if it is not the one with the keys on the
    ledger: this node has lost that."""
    root = vault.root(keying.number, keying.keying)
    mine = keying.of(keying.me)
    if work.make_keys(root) != (mine.pair, mine.seal):
        raise SpentError(
            f"Expected the secret of round {keying.number} of '{keying.study}', but this node has "
            "lost it; it asks for new keys."
        )
    return root


def make_dealing(vault: MaskVault, effect: MakeDealing) -> DealingMade:
    """Deal the node's two secrets."""
    keying = effect.keying
    made = work.make_dealing(need_root(vault, keying), keying)
    return DealingMade(keying.number, keying.keying, *made)


def check_share(vault: MaskVault, effect: CheckShare) -> ShareChecked:
    """Check the share that a dealer has for this node."""
    keying, dealt = effect.keying, effect.dealt
    root = need_root(vault, keying)
    complaint = work.find_fault(root, keying, dealt)
    return ShareChecked(keying.number, keying.keying, dealt.dealer, complaint)


def make_opening(vault: MaskVault, effect: MakeOpening) -> OpeningMade:
    """Gather the shares that open the settled sum, of this set and no other."""
    keying = effect.keying
    root = need_root(vault, keying)
    vault.bind(keying.number, keying.keying, "set", digest_set(effect.members))
    shares = work.make_opening(root, keying, effect.dealt, effect.members)
    return OpeningMade(keying.number, effect.revision, shares)


def digest_set(members: tuple[int, ...]) -> Digest:
    """Return what names a set of members."""
    return codec.digest(b"swarmhub/set/1", ",".join(map(str, members)).encode())


def mask_own(
    vault: MaskVault, reader: BlobReader, effect: MaskOwn, tell: Callable[[int, int], None]
) -> tuple[Layout, Iterator[memoryview]]:
    """Return the layout of a masked answer, and its chunks as they are made. At the end, `tell`
    hears how many values were clipped, of how many."""
    keying = effect.keying
    root = need_root(vault, keying)
    layout = need_layout(reader, reader.fingerprint(effect.digest).layout)
    if effect.stage is not None:
        need_int64(layout)
        vault.bind(keying.number, keying.keying, "answer", effect.digest)
        return layout, mask_sums(reader, effect, root, layout)
    masked = ring_layout(layout)
    vault.bind(keying.number, keying.keying, "answer", effect.digest)
    masks = work.make_own_masks(root, keying, effect.dealt)
    grid = effect.scale.grid

    def chunks() -> Iterator[memoryview]:
        with (
            closing(reader.source(effect.digest)) as own,
            closing(reader.source(effect.base)) as base,
        ):
            clipped, masking = 0, Masking(layout, grid, effect.weight, masks)
            if effect.noise is not None:
                noise = make_ring_noise(layout, base, effect.noise, grid, vault.draw_key())
                masking = replace(masking, noise=noise)
            for chunk, beyond in mask_model(masking, own, base):
                clipped += beyond
                yield chunk
            tell(clipped, sum(t.count for t in layout.tensors))

    return masked, chunks()


def mask_sums(
    reader: BlobReader, effect: MaskOwn, root: bytes, layout: Layout
) -> Iterator[memoryview]:
    """Yield the chunks of masked whole numbers; their limits were checked as they were taken in."""
    masks = work.make_own_masks(root, effect.keying, effect.dealt)
    with closing(reader.source(effect.digest)) as own:
        yield from mask_arrays(layout, MAX_STEPS, masks, own)


def unmask(
    reader: BlobReader, effect: Unmask, tell: Callable[[frozenset[str]], None]
) -> tuple[Layout, Iterator[memoryview]]:
    """Return the layout of the model or the sums, and the chunks as they are computed of the
    settled sum. At the end, `tell` hears the names of false sums, if there are such."""
    layout = need_layout(reader, effect.layout)
    masks = work.find_masks_of_sum(
        effect.keying, effect.dealt, effect.members, dict(effect.openings)
    )
    if effect.stage is not None:
        sums = MaskedSums(layout, len(effect.members), to_sum_rule(effect.stage))
        return layout, unmask_sums(reader, effect.total, sums, masks, tell)

    def chunks() -> Iterator[memoryview]:
        with (
            closing(reader.source(effect.total)) as total,
            closing(reader.source(effect.base)) as base,
        ):
            masking = Masking(layout, effect.scale.grid, effect.weight, masks)
            yield from unmask_model(masking, total, base)

    return layout, chunks()


def unmask_sums(
    reader: BlobReader,
    total: Digest,
    sums: MaskedSums,
    masks: tuple[Mask, ...],
    tell: Callable[[frozenset[str]], None],
) -> Iterator[memoryview]:
    """Yield the chunks of the sums of whole numbers."""
    false: set[str] = set()
    with closing(reader.source(total)) as source:
        for chunk, names in unmask_arrays(sums, masks, source):
            false |= {*names}
            yield chunk
    if false:
        tell(frozenset(false))
