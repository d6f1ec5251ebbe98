"""Swarm Learning for precision medicine, without a central server.

The trainer's interface is `join`; everything else is reached by the command `swarmhub`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarmhub.errors import SwarmhubError

if TYPE_CHECKING:
    from swarmhub.train import Swarm, SwarmRound, join

__version__ = "0.1.0"
__all__ = ["Swarm", "SwarmRound", "SwarmhubError", "__version__", "join"]


def __getattr__(name: str) -> Any:
    if name in ("Swarm", "SwarmRound", "join"):
        from swarmhub import train

        return getattr(train, name)
    raise AttributeError(f"module 'swarmhub' has no attribute {name!r}")
