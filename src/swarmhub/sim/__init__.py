"""A seeded simulation of the very same contract, round and merge code.

`world` holds the virtual clock, network, disks and ledger; `node` carries out the brain's wishes
in it. Nothing here decides anything about a round.
"""

from swarmhub.sim.world import Faults, Report, simulate

__all__ = ["Faults", "Report", "simulate"]
