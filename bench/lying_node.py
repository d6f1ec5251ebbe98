"""`swarmhub up` of a hospital that lies: as leader it offers a model that is not the merge.

    python bench/lying_node.py up --home DIR          SHARE=0.01 in the environment: how much of it

It flips the lowest bit of every fourth byte in the first SHARE of the merged buffer (by default
in all of it), which changes the last digits of numbers and makes none of them infinite.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from swarmhub.blobs import BlobStore
from swarmhub.blobs.leaves import fingerprint_of
from swarmhub.cli import main
from swarmhub.node import work
from swarmhub.params import Fingerprint
from swarmhub.protocol import Merge

SHARE = float(os.environ.get("SHARE", "1"))
honest_merge = work.merge


def false_merge(store: BlobStore, effect: Merge, is_wanted: Callable[[], bool]) -> Fingerprint:
    """The merge with some bits flipped."""
    made = honest_merge(store, effect, is_wanted)
    if effect.stage.kind != "train":
        return made
    data = bytearray(store.path(made.digest).read_bytes())
    for at in range(0, max(1, int(len(data) * SHARE)), 4):
        data[at] ^= 1
    path = store.incoming()
    path.write_bytes(data)
    fingerprint = fingerprint_of(path, made.layout)
    store.adopt(path, fingerprint)
    return fingerprint


if __name__ == "__main__":
    work.merge = false_merge
    main()
