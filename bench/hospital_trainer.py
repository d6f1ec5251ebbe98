"""A hospital's trainer in `hospitals.py`: it reads cases, needs a device, takes its time.

It trains nothing (one number in every 400 kB changes). Its folder says what is wrong at the site:
`cases/` are the files that it reads, `device` is the device, and while `idle` or `late` exist it
does not get on, before or after it has read. `round-N` is awaited if --paced: the script lets the
slowest site go on once the fault of the round has come.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

import numpy as np

import swarmhub

LOOK_S = 0.1


def await_none(path: Path) -> None:
    """Wait as long as the path exists."""
    while path.exists():
        time.sleep(LOOK_S)


def read_cases(folder: Path) -> tuple[int, int]:
    """Return how many cases there are, and how many of them can be read. One that cannot is named
    and left out; a folder that cannot, or none of whose cases can, is an error."""
    paths = sorted(folder.iterdir())
    read = 0
    last: OSError | None = None
    for path in paths:
        try:
            path.read_bytes()
            read += 1
        except OSError as error:
            last = error
            print(f"{path.name} cannot be read ({error.strerror}); left out", file=sys.stderr)
    if not read:
        raise last or FileNotFoundError(f"no case in {folder}")
    return len(paths), read


def main() -> None:
    """Join the study with a model of so many megabytes (float32, ten arrays)."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--home", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--study", required=True)
    parser.add_argument("--mb", type=float, required=True)
    parser.add_argument("--pause", type=float, required=True, help="seconds of training")
    parser.add_argument("--paced", action="store_true")
    options = parser.parse_args()
    count = max(1, int(options.mb * 1_000_000 / 4 / 10))
    model = {f"layer{i}": np.full(count, 0.5, np.float32) for i in range(10)}
    folder: Path = options.folder
    with swarmhub.join(options.study, options.home) as swarm:
        mine = random.Random(swarm.member).random()
        for turn in swarm.rounds(model):
            await_none(folder / "idle")
            for array in model.values():
                array[::100_000] += mine / turn.number  # an equal change would not travel
            time.sleep(options.pause)
            if not (folder / "device").exists():
                raise RuntimeError("CUDA error: no CUDA-capable device is detected")
            cases, read = read_cases(folder / "cases")
            await_none(folder / "late")
            while options.paced and not (folder / f"round-{turn.number}").exists():
                time.sleep(LOOK_S)
            turn.report(samples=max(1, swarm.samples * read // cases))


if __name__ == "__main__":
    main()
