"""A trainer that says which code it runs, and ends when it has joined: --home HOME STUDY CODE."""

import sys

import swarmhub

home, study, code = sys.argv[2], sys.argv[3], sys.argv[4]
with swarmhub.join(study, home, code=code) as swarm:
    print(f"joined {swarm.study}", flush=True)
