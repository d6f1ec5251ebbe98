"""The errors that swarmhub raises on purpose.

    SwarmhubError              one sentence for an operator; the command exits with 2
    ├── BadInput               a file, an option or a value that a person gave
    │   └── Malformed          bytes or JSON that do not decode (often: from a peer)
    ├── HomeError              a node's home directory: missing, wrong version, locked
    │   └── NoAnswer           ... a node runs on it, and does not answer now
    ├── LedgerError            the ledger cannot be used
    │   ├── LedgerDamaged      a block is torn, altered or out of order (names its height)
    │   ├── LedgerShortage     this machine cannot write it now: space, descriptors, the disk
    │   └── VersionMissing     it follows a version of the contract that this software lacks
    ├── BlobError              a stored or received parameter buffer is not what it should be
    │   └── DiskError          ... because this machine has no space, descriptors or sound disk
    ├── PeerError              another member did not answer, or answered wrongly
    │   ├── HungUp             ... it ended the connection after the handshake, without a reply
    │   └── WireMismatch       ... its node speaks another version of the wire protocol
    ├── MergeError             contributions that cannot be merged
    │   └── BadContribution    ... because of one member, which is named
    ├── MaskError              keys, shares or masks that are not what they should be
    │   └── SpentError         ... a secret of a masked round that is lost, or was used already
    └── TrainerError           the trainer's side: refused lease, NaN reported, crash
        └── FenceError         another trainer has attached to the study since

Refusals by the contract have a tree of their own (`contract.refusals`): they are results recorded
beside the ledger, not accidents. Each message says what was expected, what came, and what to do.
"""

from __future__ import annotations


def plain(text: object, limit: int = 200) -> str:
    """Return another party's text as one short line that a terminal can show."""
    found = "".join(c if c.isprintable() else "?" for c in str(text)[: limit + 1])
    return found if len(found) <= limit else found[: limit - 1] + "…"


class SwarmhubError(Exception):
    """Base of every error that an operator may see as one sentence (exit code 2)."""


class BadInput(SwarmhubError):
    """A person gave a value that cannot be used."""


class Malformed(BadInput):
    """Bytes or JSON that do not have the stated form."""


class HomeError(SwarmhubError):
    """A node's home directory cannot be used."""


class NoAnswer(HomeError):
    """A node runs on the home, and does not answer now."""


class LedgerError(SwarmhubError):
    """The ledger cannot be used."""


class LedgerDamaged(LedgerError):
    """A block is torn, altered or out of order. `height` is the first such block."""

    def __init__(self, height: int, why: str, file: str = "") -> None:
        self.height = height
        self.why = why
        super().__init__(
            f"The ledger {file + ' ' if file else ''}is damaged at block {height}: {why}. "
            "Restore the file from a backup or from another member; no block from there on is used."
        )


class LedgerShortage(LedgerError):
    """This machine cannot write the ledger. `is_passing`: it is short of something that may be
    there again in a moment."""

    def __init__(self, sentence: str, is_passing: bool) -> None:
        self.is_passing = is_passing
        super().__init__(sentence)


class VersionMissing(LedgerError):
    """The block of `height` follows `version` of the contract, and this software has only the
    versions `known`."""

    def __init__(self, version: int, height: int, known: tuple[int, ...]) -> None:
        self.version, self.height, self.known = version, height, known
        super().__init__(
            f"The ledger follows contract version {version} from block {height} on, and this "
            f"swarmhub has {say_versions(known)}: no block is used from there on. Update swarmhub, "
            "then start the node again."
        )


def say_other_api(home: object, expected: int, got: object) -> str:
    """Return a sentence on a node with another version of the local API than this process."""
    return (
        f"Expected a node on {home} with version {expected} of the local API, got {plain(got, 20)};"
        " run the node and this program with the same version of swarmhub."
    )


def say_versions(numbers: tuple[int, ...]) -> str:
    """Return versions' numbers in words."""
    few = ", ".join(map(str, numbers[:-1]))
    return f"versions {few} and {numbers[-1]}" if few else f"version {numbers[-1]}"


class BlobError(SwarmhubError):
    """A parameter buffer is missing, torn or not the one of its digest."""


class DiskError(BlobError):
    """This machine has no space, no descriptors or no sound disk: no other member can help."""


class PeerError(SwarmhubError):
    """Another member's node did not answer, or answered wrongly."""


class HungUp(PeerError):
    """Another member's node hung up after the handshake, as on a certificate that no member has
    now."""


class WireMismatch(PeerError):
    """Another member's node speaks the wire protocol's version `got`, this one `expected`."""

    def __init__(self, peer: str, expected: str, got: str) -> None:
        self.expected, self.got = expected, plain(got, 20)
        super().__init__(
            f"{peer} speaks wire version {self.got}, expected {expected}; update swarmhub at the "
            "hospital with the lower one."
        )


class MergeError(SwarmhubError):
    """The contributions cannot be merged."""


class BadContribution(MergeError):
    """One member's contribution cannot be merged. `member` is its id."""

    def __init__(self, member: int, why: str) -> None:
        self.member = member
        self.why = why
        super().__init__(f"The contribution of member {member} cannot be merged: {why}.")


class MaskError(SwarmhubError):
    """A key, a share, a dealing or a masked value is not what it should be; `sentence` says what
    was expected and what came."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence
        super().__init__(sentence)


class SpentError(MaskError):
    """A secret of a masked round that is lost, or was used already: secrets are used once."""


class NotNow(SwarmhubError):
    """A node cannot answer its trainer now, but soon: the trainer waits, and asks again."""


class TrainerError(SwarmhubError):
    """The trainer's side of a study failed."""


class FenceError(TrainerError):
    """The node knows another fence: a trainer has attached since, or the node has restarted."""
