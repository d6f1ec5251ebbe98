"""`python -m swarmhub.sim --schedules N [--seed S]`: run seeded schedules, report what broke."""

from __future__ import annotations

import argparse
import json
import sys
import time

from swarmhub.sim import simulate


def main() -> int:
    """Exit code 1 where a schedule broke; its seed and story are printed."""
    parser = argparse.ArgumentParser(prog="python -m swarmhub.sim", description=__doc__)
    parser.add_argument("--schedules", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--nodes", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=4)
    options = parser.parse_args()
    started, broken = time.monotonic(), []
    for seed in range(options.seed, options.seed + options.schedules):
        report = simulate(seed, options.nodes, options.rounds)
        if report.broken:
            broken.append(seed)
            print("\n".join([f"seed {seed}:", *report.broken, *report.story]), file=sys.stderr)
    minutes = (time.monotonic() - started) / 60
    print(
        json.dumps(
            {
                "schedules": options.schedules,
                "broken": len(broken),
                "seeds_broken": broken,
                "per_minute": round(options.schedules / minutes, 1),
            }
        )
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
