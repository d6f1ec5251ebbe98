"""The arithmetic of a round on blobs that are held: checking them, and merging them again.

It works on a `BlobReader`: the node's store of files, or a simulated disk.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from swarmhub.contract.records import MergeRule, Share, Stage
from swarmhub.contract.round.checks import STATISTICS_LAYOUT
from swarmhub.contract.round.kinds import COUNTS, DOCUMENT, KINDS
from swarmhub.contract.round.shards import Part
from swarmhub.errors import BadContribution, Malformed, MergeError
from swarmhub.merge import (
    Limit,
    Rule,
    Source,
    SumRule,
    WeightedSource,
    Zeros,
    apply_change,
    check_contribution,
    check_summand,
    excerpt,
    find_false_stretch,
    is_coded_format,
    is_within,
    merge_modular,
    merge_parameters,
    merge_statistics,
    merge_sums,
    modular_chunk,
    recompute_leaf,
    sum_chunk,
    wire_layout,
)
from swarmhub.params import CHUNK_BYTES, Layout, leaf_of
from swarmhub.params.parts import cut_layout
from swarmhub.protocol.blob_reader import BlobReader, OpenSource, need_layout
from swarmhub.protocol.effects import ApplyChange, Audit, ChangeForm, Check, Merge, RecomputeChunk
from swarmhub.types import Digest, MemberId


@dataclass(frozen=True)
class MemoryReader:
    """A part of a buffer in memory, from byte `start` on."""

    data: bytes
    start: int = 0

    def read_at(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset` of the whole buffer."""
        at = offset - self.start
        return self.data[at : at + length]

    def close(self) -> None:
        """Do nothing."""


def check(reader: BlobReader, effect: Check) -> None:
    """Raise BadContribution if a held contribution cannot be merged."""
    digest, member = effect.digest, effect.member
    form = reader.fingerprint(digest).layout
    if form == STATISTICS_LAYOUT:
        merge_statistics({member: reader.read(digest)}, {member: effect.weight})
        return
    if effect.changes is not None:
        check_change(reader, effect, effect.changes)
        return
    layout = find_layout(reader, form, effect.part)
    with closing(reader.source(digest)) as source:
        if effect.is_masked:
            check_masked(effect.stage, layout, member, source)
        else:
            check_buffer(effect.stage, layout, member, source)


def check_buffer(stage: Stage, layout: Layout, member: MemberId, source: Source) -> None:
    """Read all of a contribution to a stage. Raises BadContribution, with the array, if it cannot
    be merged."""
    if KINDS[stage.kind].has_free_layout:
        check_summand(to_sum_rule(stage), layout, member, source)
    else:
        check_contribution(layout, member, source)


def check_change(reader: BlobReader, effect: Check, changes: ChangeForm) -> None:
    """Read all of a contributed change. Raises BadContribution if it is none of the study's
    model."""
    found = reader.fingerprint(effect.digest)
    layout = need_form(reader, changes, effect.member, found.layout, found.nbytes, effect.part)
    with closing(reader.source(effect.digest)) as source:
        check_contribution(layout, effect.member, source, is_coded(changes))


def check_masked(stage: Stage, layout: Layout, member: MemberId, source: Source) -> None:
    """Read all of a masked contribution. Raises BadContribution for a wrong form; whether its
    numbers are right, nobody can tell."""
    check_contribution(layout, member, source)
    dtype = "I32" if KINDS[stage.kind].makes_model else "I64"
    for tensor in layout.tensors:
        if tensor.dtype != dtype:
            why = f"expected {dtype} in the masked {tensor.name[:60]!r}, got {tensor.dtype}"
            raise BadContribution(member, why)


