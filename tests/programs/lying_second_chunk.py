"""A node that flips the lowest bit of FALSE_NUMBERS numbers in the second chunk of its merges."""

import os
import sys

from swarmhub.blobs.leaves import fingerprint_of
from swarmhub.cli import main
from swarmhub.node import work
from swarmhub.params import CHUNK_BYTES

honest_merge = work.merge


def false_merge(store, effect, is_wanted):
    made = honest_merge(store, effect, is_wanted)
    if effect.stage.kind != "train":
        return made
    data = bytearray(store.path(made.digest).read_bytes())
    numbers = list(range(CHUNK_BYTES, len(data), 8))
    for at in numbers[: int(os.environ["FALSE_NUMBERS"])]:
        data[at] ^= 1
    path = store.incoming()
    path.write_bytes(data)
    made = fingerprint_of(path, made.layout)
    store.adopt(path, made)
    return made


work.merge = false_merge
sys.exit(main())
