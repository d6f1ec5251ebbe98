"""A node whose clock goes forward by its first argument, in seconds, at a SIGUSR1."""

import signal
import sys
import time

from swarmhub.cli import up

now_s, now_ns, step_s = time.time, time.time_ns, 0


def step(*_):
    global step_s
    step_s = int(sys.argv[1])
    print("the clock is set", file=sys.stderr, flush=True)


time.time, time.time_ns = lambda: now_s() + step_s, lambda: now_ns() + step_s * 1_000_000_000
signal.signal(signal.SIGUSR1, step)
sys.exit(up.main(sys.argv[2:]))
