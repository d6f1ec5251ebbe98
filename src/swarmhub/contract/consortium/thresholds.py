"""Quorums and other thresholds. `f` is the number of faulty members that n members tolerate.

f = floor((n - 1) / 3), the bound of Byzantine agreement (Pease, Shostak, Lamport 1980); a quorum is
n - f: any two quorums then share an honest member, and the honest alone form one.

| n | f | quorum (votes) | witnesses (suspect, invalid) | what it does not survive |
|---|---|---|---|---|
| 1 | 0 | 1 | 1 | the loss of its only member |
| 2 | 0 | 2 | 1 | either away: no vote passes; either can remove the other at once |
| 3 | 0 | 3 | 1 | any member away: no vote passes; one Byzantine member can disturb a round |
| 4 | 1 | 3 | 2 | two away or lying |
| 5 | 1 | 4 | 2 | two away or lying |
| 6 | 1 | 5 | 2 | two away or lying |
| 7 | 2 | 5 | 3 | three away or lying |
"""

from __future__ import annotations


def compute_faults(n: int) -> int:
    """Return how many faulty members n members tolerate."""
    return max(0, (n - 1) // 3)


def compute_quorum(n: int) -> int:
    """Return how many votes of n electors carry a motion."""
    return n - compute_faults(n)


# In a round, f is computed from all members that the round counts (`Round.enrolled`): if some are
# late or away today, that does not make the others honest. n is how many have contributed, and
# bounds what can be asked for.


def compute_min_peers(min_peers: int, enrolled: int) -> int:
    """Return how many contributions a round of so many enrolled members needs to close: at least
    those of the terms, and 2f + 1, so that most of any set are honest."""
    return max(min_peers, 2 * compute_faults(enrolled) + 1)


def describe_min_peers(min_peers: int, enrolled: int) -> str:
    """Say how many members a study of so many enrolled needs in each round, and how many it
    tolerates."""
    needed, lying = compute_min_peers(min_peers, enrolled), compute_faults(enrolled)
    if enrolled < needed:
        return f"a round needs {needed} contributions: {needed - enrolled} more must enrol"
    return (
        f"a round needs {needed} of {enrolled} contributions: {enrolled - needed} may be away, "
        f"{lying} may lie"
    )


def compute_witnesses(enrolled: int, n: int) -> int:
    """Return how many contributors must say the same of another one, so that one of them is honest:
    f + 1, or all others if these are fewer."""
    return max(1, min(compute_faults(enrolled) + 1, n - 1))


def compute_receipts(enrolled: int, n: int) -> int:
    """Return how many other holders of a merged model a settlement needs: f, so that one of them is
    honest if the leader is not; one of them may die all the same."""
    return 0 if n <= 1 else max(1, min(compute_faults(enrolled), n - 2))


def compute_substitutes(enrolled: int, n: int) -> int:
    """Return how many receipts settle a merge that not all drawn auditors have signed: those of all
    others but f (all but one if f is 0), so that neither dead members nor a leader that hides its
    offer from the drawn auditors decide which members check it."""
    away = max(1, compute_faults(enrolled))
    return max(compute_receipts(enrolled, n), n - 1 - away)


def compute_unavailable(enrolled: int, n: int) -> int:
    """Return how many distinct reporters exclude a contribution: f + 1, and two if there are two
    others."""
    return max(1, min(max(2, compute_faults(enrolled) + 1), n - 1))


def compute_verdict(enrolled: int, voters: int) -> int:
    """Return how many equal recomputations decide a dispute: more than half of the voters, and f +
    1."""
    return max(voters // 2 + 1, compute_faults(enrolled) + 1)
