"""Reading a schedule from its text (see `schedule`)."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from swarmhub.errors import BadInput
from swarmhub.merge import WEIGHTED
from swarmhub.merge.wire import FORMATS
from swarmhub.sim.schedule import (
    ATTACKS,
    MASK_ATTACKS,
    RULES,
    SHARD_ATTACKS,
    WIRE_ATTACKS,
    Fault,
    Schedule,
)

NUMBER = "[0-9]{1,9}"
SIZE = re.compile(NUMBER)
SIZES = ("nodes", "rounds", "min_peers", "max_share", "floats", "seed")
ACT = re.compile(
    rf"at (?:(?P<at>{NUMBER}) ms|effect (?P<effect>{NUMBER})) "
    r"(?P<kind>crash|cut|slow|slowdisk|fill|skew|refuse|enrol|withdraw|oust|rotate|pause|lie)"
    rf"(?P<members>(?: {NUMBER})+?)"
    rf"(?: for (?P<for>{NUMBER}) ms)?(?: by (?P<by>-?{NUMBER}) ms)?(?: (?P<lie>[a-z_]+))?"
)
MESSAGES = re.compile(
    rf"messages drop ({NUMBER})% duplicate ({NUMBER})% delay ({NUMBER})\.\.({NUMBER}) ms "
    rf"until ({NUMBER}) ms"
)


STORY = re.compile(rf"-+|{NUMBER} ms  (?:ledger|member {NUMBER}): .*")
HINT = "'swarmhub sim replay SEED' shows what one looks like"


def parse_schedule(text: str) -> Schedule:
    """Return the schedule of a text, up to its story, if there is one; BadInput names what is
    wrong."""
    schedule, faults = Schedule(), []
    for line in filter(None, (raw.partition("#")[0].strip() for raw in text.splitlines())):
        if line.startswith("nodes "):
            schedule = replace(schedule, **_sizes(line))
        elif found := MESSAGES.fullmatch(line):
            drop, double, low, high, until = map(int, found.groups())
            schedule = replace(
                schedule, drop=drop, duplicate=double, delay_ms=(low, high), until_ms=until
            )
        elif found := ACT.fullmatch(line):
            faults.append(_act(found))
        elif STORY.fullmatch(line):
            break
        else:
            raise BadInput(f"Expected a line of a schedule, got {line[:80]!r}; {HINT}.")
    schedule = replace(schedule, faults=tuple(faults))
    _check(schedule)
    return schedule


def _check(schedule: Schedule) -> None:
    low, high = schedule.delay_ms
    if not (1 <= schedule.nodes <= 64 and schedule.rounds >= 1):
        raise BadInput(
            f"Expected 1 to 64 nodes and a round or more, got nodes {schedule.nodes}, "
            f"rounds {schedule.rounds}; change the line that begins with 'nodes'."
        )
    if not 2 <= schedule.floats <= 1_000_000:
        raise BadInput(
            f"Expected 2 to 1000000 floats, got {schedule.floats}; change the line that "
            "begins with 'nodes'."
        )
    if schedule.masked and schedule.merge != "weighted_mean":
        raise BadInput(
            f"Expected merge weighted_mean in a masked study, got {schedule.merge}; change the "
            "line that begins with 'nodes'."
        )
    if schedule.masked and schedule.wire:
        raise BadInput(
            f"Expected no wire format in a masked study, got {schedule.wire}; change the line that "
            "begins with 'nodes'."
        )
    if not 1 <= schedule.min_peers <= schedule.nodes:
        raise BadInput(
            f"Expected min_peers between 1 and the {schedule.nodes} nodes, got "
            f"{schedule.min_peers}; state it in the line that begins with 'nodes'."
        )
    _check_cap(schedule)
    if schedule.drop > 100 or schedule.duplicate > 100 or low > high:
        raise BadInput(
            f"Expected at most 100% and a delay from low to high, got drop {schedule.drop}% "
            f"duplicate {schedule.duplicate}% delay {low}..{high} ms; change the line 'messages'."
        )
    if 1 in schedule.joiners:
        raise BadInput(
            "Expected a study that member 1 starts, got one in which it enrols later; let another "
            "member enrol later."
        )
    if 1 in schedule.outsiders:
        raise BadInput(
            "Expected a study that member 1 proposes, got one that it does not approve; let "
            "another member refuse."
        )
    for fault in schedule.faults:
        _check_fault(schedule, fault)


def _check_cap(schedule: Schedule) -> None:
    is_capped = schedule.max_share != 1000
    if not 1 <= schedule.max_share <= 1000 or (is_capped and schedule.merge not in WEIGHTED):
        raise BadInput(
            "Expected a max_share of 1 to 1000 permille, under a rule with weights, got "
            f"{schedule.max_share} under {schedule.merge}; change the line that begins with "
            "'nodes'."
        )


def _check_fault(schedule: Schedule, fault: Fault) -> None:
    strangers = sorted(set(fault.members) - set(range(1, schedule.nodes + 1)))
    if strangers:
        raise BadInput(
            f"Expected members 1 to {schedule.nodes}, got {strangers[0]} in "
            f"{str(fault)[:80]!r}; name a member of the swarm, or state more nodes."
        )
    if fault.kind == "oust" and len(fault.members) < 2:
        raise BadInput(
            f"Expected who is to go and who wants it in {str(fault)[:80]!r}, got one member; "
            "write 'oust 5 1 2' where 1 and 2 want 5 to go."
        )
    if fault.kind == "pause" and (fault.members != (1,) or not fault.for_ms):
        raise BadInput(
            f"Expected a pause by member 1, which proposes the study, got {str(fault)[:80]!r}; "
            "write 'pause 1 for 800 ms'."
        )
    if len(fault.members) > 1 and fault.kind not in ("cut", "oust"):
        raise BadInput(
            f"Expected one member in {str(fault)[:80]!r}, got {len(fault.members)}; "
            "write a line each."
        )


def _sizes(line: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in line.split(","):
        name, _, value = part.strip().partition(" ")
        if name in SIZES and SIZE.fullmatch(value):
            found[name] = int(value)
        elif (name, value) in (("audit", "drawn"), ("audit", "full")) or (
            (name == "merge" and value in RULES) or (name == "wire" and value in FORMATS)
        ):
            found[name] = value
        elif name in ("statistics", "stages", "masked") and value in ("yes", "no"):
            found[name] = value == "yes"
        else:
            raise BadInput(f"Expected a size of the swarm, got {part[:60]!r}; {HINT}.")
    return found


def _act(found: re.Match[str]) -> Fault:
    number = {k: int(found[k] or 0) for k in ("at", "effect", "for", "by")}
    lie = found["lie"] or ""
    lies = (*ATTACKS, *MASK_ATTACKS, *WIRE_ATTACKS, *SHARD_ATTACKS)
    if (found["kind"] == "lie") != (lie in lies):
        raise BadInput(f"Expected a lie of {', '.join(lies)}, got {found[0][:80]!r}.")
    return Fault(
        found["kind"], tuple(map(int, found["members"].split())), number["at"], number["effect"],
        number["for"], number["by"], lie,
    )  # fmt: skip
