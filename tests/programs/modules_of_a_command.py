"""Run a command, then print the modules that it has loaded on one line."""

import atexit
import sys

from swarmhub.cli import main

atexit.register(lambda: print(*sys.modules))
main()
