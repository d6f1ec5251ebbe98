"""The blobs that a node keeps, and the members that may read them, by ledger and local state."""

from __future__ import annotations

from collections.abc import Sequence

from swarmhub.contract.records import (
    ROUND,
    SPEC,
    STUDY,
    Model,
    Result,
    Round,
    StartModel,
    Study,
    get_chain,
)
from swarmhub.contract.results import get_results
from swarmhub.contract.round.election import get_candidates
from swarmhub.contract.round.minimum import is_staffed
from swarmhub.contract.round.shards import get_leads, get_parts
from swarmhub.contract.state import Reader
from swarmhub.protocol.local_state import LocalState
from swarmhub.protocol.shards import get_pieces, get_pieces_of_model, get_settled_pieces
from swarmhub.protocol.view import Described
from swarmhub.types import Digest, MemberId


def get_model_digests(state: Reader, study: Study) -> set[Digest]:
    """Return the settled blobs that must stay available: the current, best and released models, the
    change from which the current one follows, its parts, and the results of the stages."""
    results = get_results(state, study.name).values()
    models: list[Model | Result | None] = [study.current, study.best, *study.released, *results]
    change = study.current.change if study.current else None
    parts = {p.digest for p in get_pieces_of_model(study.current)} if study.current else set()
    return {m.digest for m in models if m} | ({change.digest} if change else set()) | parts


def compute_kept(state: Reader, local: LocalState) -> set[Digest]:
    """Return the blobs that this node must not delete because of one study.

    Models as above; contributions, offers (each leader's first: it may have been signed for) and
    merges of the open round until it is settled; the trainer's answer until the ledger has decided
    on it; and blobs for which this node has signed, also before it restarted.
    """
    study, r = STUDY.get(state, local.study), ROUND.get(state, local.study)
    if study is None:
        return set()
    kept = get_model_digests(state, study)
    current = study.current
    if current is not None and current.change and current.digest not in local.held:
        kept.add(current.base)  # of which this node computes it
    if r is not None:
        if local.signed.number == r.number:
            kept |= set(local.signed.digests)
        kept |= {c.digest for c in r.contributions} | get_part_digests(state, r)
        if r.masks is not None and r.masks.total is not None:
            kept |= {r.masks.total.digest, r.base}
        if local.masked is not None:
            kept.add(local.masked.digest)
        kept |= {m.digest for m in local.merged.values()} | {*local.computed.values()}
        kept |= {o.digest for o in local.offers.values()}
        if local.prepared is not None:
            kept.add(local.prepared.digest)
    return kept


def may_read(state: Reader, local: LocalState, member: MemberId, digest: Digest) -> bool:
    """Return whether another member may fetch a blob of this study from this node.

    Settled models: all enrolled members; a released one also those of a study that starts from it.
    Contributions and unsettled merges of the open round: its
    candidates, since any of them may come to lead (or to report), as long as it has min_peers of
    them; but only blobs that this node has
    pulled for this study or contributed to it. A digest is no proof of authorship: a member that
    has read one on the ledger could contribute it in another study, and be given the blob behind
    it.
    """
    study, r = STUDY.get(state, local.study), ROUND.get(state, local.study)
    if study is None or study.samples_of(member) is None:
        return study is not None and is_start_of(state, study, member, digest)
    if digest in get_model_digests(state, study):
        return True
    if r is None or not is_staffed(r):
        return False
    answer = local.prepared if r.masks is None else local.masked  # without masks nobody else's
    own, mine = {answer.digest} if answer else set(), r.contribution_of(local.me)
    if mine is not None and mine.digest in own:
        own |= get_digests(mine, mine.parts)
    obtained = set(local.obtained.digests) if local.obtained.number == r.number else set()
    in_round = {c.digest for c in r.contributions} | get_contributed_parts(r)
    in_round &= obtained | own
    in_round |= {m.digest for m in local.merged.values()} | get_settled_parts(state, r)
    if r.masks is not None and r.masks.total is not None:
        in_round.add(r.masks.total.digest)
    if r.change is not None:
        in_round.add(r.change.digest)
    return digest in in_round and member in {*get_candidates(r), *r.roster}


def get_part_digests(state: Reader, r: Round) -> set[Digest]:
    """Return the parts of what the round merges, and has merged."""
    whole = {r.change.digest} if r.change is not None else set()
    return get_contributed_parts(r) | get_settled_parts(state, r) | whole


def get_contributed_parts(r: Round) -> set[Digest]:
    """Return the parts of contributions."""
    return {digest for c in r.contributions for digest in get_digests(c, c.parts)}


def get_digests(whole: Described, roots: Sequence[Digest]) -> set[Digest]:
    """Return the parts of a blob with these roots."""
    return {p.digest for p in get_pieces(whole, roots)}


def get_settled_parts(state: Reader, r: Round) -> set[Digest]:
    """Return the parts that are settled already in the open round."""
    total = r.change or (r.masks.total if r.masks is not None else None)
    if total is not None:
        return {p.digest for p in get_settled_pieces(total, total.shards)}
    leads = zip(get_parts(r), get_leads(state, r), strict=False)
    return {p.compute_digest(lead.settled.root) for p, lead in leads if lead.settled is not None}


def is_start_of(state: Reader, study: Study, member: MemberId, digest: Digest) -> bool:
    """Return whether a blob is a released model of the study from which another one starts that
    runs with this member."""
    if all(m.digest != digest for m in study.released):
        return False
    for name in get_chain(state).running:
        other, spec = STUDY.need(state, name), SPEC.need(state, name)
        if spec.start_from == StartModel(study.name, digest) and other.samples_of(member):
            return True
    return False
