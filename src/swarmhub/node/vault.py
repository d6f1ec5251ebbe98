"""The vault: a node's secrets of the masked rounds of one study, in its home.

One file for each study, readable by the node's user alone, on disk before anything that depends on
it leaves the node. A backup does not contain it: a secret that two machines have could be used for
two sets.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from swarmhub import codec
from swarmhub.errors import BadInput, MaskError, SpentError
from swarmhub.failpoints import failpoint
from swarmhub.files import seal, unseal, write_durably
from swarmhub.protocol import OwnMasked
from swarmhub.protocol.mask_procedure import Use
from swarmhub.types import Digest

ROOT_BYTES = 32


@dataclass(frozen=True)
class Root:
    """A root secret (hex) of one keying of a round, and what it was used for: the digest of the one
    answer that is masked with it, and of the one set with the sum that it opens."""

    number: int
    keying: int
    root: str
    answer: Digest = ""
    set: Digest = ""


@dataclass(frozen=True)
class Roots:
    """The roots of rounds that are not settled, and the newest masked answer."""

    roots: tuple[Root, ...] = ()
    masked: OwnMasked | None = None


class Vault:
    """The vault of one study (a `MaskVault`). Every change is on disk when it returns."""

    def __init__(self, path: Path, report: Callable[[str], None]) -> None:
        self._path, self._lock = path, threading.Lock()
        self._roots = self._load(report)

    def _load(self, report: Callable[[str], None]) -> Roots:
        try:
            return codec.unpack(Roots, unseal(self._path.read_bytes()) or b"")
        except FileNotFoundError:
            return Roots()
        except BadInput:
            report(
                f"The file {self._path} was damaged and is left aside; masked rounds that have "
                "begun go on without this node."
            )
            return Roots()

    def _save(self, roots: Roots) -> None:
        failpoint("vault.before")
        write_durably(self._path, seal(codec.pack(roots)), mode=0o600)
        failpoint("vault.after")
        self._roots = roots

    def draw_key(self) -> bytes:
        """Return a key of noise, which is kept nowhere."""
        return secrets.token_bytes(ROOT_BYTES)

    def root(self, number: int, keying: int) -> bytes:
        """Return the root of a keying; made when it is first asked for."""
        with self._lock:
            found = self._find(number, keying)
            if found is None:
                found = Root(number, keying, secrets.token_bytes(ROOT_BYTES).hex())
                self._save(replace(self._roots, roots=(*self._roots.roots, found)))
            return bytes.fromhex(found.root)

    def bind(self, number: int, keying: int, use: Use, digest: Digest) -> None:
        """Record what a root is used for. Raises SpentError if it was used for another."""
        with self._lock:
            found = self._find(number, keying)
            if found is None:
                raise MaskError(f"This node has no secret of round {number} (keying {keying}).")
            before = found.answer if use == "answer" else found.set
            if before == digest:
                return
            if before:
                raise SpentError(
                    f"Expected the {use} {before[:16]}… for the masks of round {number}, got "
                    f"{digest[:16]}…; masks are used once, so this node asks for new keys."
                )
            bound = replace(found, answer=digest) if use == "answer" else replace(found, set=digest)
            others = tuple(r for r in self._roots.roots if r != found)
            self._save(replace(self._roots, roots=(*others, bound)))

    def _find(self, number: int, keying: int) -> Root | None:
        keyed = ((r.number, r.keying) for r in self._roots.roots)
        return dict(zip(keyed, self._roots.roots, strict=True)).get((number, keying))

    @property
    def masked(self) -> OwnMasked | None:
        """The newest masked answer."""
        return self._roots.masked

    def save_masked(self, masked: OwnMasked) -> None:
        """Store the record of a masked answer."""
        with self._lock:
            self._save(replace(self._roots, masked=masked))

    def erase_before(self, number: int) -> None:
        """Erase the secrets of rounds before this one: they are settled."""
        with self._lock:
            kept = tuple(r for r in self._roots.roots if r.number >= number)
            masked = self._roots.masked
            masked = masked if masked is not None and masked.number >= number else None
            if (kept, masked) != (self._roots.roots, self._roots.masked):
                self._save(Roots(kept, masked))

    def erase(self) -> None:
        """Erase all of it: the study is over."""
        with self._lock:
            self._roots = Roots()
            self._path.unlink(missing_ok=True)
