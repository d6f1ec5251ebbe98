"""The decision whether this validator may sign blocks.

CometBFT records what it signs before it sends it (`priv_validator_state.json`), and so never signs
two blocks of one height. If an old copy of that file is restored, or it is lost, it could. Two
checks prevent that. A block that the others had before this node started is never signed here:
until the node has caught up with that one, its engine gets a key without a vote. And each block
names the validators that signed the one before: if there is a signature of this key that the file
does not know of, the engine does not get the key back until the operator restores the newest file,
replaces the consensus key, or writes a file that is ahead of all blocks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swarmhub.contract.consortium.misbehaviour import compute_address
from swarmhub.errors import BadInput
from swarmhub.files import write_durably
from swarmhub.ledger.cometbft.store import Store
from swarmhub.types import PublicKey

RESET = "swarmhub node reset-signing"
SIGNED_FILE = Path("data") / "priv_validator_state.json"
SIGNED = (2, 3)  # BLOCK_ID_FLAG_COMMIT, BLOCK_ID_FLAG_NIL: of votes that were received


class Signing:
    """The signatures of one key, by the file and by the chain."""

    def __init__(self, folder: Path, key: PublicKey, store: Store) -> None:
        self.address = compute_address(key)
        self.path = folder / SIGNED_FILE
        self.newest = store.signed(self.address)  # height of its newest signature in the chain
        self.seen = 0  # block that must be here before anything is signed
        self.why_not = ""  # a sentence if this node does not sign
        self.on_change: Callable[[], None] = lambda: None
        self._compare()

    def expect(self, seen: int, tip: int) -> bool:
        """Sign nothing before block `seen` is here, which others have, or which this home remembers
        outside its ledger; `tip` is the newest block here. Returns whether this ends signing."""
        before = self.why_not
        if before and not self.is_waiting:
            return False
        if seen <= max(tip, self.known() or 0, self.seen):
            return False
        self.seen = seen
        self.why_not = (
            f"This node does not sign blocks yet: there is a block {seen} already, and this "
            f"ledger is at {tip}; it signs when it has caught up. If no other member has those "
            f"blocks, {self.path.parent.parent} is an old copy: put the newest one back."
        )
        return not before

    @property
    def is_waiting(self) -> bool:
        """Whether it may sign once it has caught up."""
        return self.seen > 0

    @property
    def may_sign(self) -> bool:
        """Whether the engine may have the key."""
        return not self.why_not

    def known(self) -> int | None:
        """Return the height that the engine has signed last, by its own file; 0 if there is none,
        None if this machine cannot read it now."""
        try:
            return read_height(self.path)
        except (FileNotFoundError, BadInput):
            return 0
        except OSError:
            return None

    def look(self, height: int, votes: Any) -> None:
        """Note the validators' votes on the block at a height, as the engine names them
        (VoteInfo)."""
        if any(v.validator.address.hex() == self.address and v.block_id_flag in SIGNED
               for v in votes):  # fmt: skip
            self.found(height)

    def found(self, height: int) -> None:
        """Note that the chain has a signature of this key at a height."""
        self.newest = max(self.newest, height)
        self._compare()

    def settle(self) -> None:
        """Decide, since every block up to `seen` is here and `found` knows all signatures in
        them."""
        if self.is_waiting:
            self.seen, self.why_not = 0, ""
            self.on_change()

    def _compare(self) -> None:
        known = self.known()
        if known is None:
            return  # the next block checks again
        if self.newest <= known or (self.why_not and not self.is_waiting):
            return
        self.seen = 0
        self.why_not = (
            f"This node does not sign blocks: its key has signed block {self.newest} of the chain, "
            f"and {self.path} knows of none after {known}, so an old copy of the home was put "
            "back, or another copy of it runs. Stop any other copy; then put the newest file back "
            "and start again. If it is lost, type 'swarmhub consortium rotate-key consensus' (with "
            f"four validators or more), or stop this node and type '{RESET}'."
        )
        self.on_change()


def read_height(path: Path) -> int:
    """Return the height that an engine has signed last. Raises BadInput, with what to do, if its
    file is damaged; OSError if it cannot be read."""
    try:
        return int(json.loads(path.read_bytes())["height"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadInput(
            f"Expected the state of a validator's signatures at {path}, the file is damaged; put "
            f"the newest copy back, or type '{RESET}'."
        ) from None


def write_height(path: Path, height: int) -> None:
    """Set the engine to sign from this height on, and nothing below it."""
    state = {"height": str(height), "round": 0, "step": 0}
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(path, json.dumps(state).encode())
