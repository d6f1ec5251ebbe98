"""Fuzz every decoder, and print one JSON line for each: decoder, runs, crashes, peak_mb.

The exit code is 1 where anything crashed; the input is kept in the corpus then.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from fuzz.engine import CORPUS, Report, corpus_of, fuzz, keep, keep_examples, measure
from fuzz.harnesses import HARNESSES, Harness


def main(arguments: list[str]) -> int:
    """Run what the options say."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=str(__doc__).split("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0, help="for each decoder (default 1)")
    parser.add_argument("--only", choices=sorted(HARNESSES), help="this decoder alone")
    parser.add_argument("--seed", type=int, default=0, help="where chance begins (default 0)")
    parser.add_argument("--engine", choices=("mutations", "atheris"), default="mutations",
                        help="atheris is guided by coverage; install the extra 'fuzz'")  # fmt: skip
    parser.add_argument("--replay", type=Path, help="try this file of the corpus, and show why")
    parser.add_argument("--keep-examples", action="store_true", help="write the examples anew")
    options = parser.parse_args(arguments)
    if options.replay:
        return replay(options.replay)
    chosen = [HARNESSES[options.only]] if options.only else list(HARNESSES.values())
    if options.keep_examples:
        for harness in chosen:
            keep_examples(harness)
        return 0
    if options.engine == "atheris" and importlib.util.find_spec("atheris") is None:
        parser.error("atheris is not installed; pip install '.[fuzz]', or leave --engine out")
    crashed = 0
    for harness in chosen:
        seconds = options.minutes * 60
        if options.engine == "atheris":
            report = guided(harness, options.seed, seconds)
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


def guided(harness: Harness, seed: int, seconds: float) -> Report:
    """The same under atheris. What it finds of new paths stays in a folder that is thrown away;
    crashes are kept. It stops at the first one."""
    with tempfile.TemporaryDirectory() as scratch:
        done = subprocess.run(
            [sys.executable, "-m", "fuzz.guided", harness.name, scratch,
             str(CORPUS / harness.name), f"-max_total_time={max(1, round(seconds))}",
             f"-seed={seed + 1}", "-max_len=65536", "-rss_limit_mb=2048",
             f"-artifact_prefix={scratch}/found-", "-print_final_stats=1"],
            capture_output=True, text=True, errors="replace", cwd=CORPUS.parents[1], check=False,
        )  # fmt: skip
        runs = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
        peak = max((measure_safely(harness, d) for d in corpus_of(harness)), default=0.0)
        report = Report(harness.name, int(runs[1]) if runs else 0, peak_mb=peak)
        for path in Path(scratch).glob("found-*"):
            report.crashes += 1
            report.found.append(keep(harness, path.read_bytes(), "crash"))
        if done.returncode and not report.crashes:
            raise RuntimeError(f"atheris failed: {done.stderr[-2000:]}")
        return report


def measure_safely(harness: Harness, data: bytes) -> float:
    """The memory of a kept input that may still crash."""
    try:
        return measure(harness, data)
    except Exception:
        return 0.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
