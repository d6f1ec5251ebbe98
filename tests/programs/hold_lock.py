"""Hold the lock on a file (its argument) until standard input ends."""

import fcntl
import sys

with open(sys.argv[1], "a") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
