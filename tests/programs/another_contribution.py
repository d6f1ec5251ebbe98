"""A node that merges another contribution of its own than the one that it has committed."""

import sys
from dataclasses import replace

import numpy as np

from swarmhub.blobs.leaves import fingerprint_of
from swarmhub.cli import main
from swarmhub.merge import STRETCH_BYTES
from swarmhub.node import work
from swarmhub.transport.blob_server import BlobServer

right_merge, right_parts, other = work.merge, BlobServer._read, {}


def merge(store, effect, is_wanted):
    if effect.stage.kind != "train":
        return right_merge(store, effect, is_wanted)
    mine = next(s for s in effect.shares if s.member == 3)
    data = np.full(200_000, 4000.0).tobytes()  # now that it knows the others'
    path = store.incoming()
    path.write_bytes(data)
    made = fingerprint_of(path, effect.layout)
    store.adopt(path, made)
    other[mine.digest] = data
    shares = tuple(replace(s, digest=made.digest) if s is mine else s for s in effect.shares)
    return right_merge(store, replace(effect, shares=shares), is_wanted)


async def read(self, digest, parts):
    if digest in other and all(size <= STRETCH_BYTES for _, size in parts):  # an excerpt
        return b"".join(other[digest][at : at + size] for at, size in parts)
    return await right_parts(self, digest, parts)


work.merge, BlobServer._read = merge, read
sys.exit(main())
