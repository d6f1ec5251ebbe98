"""A node with as few descriptors as its first argument says."""

import resource
import sys

import swarmhub.node.service  # noqa: F401  # a node has loaded it when it runs short
from swarmhub.cli import up

resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[1])))
sys.exit(up.main(sys.argv[2:]))
