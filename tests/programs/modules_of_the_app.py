"""Print the modules that the command line loads at its start."""

import sys

import swarmhub.cli.app  # noqa: F401

print(*sys.modules)
