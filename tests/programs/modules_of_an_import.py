"""Print the modules that a trainer loads by its import, then load the client."""

import sys

import swarmhub

assert swarmhub.join
print(*sys.modules)
assert swarmhub.Client
