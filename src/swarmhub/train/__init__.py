"""The trainer's side: a process of its own that talks to its own node only."""

from swarmhub.train.session import Swarm, SwarmRound, join

__all__ = ["Swarm", "SwarmRound", "join"]
