"""A small model of masked rounds, all of whose states can be visited.

Some members are honest, the others collude. The colluders see every masked input, one of them leads
(it may choose any set that the rules allow, settle it, or not), and they hold their own share of
every secret. At most one honest member dies, at any step. A member sends the same input in every
attempt from one base model, and there may be any number of attempts. All secrets of an attempt fall
together: its sum can be computed as soon as `threshold` shares of it are known.

Two questions: over how few honest inputs is a sum computable from everything that was sent? And is
there a state from which the round can no longer be finished, though `threshold` members go on: the
honest ones that live, and as many colluders as are needed to make up the number?
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

Set = frozenset[int]


@dataclass(frozen=True)
class Rules:
    """The protocol's rules; the defaults are those of masked rounds, without abandonment."""

    members: int = 4
    threshold: int = 3
    colluders: int = 1
    smallest_set: int = 3
    shares_after_settlement: bool = True
    may_revise_after_shares: bool = False  # with fresh keys
    abandoned_up_to: int | None = None  # honest members that have sent shares
    counts_recorded: bool = False  # ... of those, only the ones on the ledger count
    dealing_is_verified: bool = True
    same_set_only: bool = False  # after a failed attempt

    @property
    def honest(self) -> range:
        return range(self.members - self.colluders)


@dataclass(frozen=True)
class State:
    """What has happened. `known` are the sums that earlier attempts have made computable."""

    dead: int | None = None
    contributed: Set = frozenset()
    chosen: Set | None = None  # honest members of the set
    needs_colluders: bool = False  # ... which has colluders in it
    is_settled: bool = False
    sent: Set = frozenset()  # honest members that have sent shares
    recorded: Set = frozenset()  # ... that are on the ledger
    is_lying: bool = False  # a colluder's dealing cannot be recovered
    known: frozenset[Set] = frozenset()
    required: Set | None = None  # the honest set of a retry
    is_done: bool = False


def steps(rules: Rules, state: State) -> Iterator[State]:
    """All that can happen next, if the colluders do what they like."""
    if state.is_done:
        return
    yield from _deaths(rules, state)
    yield from _honest_steps(rules, state)
    yield from _choices(rules, state, rules.colluders)
    if state.chosen is not None and not state.is_settled:
        yield replace(state, is_settled=True)
    if _is_open(state, rules.colluders, rules):
        yield replace(state, is_done=True)
    yield from _new_attempts(rules, state)


def friendly_steps(rules: Rules, state: State) -> Iterator[State]:
    """All that can happen next, if only those act that are needed."""
    living = [h for h in rules.honest if h != state.dead]
    helpers = min(rules.colluders, max(0, rules.threshold - len(living)))
    yield from _honest_steps(rules, state)
    yield from _choices(rules, state, helpers)
    available = state.chosen is not None and state.chosen <= set(living)
    if available and not state.is_settled and (helpers or not state.needs_colluders):
        yield replace(state, is_settled=True)
    if _is_open(state, helpers, rules):
        yield replace(state, is_done=True)
    yield from _new_attempts(rules, state)


def _deaths(rules: Rules, state: State) -> Iterator[State]:
    if state.dead is None:
        yield from (replace(state, dead=h) for h in rules.honest)
    if not rules.dealing_is_verified and not state.contributed:
        yield replace(state, is_lying=True)


def _honest_steps(rules: Rules, state: State) -> Iterator[State]:
    early = state.chosen is not None and not rules.shares_after_settlement
    for h in rules.honest:
        if h != state.dead and h not in state.contributed and not state.is_settled:
            yield replace(state, contributed=state.contributed | {h})
        if h != state.dead and h not in state.sent and (state.is_settled or early):
            recorded = state.recorded if rules.counts_recorded else state.recorded | {h}
            yield replace(state, sent=state.sent | {h}, recorded=recorded)
    for h in state.sent - state.recorded:
        yield replace(state, recorded=state.recorded | {h})


