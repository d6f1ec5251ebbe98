"""The trainer's side: a process of its own that talks only to its own node."""

from swarmhub.train.session import Swarm, SwarmRound, join

__all__ = ["Swarm", "SwarmRound", "join"]
