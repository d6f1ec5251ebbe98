"""The journal: what a node has to remember of a study beyond the ledger and its blobs."""

from __future__ import annotations

import contextlib
from typing import TypeVar

from swarmhub import codec
from swarmhub.blobs import BlobStore
from swarmhub.errors import BadInput
from swarmhub.failpoints import failpoint
from swarmhub.files import is_passing, seal, unseal, write_durably, write_whole
from swarmhub.home.home import Home
from swarmhub.node.problems import Problems
from swarmhub.node.vault import Vault
from swarmhub.protocol import FetchedBlobs, OwnMasked, PreparedContribution, Signed

T = TypeVar("T")


class Journal:
    """The journal in a node's home."""

    def __init__(self, home: Home, blobs: BlobStore, problems: Problems) -> None:
        self._home, self._blobs, self._problems = home, blobs, problems

    def save_prepared(self, study: str, prepared: PreparedContribution) -> None:
        """Store the trainer's answer; it survives a crash, and is on disk when this returns."""
        failpoint("journal.before")
        write_durably(self._home.state_path(f"{study}.prepared"), seal(codec.pack(prepared)))
        failpoint("journal.after")

    def drop_prepared(self, study: str) -> None:
        """Delete the stored answer of the trainer."""
        self._home.state_path(f"{study}.prepared").unlink(missing_ok=True)

    def load_prepared(self, study: str) -> PreparedContribution | None:
        """Return the trainer's last answer, if its blob is still here and intact."""
        found = self._load(PreparedContribution, f"{study}.prepared")
        return found if found and (not found.digest or found.digest in self._blobs) else None

    def has_vault(self, study: str) -> bool:
        """Return whether there are secrets of the study's masked rounds."""
        return self._home.state_path(f"{study}.masks").exists()

    def open_vault(self, study: str) -> Vault:
        """Return the secrets of the study's masked rounds."""
        return Vault(self._home.state_path(f"{study}.masks"), self._problems.report)

    def load_masked(self, study: str) -> OwnMasked | None:
        """Return the newest masked answer, if its blob is still here and intact."""
        found = self.open_vault(study).masked if self.has_vault(study) else None
        return found if found is not None and found.digest in self._blobs else None

    def save_signed(self, study: str, signed: Signed) -> None:
        """Store what a receipt is sent for; it is on disk when this returns."""
        write_durably(self._home.state_path(f"{study}.signed"), seal(codec.pack(signed)))

    def load_signed(self, study: str) -> Signed:
        """Return what receipts were sent for in the last round that had any."""
        return self._load(Signed, f"{study}.signed") or Signed()

    def save_obtained(self, study: str, obtained: FetchedBlobs) -> None:
        """Store which blobs were pulled; like the blobs, it survives a crash but not a power
        cut."""
        with contextlib.suppress(OSError):  # no space: not served to others after a crash
            write_whole(self._home.state_path(f"{study}.obtained"), seal(codec.pack(obtained)))

    def load_obtained(self, study: str) -> FetchedBlobs:
        """Return which blobs were pulled in the last round that had any."""
        return self._load(FetchedBlobs, f"{study}.obtained", synced=False) or FetchedBlobs()

    def _load(self, kind: type[T], name: str, synced: bool = True) -> T | None:
        """Return the content of a journal file; None if there is none, or it is damaged (which is
        no fault of the disk if it was never synced)."""
        path = self._home.state_path(name)
        try:
            return codec.unpack(kind, unseal(path.read_bytes()) or b"")
        except FileNotFoundError:
            return None
        except (BadInput, OSError) as error:
            if isinstance(error, OSError) and is_passing(error):
                self._problems.report_shortage(error)  # the trainer answers again
            elif synced:
                self._problems.report(
                    f"The journal {path} was damaged and is left aside; training goes on."
                )
            return None
