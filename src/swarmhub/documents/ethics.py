"""The document that allows a study's use of data: an ethics vote, a permit, a contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from swarmhub.documents.text import is_text
from swarmhub.errors import Malformed

MAX_ETHICS_BYTES = 8 << 20
PDF = b"%PDF-"


@dataclass(frozen=True)
class Ethics:
    """A document, PDF or text, as its first bytes say; its name at the proposer does not travel."""

    kind: Literal["pdf", "text"]
    data: bytes

    @property
    def text(self) -> str:
        """The text; "" of a PDF."""
        return self.data.decode("utf-8-sig") if self.kind == "text" else ""


def read_ethics(data: bytes) -> Ethics:
    """Return the document. Raises Malformed if it is neither PDF nor text, or is too large."""
    if not 0 < len(data) <= MAX_ETHICS_BYTES:
        raise Malformed(
            f"Expected a document of 1 byte to {MAX_ETHICS_BYTES >> 20} MiB, got {len(data)} bytes."
        )
    if data.startswith(PDF):
        return Ethics("pdf", data)
    if is_text(data):
        return Ethics("text", data)
    raise Malformed("Expected a document that is PDF, or text in UTF-8 (Markdown too).")
