"""The engine's program: found, checked, or built with Go."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from swarmhub.errors import LedgerError

VERSION = "0.38.25"
MODULE = "github.com/cometbft/cometbft/cmd/cometbft"
VARIABLE = "SWARMHUB_COMETBFT"


def find_binary() -> Path:
    """Return the path of the engine's program. Raises LedgerError, which says how to get it."""
    places = [os.environ.get(VARIABLE, ""), str(own_binary()), shutil.which("cometbft") or ""]
    for place in filter(None, places):
        if os.access(place, os.X_OK):
            return Path(place)
    raise LedgerError(
        f"Expected CometBFT v{VERSION} as 'cometbft', found none; install it with 'swarmhub ledger "
        f"install' (needs Go), or set {VARIABLE} to the program's path."
    )


def own_binary() -> Path:
    """Return the path at which 'swarmhub ledger install' puts it."""
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(data) / "swarmhub" / "bin" / "cometbft"


def check_version(binary: Path) -> None:
    """Raise LedgerError if the program is not the release that this driver was tested with."""
    try:
        done = subprocess.run(
            [binary, "version"], capture_output=True, text=True, timeout=20, check=False
        )
        found = done.stdout.strip()
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LedgerError(f"The program {binary} cannot be run ({error}).") from None
    if found.removeprefix("v").partition("+")[0] != VERSION:
        raise LedgerError(
            f"Expected CometBFT v{VERSION} at {binary}, got {found[:40]!r}; get the right one with "
            "'swarmhub ledger install'."
        )


def install() -> Path:
    """Build the engine with Go into the user's data folder; returns its path."""
    go = shutil.which("go") or next(
        (p for p in ("/usr/local/go/bin/go",) if os.access(p, os.X_OK)), None
    )
    if go is None:
        raise LedgerError(
            "Expected Go as 'go', found none; install Go 1.22 or newer, or copy a cometbft "
            f"v{VERSION} program to {own_binary()}."
        )
    target = own_binary()
    target.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [go, "install", f"{MODULE}@v{VERSION}"],
        env={**os.environ, "GOBIN": str(target.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise LedgerError(f"Go could not build CometBFT: {last[:300]}")
    check_version(target)
    return target
