"""A node that merges falsely, and serves excerpts that begin with FIRST_NUMBER (8 bytes in hex)."""

import os
import sys

import numpy as np

from swarmhub.blobs.leaves import fingerprint_of
from swarmhub.cli import main
from swarmhub.node import work
from swarmhub.params import CHUNK_BYTES
from swarmhub.transport.blob_server import BlobServer

first = bytes.fromhex(os.environ["FIRST_NUMBER"])
right_merge, right_parts = work.merge, BlobServer._read


def merge(store, effect, is_wanted):
    made = right_merge(store, effect, is_wanted)
    if effect.stage.kind != "train":
        return made
    data = bytearray(store.path(made.digest).read_bytes())
    np.frombuffer(data, np.float64)[CHUNK_BYTES // 8 :] = 666  # all of the second chunk
    path = store.incoming()
    path.write_bytes(data)
    made = fingerprint_of(path, made.layout)
    store.adopt(path, made)
    return made


async def read(self, digest, parts):
    data = await right_parts(self, digest, parts)
    return first + data[8:] if len(parts) > 1 else data  # of an excerpt, the first number


work.merge, BlobServer._read = merge, read
sys.exit(main())
