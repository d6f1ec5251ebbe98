"""Swarm Learning for precision medicine, without a central server.

`join` is the trainer's interface, `Client` that of a person: every act of the command `swarmhub`
on studies and membership, `load_model` opens an exported model. All errors are SwarmhubError, each
with one sentence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swarmhub.errors import (
    BadInput,
    FenceError,
    HomeError,
    LedgerError,
    PeerError,
    SwarmhubError,
    TrainerError,
)

if TYPE_CHECKING:
    from swarmhub.models.predict import load_model
    from swarmhub.operations.client import Client
    from swarmhub.train import Summed, Swarm, SwarmRound, join

__version__ = "0.1.0"
__all__ = [
    "BadInput",
    "Client",
    "FenceError",
    "HomeError",
    "LedgerError",
    "PeerError",
    "Summed",
    "Swarm",
    "SwarmRound",
    "SwarmhubError",
    "TrainerError",
    "__version__",
    "join",
    "load_model",
]


def __getattr__(name: str) -> Any:
    if name in ("Summed", "Swarm", "SwarmRound", "join"):
        from swarmhub import train

        return getattr(train, name)
    if name == "Client":
        from swarmhub.operations.client import Client

        return Client
    if name == "load_model":
        from swarmhub.models.predict import load_model

        return load_model
    raise AttributeError(f"module 'swarmhub' has no attribute {name!r}")
