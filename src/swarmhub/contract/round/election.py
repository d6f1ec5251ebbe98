"""Election of the leaders of a round.

One permutation of member ids for each (study, round), sorted by a hash of exactly those, so nobody
can bias it by choosing bits of a contribution. Filtered to the candidates, it is the line of
leaders: the term is the index into it. The line of a shard begins one place later than that of the
shard before, counted among all enrolled members: so each leads as many shards, and the others'
lines stay as they are if one is away. It follows from state alone, so every node knows it early and
a likely leader can fetch contributions as they arrive.
"""

from __future__ import annotations

import functools
from collections.abc import Collection

from swarmhub import codec
from swarmhub.contract.consortium.thresholds import compute_receipts, compute_substitutes
from swarmhub.contract.records import Round
from swarmhub.contract.round.kinds import CONFIRMING, KINDS, MERGING, takes_members
from swarmhub.types import MemberId

AUDITS = 1 << 32  # beyond the leaders' order, which has 0
AUDITS_OF_SHARD = 1 << 48  # beyond every revision


@functools.lru_cache(maxsize=256)
def compute_leader_order(
    study: str, number: int, candidates: tuple[MemberId, ...], purpose: int = 0
) -> tuple[MemberId, ...]:
    """Return the candidates in the order in which they lead. Another `purpose` has another
    order."""

    def rank(member: MemberId) -> str:
        words = (study, str(number), str(purpose), str(member))
        return codec.digest(b"swarmhub/leader/1", *(w.encode() for w in words))

    return tuple(sorted(candidates, key=rank))


def get_auditors(r: Round, enrolled: int, term: int | None = None) -> tuple[MemberId, ...]:
    """Return the members drawn to recompute parts of the merge of a term's leader (the current
    one's by default): as many as a settlement needs receipts (of so many enrolled members), in
    another order than that of the leaders."""
    purpose = AUDITS + r.revision + AUDITS_OF_SHARD * r.lead.shard
    order = compute_leader_order(r.study, r.number, get_candidates(r), purpose)
    others = [m for m in order if m != get_leader(r, term) and m not in r.lead.false_leaders]
    return tuple(others[: compute_receipts(enrolled, len(get_candidates(r)))])


def is_backed(r: Round, enrolled: int, term: int, signers: Collection[MemberId]) -> bool:
    """Return whether receipts of these signers settle the offer of a term's leader: those of all
    drawn auditors, or of all others but f. In the initial round nothing is recomputed, and nobody
    is drawn."""
    n = len(get_candidates(r))
    if len(signers) < compute_receipts(enrolled, n):
        return False
    if not KINDS[r.kind].has_contributions or len(signers) >= compute_substitutes(enrolled, n):
        return True
    return set(get_auditors(r, enrolled, term)) <= set(signers)


def get_candidates(r: Round) -> tuple[MemberId, ...]:
    """Return the members that may lead: the contributors; in the initial round everyone on the
    roster."""
    return r.contributors if KINDS[r.kind].has_contributions else r.roster


def get_expected(r: Round) -> tuple[MemberId, ...]:
    """Return the members that the round waits for, or has: they need not say that they are
    ready."""
    if r.masks and not takes_members(r):
        return tuple(sorted({*r.roster, *get_candidates(r)}))
    return get_candidates(r) if r.phase in (MERGING, CONFIRMING) else r.roster


def has_led(r: Round, member: MemberId) -> bool:
    """Return whether a member leads a term of this revision, or has led one."""
    return any(get_leader(r, term) == member for term in get_terms(r))


def get_terms(r: Round) -> range:
    """Return the last term of each member that has led in this revision, the present one first."""
    first = max(r.lead.since_term, r.lead.term + 1 - len(get_candidates(r)))
    return range(r.lead.term, first - 1, -1)


def get_leader(r: Round, term: int | None = None) -> MemberId | None:
    """Return the leader of a term (of the current one by default); None without candidates."""
    line = get_line(r, get_candidates(r), r.lead.shard)
    return line[(r.lead.term if term is None else term) % len(line)] if line else None


def get_line(r: Round, candidates: Collection[MemberId], shard: int = 0) -> tuple[MemberId, ...]:
    """Return the line of leaders of a shard, of so many candidates."""
    everyone = tuple(sorted({*r.enrolled, *candidates}))
    order = compute_leader_order(r.study, r.number, everyone)
    first = shard % len(order) if order else 0
    return tuple(m for m in (*order[first:], *order[:first]) if m in candidates)
