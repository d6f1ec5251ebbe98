"""Documents of a study: the code that runs, and the vote or permit that allows it.

The terms name each by the sha256 of its bytes, so that a copy from any member is as good as the
proposer's. Code travels as a `Bundle`, a form of our own: no archive of a peer is ever unpacked.
"""

from swarmhub.documents.bundle import (
    MAX_BUNDLE_BYTES,
    MAX_CODE_BYTES,
    MAX_FILE_BYTES,
    MAX_FILES,
    Bundle,
    CodeFile,
    pack_bundle,
    read_bundle,
)
from swarmhub.documents.diff import FileDiff, diff_bundles
from swarmhub.documents.ethics import MAX_ETHICS_BYTES, Ethics, read_ethics
from swarmhub.documents.folder import collect_code, collect_running
from swarmhub.documents.store import DocumentStore, digest_of
from swarmhub.documents.text import escape_text

__all__ = [
    "MAX_BUNDLE_BYTES",
    "MAX_CODE_BYTES",
    "MAX_ETHICS_BYTES",
    "MAX_FILES",
    "MAX_FILE_BYTES",
    "Bundle",
    "CodeFile",
    "DocumentStore",
    "Ethics",
    "FileDiff",
    "collect_code",
    "collect_running",
    "diff_bundles",
    "digest_of",
    "escape_text",
    "pack_bundle",
    "read_bundle",
    "read_ethics",
]
