"""A schedule as text: the size of the swarm, the network, and which fault happens to which member.

    nodes 5, rounds 4, min_peers 4, merge weighted_mean, audit drawn, seed 17
    messages drop 10% duplicate 5% delay 1..60 ms until 8000 ms
    at 1200 ms crash 3 for 800 ms
    at effect 41 crash 3 for 800 ms
    at 2000 ms cut 1 2 for 3000 ms
    at 500 ms slow 4 for 3000 ms by 200 ms
    at 500 ms slowdisk 4 for 3000 ms by 200 ms
    at 700 ms fill 5 for 2000 ms
    at 0 ms skew 2 by -60000 ms
    at 0 ms lie 4 false_merge
    at 0 ms refuse 5
    at 900 ms enrol 4
    at 900 ms withdraw 5
    at 900 ms oust 5 1 2 3
    at 900 ms rotate 5
    at 900 ms pause 1 for 800 ms
    at effect 41 rotate 5

`at effect 41 crash 3` crashes member 3 at its 41st visible effect: a write, a message, a
submission. `slow` is a member's network, and `rotate` gives it new keys, for its account and for
its connections; a member that refuses does not approve the study, and its trainer is attached all
the same. A member that enrols at a time has not been enrolled before (but as many are as the study
needs to start); a Byzantine one enrols when the study has grown so large that it tolerates one
more. The proposer (member 1) pauses the study, and resumes it when the time is over. A schedule
alone determines a run, so it can be told, shrunk by leaving faults out, and replayed. `max_share`
is that of the rule, in permille. The lines before the faults may be left out.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from swarmhub.contract.consortium.thresholds import compute_faults
from swarmhub.merge import CHUNK_LOCAL, NAMES, WEIGHTED
from swarmhub.types import MemberId

ATTACKS = (
    "false_merge", "lazy_audit", "false_dispute", "false_answer", "slander", "withhold", "garble",
    "not_a_number", "twice", "replay", "forge", "two_faces", "silent", "impersonate",
    "retract", "stale", "self_vote", "uninvited",
    "false_receipt", "forged_dispute", "excuse", "misshapen", "secretive",
    "reoffer", "copy", "rotate", "late_offer", "flee", "curious", "false_test",
)  # fmt: skip
MASK_ATTACKS = (
    "bad_shares", "no_deal", "false_doubt", "no_shares", "false_shares", "false_input",
)  # fmt: skip
WIRE_ATTACKS = ("false_model",)
SHARD_ATTACKS = ("torn_parts",)
MIN_MASKED = 4  # members of a masked study that stay: with three, a Byzantine one halts it
FLOATS = 3  # a model that is audited as a whole
DRAWN_FLOATS, CHUNKS_FLOATS = 9_000, 140_000  # from which auditors draw; of two chunks
SHARDS_FLOATS = 280_000  # of three chunks, and as many shards
RULES = NAMES
LAST_EFFECT = 10.5  # log2 of how many effects a member has in a long run
HEAL_MS = 8_000  # random faults are over by then


@dataclass(frozen=True)
class Fault:
    """A fault of a member (or, for `cut`, of several; `oust`: the target, then those in favour)."""

    # crash, cut, slow, slowdisk, fill, skew, refuse, enrol, withdraw, oust, rotate, pause, lie
    kind: str
    members: tuple[MemberId, ...]
    at_ms: int = 0
    effect: int = 0  # crash, or rotate, at this effect instead of at a time
    for_ms: int = 0
    by_ms: int = 0
    lie: str = ""

    def __str__(self) -> str:
        when = f"effect {self.effect}" if self.effect else f"{self.at_ms} ms"
        words = f"at {when} {self.kind} {' '.join(map(str, self.members))}"
        words += f" for {self.for_ms} ms" if self.for_ms else ""
        words += f" by {self.by_ms} ms" if self.by_ms else ""
        return words + (f" {self.lie}" if self.lie else "")


@dataclass(frozen=True)
class Schedule:
    """A whole schedule. Probabilities are in percent, per message."""

    nodes: int = 5
    rounds: int = 4
    min_peers: int = 4
    merge: str = "weighted_mean"
    max_share: int = 1000
    audit: str = "drawn"
    floats: int = FLOATS
    statistics: bool = False
    stages: bool = False  # of every kind
    masked: bool = False  # the rounds of training, and those of sums
    wire: str = ""  # the format in which trainers send changes; "": they send models
    seed: int = 0  # of delays, drops and training times
    drop: int = 0
    duplicate: int = 0
    delay_ms: tuple[int, int] = (1, 60)
    until_ms: int = HEAL_MS  # nothing is dropped or doubled after that
    faults: tuple[Fault, ...] = ()

    def __str__(self) -> str:
        low, high = self.delay_ms
        return "\n".join(
            [
                f"nodes {self.nodes}, rounds {self.rounds}, min_peers {self.min_peers}, "
                f"merge {self.merge}, audit {self.audit}, seed {self.seed}"
                + (f", max_share {self.max_share}" if self.max_share != 1000 else "")
                + (f", floats {self.floats}" if self.floats != FLOATS else "")
                + "".join(
                    f", {n} yes" for n in ("statistics", "stages", "masked") if getattr(self, n)
                )
                + (f", wire {self.wire}" if self.wire else ""),
                f"messages drop {self.drop}% duplicate {self.duplicate}% delay {low}..{high} ms "
                f"until {self.until_ms} ms",
                *map(str, self.faults),
            ]
        )

    @property
    def liars(self) -> set[MemberId]:
        """Byzantine members."""
        return {m for a in self.faults if a.kind == "lie" for m in a.members}

    @property
    def outsiders(self) -> set[MemberId]:
        """Members that have not approved the study."""
        mine = (a for a in self.faults if a.kind == "refuse" or a.lie == "uninvited")
        return {m for a in mine for m in a.members}

    @property
    def joiners(self) -> set[MemberId]:
        """Members that enrol while the study goes on; only the last of those scheduled to, if it
        could not start without the first."""
        faults = sorted((a for a in self.faults if a.kind == "enrol"), key=lambda a: a.at_ms)
        late = [m for a in faults for m in a.members if m not in self.outsiders]
        spare = self.nodes - len(self.outsiders) - self.min_peers
        return set(late[-spare:]) if spare > 0 else set()

    @property
    def founders(self) -> set[MemberId]:
        """Members that are enrolled when the study starts."""
        return set(range(1, self.nodes + 1)) - self.outsiders - self.joiners

    @property
    def is_fair(self) -> bool:
        """Whether the study tolerates its Byzantine members at any time, also if the honest that
        leave are gone before anybody comes. (Of those that come, Byzantine ones wait for that: see
        `World`.)"""
        honest_leavers = self.leavers - self.liars
        f = compute_faults(len(self.founders - honest_leavers))
        return len(self.liars & self.founders) <= f

    @property
    def leavers(self) -> set[MemberId]:
        """Members that withdraw, or are voted out."""
        going = {a.members[0] for a in self.faults if a.kind == "withdraw"}
        return going | {v for v, ayes in self.opinions.items() if self.carries(v, ayes)}

    @property
    def opinions(self) -> dict[MemberId, set[MemberId]]:
        """For each member, those that want it voted out."""
        found: dict[MemberId, set[MemberId]] = {}
        for fault in self.faults:
            if fault.kind == "oust":
                found.setdefault(fault.members[0], set()).update(fault.members[1:])
        return found

    def carries(self, victim: MemberId, ayes: set[MemberId]) -> bool:
        """Return whether so many may remove a member, if all the others are there."""
        electors = self.nodes - 1
        return len(ayes - {victim}) >= electors - compute_faults(electors)


def schedule_of(seed: int, nodes: int = 5, rounds: int = 10) -> Schedule:
    """Return the schedule of a seed: faults of every kind, and up to f Byzantine members."""
    rng = random.Random(f"schedule {seed}")
    f = (nodes - 1) // 3
    faults: list[Fault] = []
    members = range(1, nodes + 1)
    for liar in rng.sample(members, f) if rng.random() < 0.7 else ():
        faults += [Fault("lie", (liar,), lie=lie) for lie in rng.sample(ATTACKS, rng.randint(1, 5))]
    faults = [a for a in faults if (a.members, a.lie) != ((1,), "uninvited")]
    for fault in _politics(rng, nodes, faults):
        bolder = Schedule(nodes=nodes, faults=(*faults, fault))
        left = nodes - len(bolder.outsiders | bolder.leavers)
        survives = compute_faults(left) >= len(bolder.liars - bolder.leavers)
        if left >= 2 and survives and bolder.is_fair:
            faults.append(fault)
    left = nodes - len(Schedule(nodes=nodes, faults=tuple(faults)).outsiders)
    if compute_faults(left) < len(Schedule(faults=tuple(faults)).liars):
        faults = [a for a in faults if a.lie != "uninvited"]
    for _ in range(rng.randint(0, 6)):
        down = rng.randint(50, 3000)
        if rng.random() < 0.5:
            effect = int(2 ** rng.uniform(0, LAST_EFFECT))
            faults.append(Fault("crash", (rng.choice(members),), effect=effect, for_ms=down))
        else:
            at = rng.randint(0, HEAL_MS - 3000)
            faults.append(Fault("crash", (rng.choice(members),), at_ms=at, for_ms=down))
    for kind, most in (("cut", 2), ("slow", 2), ("slowdisk", 1), ("fill", 1)):
        for _ in range(rng.randint(0, most)):
            who = rng.sample(members, rng.randint(1, nodes // 2) if kind == "cut" else 1)
            at, lasts = rng.randint(0, HEAL_MS - 4000), rng.randint(100, 4000)
            by = rng.randint(50, 800) if kind.startswith("slow") else 0
            faults.append(Fault(kind, tuple(sorted(who)), at_ms=at, for_ms=lasts, by_ms=by))
    skewed = [m for m in members if rng.random() < 0.2]
    faults += [Fault("skew", (m,), by_ms=rng.randint(-600_000, 600_000)) for m in skewed]
    if rng.random() < 0.15:
        faults.append(Fault("rotate", (rng.choice(members),), at_ms=rng.randint(0, HEAL_MS)))
    schedule = Schedule(nodes=nodes, faults=tuple(faults))
    left = nodes - len(schedule.outsiders | schedule.leavers)
    drawn = Schedule(
        nodes=nodes, rounds=rounds, min_peers=max(2, left - compute_faults(left)),
        merge=rng.choice(RULES[:4]), audit=rng.choice(("drawn", "full")), floats=_floats(rng),
        statistics=rng.random() < 0.25, stages=rng.random() < 0.4, seed=seed,
        drop=rng.choice((0, 5, 10, 20)),
        duplicate=rng.choice((0, 5, 20)), delay_ms=rng.choice(((1, 5), (1, 60), (1, 200))),
        faults=tuple(faults),
    )  # fmt: skip
    drawn = _prying(rng, _growing(rng, _rotating(rng, drawn)))
    return _sharding(seed, _wiring(seed, _masking(seed, _ruling(seed, _pausing(seed, drawn)))))


def _sharding(seed: int, schedule: Schedule) -> Schedule:
    """Give the model several shards, in one schedule of thirty. Its members may contribute parts
    that are not those of their answer."""
    rng = random.Random(f"shards {seed}")
    return shard(rng, schedule) if rng.random() < 1 / 30 else schedule


def shard(rng: random.Random, schedule: Schedule) -> Schedule:
    """Return the schedule with a model of several shards, as few bytes as it may be sent in."""
    times = {"int8": 8, "bf16": 4}.get(schedule.wire, 2 if schedule.masked else 1)
    rule = schedule.merge if schedule.merge in CHUNK_LOCAL else "weighted_mean"
    lies = [
        Fault("lie", (m,), lie="torn_parts") for m in sorted(schedule.liars) if rng.random() < 0.5
    ]
    return replace(
        schedule, floats=SHARDS_FLOATS * times, merge=rule, faults=(*schedule.faults, *lies)
    )


def _ruling(seed: int, schedule: Schedule) -> Schedule:
    """Draw the rule, and a cap for some, with numbers of their own: a new rule leaves the faults
    of a seed as they are."""
    rng = random.Random(f"rules {seed}")
    rule, cap = rng.choice(RULES), rng.choice((1000, 1000, 250, 350))
    return replace(schedule, merge=rule, max_share=cap if rule in WEIGHTED else 1000)


def _masking(seed: int, schedule: Schedule) -> Schedule:
    """Mask the rounds that add numbers, in one schedule of four with enough members; its Byzantine
    members tell lies about masks, too."""
    rng = random.Random(f"masks {seed}")
    staying = schedule.founders - schedule.leavers
    if rng.random() < 0.75 or len(staying) < MIN_MASKED:
        return schedule
    lies = [
        Fault("lie", (m,), lie=lie)
        for m in sorted(schedule.liars)
        for lie in rng.sample(MASK_ATTACKS, rng.randint(0, 2))
    ]
    return replace(
        schedule, masked=True, merge="weighted_mean", max_share=1000,
        min_peers=max(3, schedule.min_peers), faults=(*schedule.faults, *lies),
    )  # fmt: skip


def _wiring(seed: int, schedule: Schedule) -> Schedule:
    """Send changes in few bytes, in one schedule of three without masks; its Byzantine members may
    settle a model that does not follow from its change."""
    rng = random.Random(f"wire {seed}")
    wire = rng.choice(("", "", "", "", "bf16", "int8"))
    if not wire or schedule.masked:
        return schedule
    lies = [
        Fault("lie", (m,), lie="false_model") for m in sorted(schedule.liars) if rng.random() < 0.5
    ]
    return replace(schedule, wire=wire, faults=(*schedule.faults, *lies))


def _pausing(seed: int, schedule: Schedule) -> Schedule:
    """Add pauses by the proposer, in one schedule of five."""
    rng = random.Random(f"pauses {seed}")
    pauses = [
        Fault("pause", (1,), at_ms=rng.randint(0, HEAL_MS), for_ms=rng.randint(100, 3000))
        for _ in range(rng.choice((0, 0, 0, 0, 0, 0, 0, 0, 1, 2)))
    ]
    return replace(schedule, faults=(*schedule.faults, *pauses))


def _prying(rng: random.Random, schedule: Schedule) -> Schedule:
    """If no member is Byzantine, let members without a part in the study try to read its blobs."""
    if schedule.liars or rng.random() < 0.3:
        return schedule
    curious = [Fault("lie", (m,), lie="curious") for m in sorted(schedule.outsiders)]
    return replace(schedule, faults=(*schedule.faults, *curious))


def _rotating(rng: random.Random, schedule: Schedule) -> Schedule:
    """Add rotations of keys in the middle of other effects."""
    moments = [int(2 ** rng.uniform(0, LAST_EFFECT)) for _ in range(rng.choice((0, 0, 0, 1, 2)))]
    faults = [Fault("rotate", (rng.randint(1, schedule.nodes),), effect=at) for at in moments]
    return replace(schedule, faults=(*schedule.faults, *faults))


def _growing(rng: random.Random, schedule: Schedule) -> Schedule:
    """Add members that enrol while the study goes on, some of which leave it again; in some
    schedules Byzantine members come last."""
    if rng.random() < 0.65:
        return schedule
    others = [m for m in range(2, schedule.nodes + 1) if m not in schedule.outsiders]
    rng.shuffle(others)
    if rng.random() < 0.5:
        others.sort(key=lambda m: m not in schedule.liars)
    came = [
        Fault("enrol", (m,), at_ms=rng.randint(0, HEAL_MS)) for m in others[: schedule.nodes // 2]
    ]
    gone = [
        Fault("withdraw", fault.members, at_ms=rng.randint(fault.at_ms, HEAL_MS))
        for fault in came
        if rng.random() < 0.15
    ]
    for count in range(rng.randint(1, len(came) or 1), 0, -1):
        joining = came[:count]
        leaving = [fault for fault in gone if any(fault.members == j.members for j in joining)]
        grown = replace(schedule, min_peers=2, faults=(*schedule.faults, *joining, *leaving))
        left = len(grown.founders - grown.leavers)
        if left >= 2 and grown.is_fair:
            return replace(grown, min_peers=max(2, left - compute_faults(left)))
    return schedule


def _floats(rng: random.Random) -> int:
    """Return a model size, mostly small: small models take less time, and most faults do not depend
    on the size."""
    dice = rng.random()
    return CHUNKS_FLOATS if dice < 0.02 else DRAWN_FLOATS if dice < 0.2 else FLOATS


def _politics(rng: random.Random, nodes: int, lies: list[Fault]) -> list[Fault]:
    """Return the faults by which members refuse, withdraw, and are to be voted out."""
    found: list[Fault] = []
    liars = sorted({m for a in lies for m in a.members})
    if rng.random() < 0.2:
        found.append(Fault("refuse", (rng.randint(2, nodes),)))
    if rng.random() < 0.15:
        found.append(Fault("withdraw", (rng.randint(1, nodes),), at_ms=rng.randint(0, HEAL_MS)))
    if rng.random() < 0.3 and nodes > 2:
        carried = rng.random() < 0.3
        victim = rng.choice(liars) if carried and liars else rng.randint(1, nodes)
        others = [m for m in range(1, nodes + 1) if m != victim]
        # a Byzantine member may vote for everything: it is among those in favour
        others.sort(key=lambda m: (m not in liars, rng.random()))
        quorum = len(others) - compute_faults(len(others))
        ayes = others if carried else others[: quorum - 1]
        if ayes:
            at = rng.randint(0, HEAL_MS)
            found.append(Fault("oust", (victim, *sorted(ayes)), at_ms=at))
    return found
