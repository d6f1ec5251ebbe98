"""A node that contributes numbers whose sum overflows, and does not check them."""

import sys

import numpy as np

from swarmhub.cli import main
from swarmhub.node import work
from swarmhub.protocol import recompute

right = work.ingest


def read_only(stage, layout, member, source):
    for at in range(0, layout.nbytes, 1 << 20):
        source.read_at(at, min(1 << 20, layout.nbytes - at))


def ingest(store, path, layout, stage, me, weight):
    if layout is not None and np.fromfile(path)[0]:  # not the common start
        np.full(layout.nbytes // 8, 1.7e308).tofile(path)
    return right(store, path, layout, stage, me, weight)


recompute.check_buffer = read_only
work.ingest = ingest
sys.exit(main())
