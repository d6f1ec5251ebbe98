"""Build the engine of a networked ledger."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.ledger.cometbft import binary


@dataclass(frozen=True)
class Installed:
    """CometBFT on this machine."""

    version: str
    path: str


def install() -> Installed:
    """Build CometBFT with Go. Raises LedgerError, with what to do, if it cannot be built."""
    return Installed(binary.VERSION, str(binary.install()))


def need_engine() -> None:
    """Raise LedgerError, with what to do, if CometBFT is not on this machine."""
    binary.find_binary()
