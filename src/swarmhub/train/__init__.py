"""The trainer's side: a process of its own that talks only to its own node."""

from swarmhub.train.session import Swarm, join
from swarmhub.train.summands import Summed
from swarmhub.train.training import SwarmRound

__all__ = ["Summed", "Swarm", "SwarmRound", "join"]
