"""Pass two moments of a merge as often as the argument says; half of the work prints "half"."""

import sys

from swarmhub import failpoints

failpoints.arm()
for i in range(int(sys.argv[1])):
    print(i, flush=True)
    failpoints.failpoint("merge.half", lambda: print("half", flush=True))
    failpoints.failpoint("merge.whole")
