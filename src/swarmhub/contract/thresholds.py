"""How many must agree. `f` is the number of faulty members that n members survive.

f = floor((n - 1) / 3), the bound of Byzantine agreement (Pease, Shostak, Lamport 1980); a quorum
is n - f: any two quorums then share an honest member, and the honest alone form one.

| n | f | quorum (votes) | witnesses (suspect, invalid) | what it does not survive |
|---|---|---|---|---|
| 1 | 0 | 1 | 1 | the loss of its only member |
| 2 | 0 | 2 | 1 | either member away: no vote passes; one liar can disturb a round |
| 3 | 0 | 3 | 1 | any member away: no vote passes; one liar can disturb a round |
| 4 | 1 | 3 | 2 | two away or lying |
| 5 | 1 | 4 | 2 | two away or lying |
| 6 | 1 | 5 | 2 | two away or lying |
| 7 | 2 | 5 | 3 | three away or lying |
"""

from __future__ import annotations


def compute_faults(n: int) -> int:
    """Faulty members that n members survive."""
    return max(0, (n - 1) // 3)


def compute_quorum(n: int) -> int:
    """Votes of n electors that carry a motion."""
    return n - compute_faults(n)


def compute_witnesses(n: int) -> int:
    """Members of n who must say the same so that one honest is among them: f + 1."""
    return compute_faults(n) + 1


def compute_receipts(n: int) -> int:
    """Other holders of a merged model that a settlement needs among n contributors."""
    return 0 if n <= 1 else max(1, compute_faults(n))


def compute_unavailable(n: int) -> int:
    """Distinct reporters that exclude one of n contributions: f + 1, two where there are two."""
    return max(1, min(max(2, compute_witnesses(n)), n - 1))