def _choices(rules: Rules, state: State, colluders: int) -> Iterator[State]:
    """Sets that a leader may choose, or choose instead."""
    if state.is_settled or (state.chosen is not None and not rules.shares_after_settlement):
        return
    for size in range(1, len(state.contributed) + 1):
        for members in map(frozenset, itertools.combinations(sorted(state.contributed), size)):
            if state.required in (None, members):
                for extra in {0, colluders}:
                    if size + extra >= rules.smallest_set:
                        yield replace(state, chosen=members, needs_colluders=extra > 0)


def _is_open(state: State, colluders: int, rules: Rules) -> bool:
    """Whether the settled sum can be unmasked."""
    enough = len(state.recorded) + colluders >= rules.threshold
    return state.is_settled and enough and not state.is_lying


def _new_attempts(rules: Rules, state: State) -> Iterator[State]:
    """Another attempt from the same base, with fresh keys; there may be any number of them."""
    if state.chosen is None:
        return
    counted = state.recorded if rules.counts_recorded else state.sent
    is_abandoned = (
        rules.abandoned_up_to is not None
        and state.is_settled
        and len(counted) <= rules.abandoned_up_to
    )
    has_failed = state.is_lying and len(state.recorded) + rules.colluders >= rules.threshold
    if is_abandoned or has_failed or (rules.may_revise_after_shares and not state.is_settled):
        required = state.chosen if rules.same_set_only else None
        yield State(state.dead, known=sums(rules, state), required=required)


def sums(rules: Rules, state: State) -> frozenset[Set]:
    """The sets of honest inputs whose sums the colluders have."""
    if state.chosen and len(state.sent) + rules.colluders >= rules.threshold:
        return state.known | {state.chosen}
    return state.known


def smallest_sum(rules: Rules, known: frozenset[Set]) -> int:
    """The fewest honest inputs in any combination of known sums; the number of honest members and
    one more, if nothing is known."""
    rows = [[Fraction(h in one) for h in rules.honest] for one in known]
    whole = rank(rows)
    for size in range(1, len(rules.honest) + 1):
        for inside in itertools.combinations(rules.honest, size):
            outside = [[row[h] for h in rules.honest if h not in inside] for row in rows]
            if rank(outside) < whole:
                return size
    return len(rules.honest) + 1


def rank(rows: list[list[Fraction]]) -> int:
    """The rank of a matrix, by elimination."""
    rows, found = [row[:] for row in rows], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((r for r in range(found, len(rows)) if rows[r][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        for r in range(found + 1, len(rows)):
            ratio = rows[r][column] / rows[found][column]
            rows[r] = [a - ratio * b for a, b in zip(rows[r], rows[found], strict=True)]
        found += 1
    return found


@dataclass(frozen=True)
class Found:
    """What a search has found."""

    states: int
    smallest: int
    stuck: int


def search(rules: Rules) -> Found:
    """Visit every state."""
    seen, waiting = {State()}, [State()]
    while waiting:
        for state in steps(rules, waiting.pop()):
            if state not in seen:
                seen.add(state)
                waiting.append(state)
    smallest = min(smallest_sum(rules, one) for one in {sums(rules, s) for s in seen})
    return Found(len(seen), smallest, count_stuck(rules, seen))


def count_stuck(rules: Rules, states: set[State]) -> int:
    """The states from which no sequence of friendly steps finishes the round."""
    before: dict[State, list[State]] = {}
    everything, waiting = set(states), list(states)
    while waiting:
        state = waiting.pop()
        for after in friendly_steps(rules, state):
            before.setdefault(after, []).append(state)
            if after not in everything:
                everything.add(after)
                waiting.append(after)
    good = {s for s in everything if s.is_done}
    waiting = list(good)
    while waiting:
        for state in before.get(waiting.pop(), []):
            if state not in good:
                good.add(state)
                waiting.append(state)
    return len(states - good)
