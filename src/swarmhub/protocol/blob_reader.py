"""The port through which the protocol's arithmetic reads blobs that are held here."""

from __future__ import annotations

from typing import Protocol

from swarmhub.errors import MergeError
from swarmhub.merge import Source
from swarmhub.params import Fingerprint, Layout
from swarmhub.types import Digest


class OpenSource(Source, Protocol):
    """A buffer that is read piece by piece, and closed."""

    def close(self) -> None:
        """Release the buffer."""
        ...


class BlobReader(Protocol):
    """The port for blobs that are held here, by digest."""

    def __contains__(self, digest: Digest) -> bool: ...

    def fingerprint(self, digest: Digest) -> Fingerprint:
        """Return layout, length and chunk hashes of a blob."""
        ...

    def source(self, digest: Digest) -> OpenSource:
        """Return random access to a blob."""
        ...

    def read(self, digest: Digest) -> bytes:
        """Return all of a blob: a document."""
        ...

    def layout(self, digest: Digest) -> Layout | None:
        """Return a layout document that a trainer here has brought."""
        ...


def need_layout(reader: BlobReader, digest: Digest) -> Layout:
    """Return the layout document; MergeError if no trainer has brought it here."""
    layout = reader.layout(digest)
    if layout is None:
        raise MergeError(f"The layout {digest[:16]}… is not known here; no trainer brought it.")
    return layout
