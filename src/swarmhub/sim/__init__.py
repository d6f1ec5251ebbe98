"""A seeded simulation of the very same contract, round, merge and ledger code.

    schedule     a schedule as text: which fault happens to which member
    world        founding, faults and the run, above chain (the ledger) and network (time, messages)
    disk         what a crash takes
    node         carries out the protocol's effects, above exchange (messages) and life
    adversaries  Byzantine nodes, above mischief (what they do unprompted)
    audit_io     the port AuditIO over the simulated world
    contents     parameters and documents of simulated trainers
    invariants   what must hold, above event_checks, settlements and run_record
    ports        the world, nodes and invariants as they know each other
    shrink       a broken schedule made short
    campaign     many seeds on all cores

Nothing here decides anything about a round.
"""

from swarmhub.sim.campaign import run_campaign
from swarmhub.sim.schedule import Fault, Schedule, schedule_of
from swarmhub.sim.schedule_text import parse_schedule
from swarmhub.sim.shrink import shrink
from swarmhub.sim.world import SimulationReport, World, run_schedule, simulate

__all__ = [
    "Fault",
    "Schedule",
    "SimulationReport",
    "World",
    "parse_schedule",
    "run_campaign",
    "run_schedule",
    "schedule_of",
    "shrink",
    "simulate",
]
