"""`python -m swarmhub` is the command `swarmhub`."""

from swarmhub.cli import main

main()
