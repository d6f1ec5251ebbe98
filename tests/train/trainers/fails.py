"""Joins, in vain, and fails by itself."""

import argparse
import contextlib

import swarmhub
from swarmhub.errors import SwarmhubError

parser = argparse.ArgumentParser()
parser.add_argument("--home")
with contextlib.suppress(SwarmhubError):
    swarmhub.join("s", parser.parse_args().home)
print(1 / 0)
