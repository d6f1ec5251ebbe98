"""A node whose disk fails twice to take a merged model."""

import sys

from swarmhub.blobs import BlobStore
from swarmhub.cli import main
from swarmhub.errors import BlobError
from swarmhub.node import work

right_merge, right_sync, failures = work.merge, BlobStore.sync, {}


def merge(store, effect, is_wanted):
    made = right_merge(store, effect, is_wanted)
    if effect.stage.kind == "train":
        failures[made.digest] = 2
    return made


def sync(self, digest):
    if failures.get(digest):
        failures[digest] -= 1
        raise BlobError("The disk has failed.")
    right_sync(self, digest)


work.merge, BlobStore.sync = merge, sync
sys.exit(main())