def merge(
    reader: BlobReader, effect: Merge | Audit | RecomputeChunk
) -> Generator[bytes | memoryview, None, None]:
    """The chunks of the right merge of held contributions; BadContribution names a culprit."""
    if KINDS[effect.stage.kind].carries == DOCUMENT:
        documents = {s.member: reader.read(s.digest) for s in effect.shares}
        whole = merge_statistics(documents, {s.member: s.weight for s in effect.shares})
        yield from (whole[i : i + CHUNK_BYTES] for i in range(0, len(whole), CHUNK_BYTES))
        return
    with ExitStack() as stack:
        sources = {s: stack.enter_context(closing(reader.source(s.digest))) for s in effect.shares}
        inputs = [WeightedSource(s.member, s.weight, source) for s, source in sources.items()]
        layout = layout_of_merge(reader, effect)
        chunks: Iterable[memoryview | bytes]
        if effect.is_masked:
            chunks = merge_modular(layout, inputs)
        elif KINDS[effect.stage.kind].has_free_layout:
            chunks = merge_sums(to_sum_rule(effect.stage), layout, inputs)
        else:
            base, coded = open_base(stack, reader, effect), is_coded(effect.changes)
            chunks = merge_parameters(to_rule(effect.stage.rule), layout, inputs, base, coded)
        for chunk in chunks:
            yield memoryview(chunk).cast("B")


def audit(
    reader: BlobReader, effect: Audit, starts: Sequence[int], excerpts: Mapping[MemberId, bytes]
) -> int | None:
    """Return the first chunk of the held merge that is false, as far as it was recomputed; None if
    all is right. `excerpts` are stretches of the contributions that are not held."""
    if effect.full:
        return _find_false_chunk(reader, effect)
    layout = layout_of_merge(reader, effect)
    inputs = []
    for share in effect.shares:
        found = excerpts.get(share.member)
        if found is None:
            found = excerpt_of(reader, share.digest, starts)
        inputs.append(WeightedSource(share.member, share.weight, MemoryReader(found)))
    merged = excerpt_of(reader, effect.digest, starts)
    rule = None if effect.is_masked else to_rule(effect.stage.rule)
    at = find_false_stretch(rule, layout, starts, inputs, merged, is_coded(effect.changes))
    return None if at is None else at // CHUNK_BYTES


def _find_false_chunk(reader: BlobReader, effect: Audit) -> int | None:
    claimed = reader.fingerprint(effect.digest)
    right = [leaf_of(chunk) for chunk in merge(reader, effect)]
    for index, (is_, should) in enumerate(zip(claimed.leaves, right, strict=False)):
        if is_ != should:
            return index
    if len(claimed.leaves) == len(right):
        return None
    return min(len(right), len(claimed.leaves) - 1)  # one too many, or the last there is


def recompute_chunk(
    reader: BlobReader, effect: RecomputeChunk, chunks: Mapping[MemberId, bytes]
) -> Digest:
    """Return the leaf hash (hex) of a chunk of the right merge. `chunks` are that chunk of the
    contributions that are not held (chunk-local rules only)."""
    if KINDS[effect.stage.kind].carries == DOCUMENT:
        right = dict(enumerate(merge(reader, effect)))
        return leaf_of(right.get(effect.chunk, b"")).hex()
    layout = layout_of_merge(reader, effect)

    def open_source(s: Share) -> OpenSource:
        there = chunks.get(s.member)
        return (
            reader.source(s.digest)
            if there is None
            else MemoryReader(there, effect.chunk * CHUNK_BYTES)
        )

    with ExitStack() as stack:
        sources = {s: stack.enter_context(closing(open_source(s))) for s in effect.shares}
        inputs = [WeightedSource(s.member, s.weight, source) for s, source in sources.items()]
        if effect.is_masked:
            return leaf_of(modular_chunk(layout, inputs, effect.chunk)).hex()
        if KINDS[effect.stage.kind].has_free_layout:
            chunk = sum_chunk(to_sum_rule(effect.stage), layout, inputs, effect.chunk)
            return leaf_of(chunk).hex()
        base, rule = open_base(stack, reader, effect), to_rule(effect.stage.rule)
        coded = is_coded(effect.changes)
        return recompute_leaf(rule, layout, inputs, effect.chunk, base, coded)


def is_merge_met(reader: BlobReader, effect: Merge | Audit, digest: Digest) -> bool:
    """Return whether a held merge meets its stage's test; False for a sum under masks. Whole
    numbers stand beside changes as they are."""
    return not effect.is_masked and is_met(reader, effect.stage, digest, effect.changes)


