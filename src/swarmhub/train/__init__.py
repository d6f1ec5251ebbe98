"""The trainer's side: a process of its own that talks only to its own node."""

from typing import TYPE_CHECKING, Any

from swarmhub.train.session import Swarm, join
from swarmhub.train.summands import Summed
from swarmhub.train.training import SwarmRound

if TYPE_CHECKING:
    from swarmhub.train.bounded_step import private_step

__all__ = ["Summed", "Swarm", "SwarmRound", "join", "private_step"]


def __getattr__(name: str) -> Any:
    if name == "private_step":  # imports PyTorch
        from swarmhub.train.bounded_step import private_step

        return private_step
    raise AttributeError(f"module 'swarmhub.train' has no attribute {name!r}")
