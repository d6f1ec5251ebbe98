"""Print the modules of a node's process with a tracker beside it, on one line."""

import sys

import swarmhub.node.service
import swarmhub.track.child

assert swarmhub.node.service.Node
assert swarmhub.track.child.make_track_child
print(*sys.modules)
