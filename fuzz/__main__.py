"""Fuzz every decoder, and print one JSON line for each: decoder, runs, crashes, peak_mb.

The exit code is 1 where anything crashed; the input is kept in the corpus then.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fuzz.campaign import Campaign, Done
from fuzz.engine import CORPUS, Report, fuzz, keep, keep_examples, measure
from fuzz.harnesses import HARNESSES, Harness

SLOW_S = 5  # of CPU time: an input that takes longer is a fault


def main(arguments: list[str]) -> int:
    """Run what the options say."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=str(__doc__).split("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0, help="for each decoder (default 1)")
    parser.add_argument("--only", nargs="+", choices=sorted(HARNESSES), metavar="DECODER",
                        help="these decoders alone")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="where chance begins (default 0)")
    parser.add_argument("--engine", choices=("mutations", "atheris"), default="mutations",
                        help="atheris is guided by coverage; install the extra 'fuzz'")  # fmt: skip
    parser.add_argument("--paths", type=Path, metavar="FOLDER",
                        help="where atheris keeps what takes new paths, and begins")  # fmt: skip
    parser.add_argument("--campaign", type=Path, metavar="FOLDER",
                        help="minutes of CPU time, on all cores, in slices; FOLDER remembers what "
                        "has been done, and the same command goes on")  # fmt: skip
    parser.add_argument("--slice-s", type=float, default=60, help="of a campaign (default 60)")
    parser.add_argument("--replay", type=Path, help="try this file of the corpus, and show why")
    parser.add_argument("--keep-examples", action="store_true", help="write the examples anew")
    options = parser.parse_args(arguments)
    if options.replay:
        return replay(options.replay)
    chosen = [HARNESSES[name] for name in options.only or HARNESSES]
    if options.keep_examples:
        for harness in chosen:
            keep_examples(harness)
        return 0
    if options.campaign:
        return run_campaign(options, [h.name for h in chosen])
    if options.engine == "atheris" and importlib.util.find_spec("atheris") is None:
        parser.error("atheris is not installed; pip install '.[fuzz]', or leave --engine out")
    crashed = 0
    for harness in chosen:
        seconds = options.minutes * 60
        if options.engine == "atheris":
            with tempfile.TemporaryDirectory() as scratch:
                report = guided(harness, options.seed, seconds, options.paths or Path(scratch))
        else:
            report = fuzz(harness, options.seed, seconds=seconds)
        print(report.line(), flush=True)
        for path in report.found:
            print(f"  replay: python -m fuzz --replay {path}", file=sys.stderr)
        crashed += report.crashes
    return 1 if crashed else 0


def replay(path: Path) -> int:
    """Try one file, with its traceback where it crashes."""
    peak = measure(HARNESSES[path.resolve().parent.name], path.read_bytes())
    print(f"No crash; {peak:.2f} MiB.")
    return 0


def run_campaign(options: argparse.Namespace, names: list[str]) -> int:
    """Until each decoder has had the minutes, with a line on stderr for every slice."""
    engines = ["mutations"]
    if importlib.util.find_spec("atheris") is not None:
        engines.append("atheris")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its slices end with it
    target_s = options.minutes * 60
    campaign = Campaign(options.campaign.resolve(), names, target_s, options.slice_s)

    def told(one: Done) -> None:
        got_s = sum(min(d.cpu_s, target_s) for d in campaign.done.values())
        part = got_s / (target_s * len(names))
        print(f"{part:6.1%}  {one.decoder}: {one.cpu_s / 60:.1f} min, {one.runs} runs, "
              f"{one.crashes} crashes", file=sys.stderr, flush=True)  # fmt: skip

    try:
        done = campaign.run(os.cpu_count() or 1, engines, told)
    except KeyboardInterrupt:
        print("Interrupted; the same command goes on from here.", file=sys.stderr)
        return 130
    for one in done:
        print(json.dumps(dataclasses.asdict(one)))
    return 1 if any(one.crashes for one in done) else 0


def is_quick(harness: Harness, artifact: Path) -> bool:
    """Whether atheris called an input slow that is not: the machine, or its process, had stood."""
    if "slow-unit" not in artifact.name:
        return False
    began_s = time.process_time()
    measure(harness, artifact.read_bytes())
    return time.process_time() - began_s < SLOW_S


def guided(harness: Harness, seed: int, seconds: float, paths: Path) -> Report:
    """The same under atheris, which writes inputs that take new paths into a folder. It stops at
    the first crash; those are kept, and so is what takes more memory than the harness allows."""
    paths.mkdir(parents=True, exist_ok=True)
    known = set(paths.iterdir())
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            [sys.executable, "-m", "fuzz.guided", harness.name, str(paths),
             str(CORPUS / harness.name), f"-max_total_time={max(1, round(seconds))}",
             f"-seed={seed + 1}", "-max_len=65536", "-rss_limit_mb=2048",
             f"-artifact_prefix={scratch}/found-", "-print_final_stats=1"],
            capture_output=True, text=True, errors="replace", cwd=CORPUS.parents[1], check=False,
        )  # fmt: skip
        runs = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
        report = Report(harness.name, int(runs[1]) if runs else 0)
        left = [p for p in Path(scratch).glob("found-*") if not is_quick(harness, p)]
        crashing = [p.read_bytes() for p in left]
        if done.returncode and not crashing:
            raise RuntimeError(f"atheris failed: {done.stderr[-2000:]}")
        for data in [p.read_bytes() for p in sorted(set(paths.iterdir()) - known)]:
            try:
                report.peak_mb = max(report.peak_mb, measure(harness, data))
            except Exception:
                crashing.append(data)
        for data in crashing:
            report.crashes += 1
            report.found.append(keep(harness, data, "crash"))
        return report


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