def is_met(
    reader: BlobReader, stage: Stage, digest: Digest, changes: ChangeForm | None = None
) -> bool:
    """Return whether a held result meets its stage's test (False if it has none)."""
    if stage.until is None:
        return False
    if changes is None:
        layout = need_layout(reader, reader.fingerprint(digest).layout)
    else:
        layout = wire_layout(need_layout(reader, changes.layout), changes.wire)
    with closing(reader.source(digest)) as source:
        return is_within(layout, source, stage.until.array, stage.until.most)


def excerpt_of(reader: BlobReader, digest: Digest, starts: Sequence[int]) -> bytes:
    """Return stretches of a held buffer."""
    with closing(reader.source(digest)) as source:
        return excerpt(source, reader.fingerprint(digest).nbytes, starts)


def layout_of_merge(reader: BlobReader, effect: Merge | Audit | RecomputeChunk) -> Layout:
    """Return the layout of what is merged. Raises BadContribution for changes of another form, all
    of which are bad: a round has those of one form."""
    if effect.changes is None:
        return find_layout(reader, effect.layout, effect.part)
    match effect:
        case Merge():
            nbytes = reader.fingerprint(effect.shares[0].digest).nbytes
        case Audit():
            nbytes = reader.fingerprint(effect.digest).nbytes
        case RecomputeChunk():
            nbytes = effect.nbytes
    member = effect.shares[0].member
    return need_form(reader, effect.changes, member, effect.layout, nbytes, effect.part)


def need_form(
    reader: BlobReader, changes: ChangeForm, member: MemberId, layout: Digest, nbytes: int,
    part: Part | None,
) -> Layout:  # fmt: skip
    """Return the layout of changes, or of a part of them. Raises BadContribution if a member's has
    another."""
    wire = wire_layout(need_layout(reader, changes.layout), changes.wire)
    try:
        found = wire if part is None else cut_layout(wire, part.start, part.nbytes, part.name)
    except Malformed:
        found = wire
    is_of_wire = part is None or part.layout == wire.digest
    if not is_of_wire or (layout, nbytes) != (found.digest, found.nbytes):
        raise BadContribution(
            member,
            f"expected {found.nbytes} bytes of {changes.wire} changes of the study's model, got "
            f"{nbytes} bytes of the form {layout[:16]}…",
        )
    return found


def find_layout(reader: BlobReader, layout: Digest, part: Part | None) -> Layout:
    """Return a layout document, or what a part has of it."""
    if part is None:
        return need_layout(reader, layout)
    try:
        return cut_layout(need_layout(reader, part.layout), part.start, part.nbytes, part.name)
    except Malformed as error:  # the contributions have other lengths than their layout says
        raise MergeError(str(error)) from None


def is_coded(changes: ChangeForm | None) -> bool:
    """Return whether contributions are changes in blocks with a scale."""
    return changes is not None and is_coded_format(changes.wire)


def apply(reader: BlobReader, effect: ApplyChange) -> tuple[Layout, Iterator[memoryview]]:
    """Return the layout of the model, and its chunks as they are computed of a held change."""
    layout = need_layout(reader, effect.form.layout)

    def chunks() -> Iterator[memoryview]:
        with (
            closing(reader.source(effect.change)) as change,
            closing(reader.source(effect.base)) as base,
        ):
            yield from apply_change(layout, effect.form.wire, change, base)

    return layout, chunks()


def open_base(
    stack: ExitStack, reader: BlobReader, effect: Merge | Audit | RecomputeChunk
) -> Source | None:
    """Return the held model from which the contributions started, None if the rule does not need
    it; the stack closes it. Changes start from zeros."""
    if effect.changes is not None:
        return Zeros()
    return stack.enter_context(closing(reader.source(effect.base))) if effect.base else None


def to_rule(rule: MergeRule) -> Rule:
    """Return the arithmetic's rule for the contract's."""
    return Rule(rule.name, rule.trim_permille, rule.max_share_permille)


def to_sum_rule(stage: Stage) -> SumRule:
    """Return the arithmetic's rule for a stage that adds arrays; its limits are in stored steps."""
    limits = (Limit(b.array, b.low << b.bits, b.high << b.bits) for b in stage.bounds)
    return SumRule(stage.agreed, tuple(limits), KINDS[stage.kind].carries == COUNTS)
