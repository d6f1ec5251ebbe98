"""The document from which a study's features follow: its merged statistics, which this node holds,
or what the terms alone say in a study with differential privacy."""

from __future__ import annotations

from swarmhub.blobs.store import BlobStore
from swarmhub.contract.records import Spec
from swarmhub.data.known import make_statistics
from swarmhub.data.schema import Schema
from swarmhub.errors import BadInput
from swarmhub.types import Digest


def read_features(spec: Spec, schema: Schema, store: BlobStore, statistics: Digest) -> bytes:
    """Return the document of a study; `statistics` is the digest of the merged ones, "" if there
    are none. Raises BadInput if they are not held here."""
    if spec.privacy.dp is not None:
        return make_statistics(schema)
    if not statistics:
        raise BadInput("the study merges no statistics, out of which its features are made.")
    if not store.find(statistics):
        raise BadInput("the study's merged statistics are not held here.")
    return store.read(statistics)
