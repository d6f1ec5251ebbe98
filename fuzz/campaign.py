"""Hours on every decoder, in slices that can be interrupted.

The next slice goes to the decoder that has had least CPU time so far; mutations and atheris (where
it is installed) take turns. What has been done is in one folder: `done.json`, and the inputs with
which atheris found new paths. Stop it at any time; the same command goes on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass
class Done:
    """What one decoder has had."""

    decoder: str
    slices: int = 0
    runs: int = 0
    crashes: int = 0
    cpu_s: float = 0.0
    peak_mb: float = 0.0
    found: list[str] = field(default_factory=list)


class Campaign:
    """Of these decoders, until each has had `cpu_s` seconds of CPU time."""

    def __init__(self, folder: Path, decoders: Sequence[str], cpu_s: float, slice_s: float) -> None:
        self._folder, self._cpu_s, self._slice_s = folder, cpu_s, slice_s
        self._file = folder / "done.json"
        folder.mkdir(parents=True, exist_ok=True)
        kept = json.loads(self._file.read_text()) if self._file.exists() else []
        before = {one["decoder"]: Done(**one) for one in kept}
        self.done = {name: before.get(name) or Done(name) for name in decoders}
        self._others = [one for name, one in before.items() if name not in self.done]
        self._children: set[int] = set()
        self._lock = threading.Lock()

    def run(self, jobs: int, engines: Sequence[str], told: Callable[[Done], None]) -> list[Done]:
        """Work on so many decoders at a time; `told` hears of every slice that has ended."""
        busy: dict[Future[Done], str] = {}
        with ThreadPoolExecutor(jobs) as pool:
            try:
                while True:
                    waiting = self._next(set(busy.values()))
                    if waiting and len(busy) < jobs:
                        slice_of = self.done[waiting]
                        engine = engines[slice_of.slices % len(engines)]
                        work = pool.submit(self._slice, waiting, engine, slice_of.slices)
                        busy[work] = waiting
                        continue
                    if not busy:
                        return list(self.done.values())
                    ended, _ = wait(busy, return_when=FIRST_COMPLETED)
                    for work in ended:
                        told(self._count(busy.pop(work), work.result()))
            except BaseException:
                with self._lock:
                    for pid in self._children:
                        os.kill(pid, 15)
                raise

    def _next(self, busy: set[str]) -> str | None:
        """The decoder that has had least, of those that need more and have none at work."""
        free = [one for name, one in self.done.items() if name not in busy]
        short = [one for one in free if one.cpu_s < self._cpu_s]
        return min(short, key=lambda one: one.cpu_s).decoder if short else None

    def _slice(self, name: str, engine: str, seed: int) -> Done:
        """One process; its CPU time is what the kernel says of it and its children."""
        command = [
            sys.executable, "-m", "fuzz", "--only", name, "--minutes", str(self._slice_s / 60),
            "--seed", str(seed), "--engine", engine, "--paths", str(self._folder / name),
        ]  # fmt: skip
        child = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with self._lock:
            self._children.add(child.pid)
        assert child.stdout is not None
        assert child.stderr is not None
        said, wrong = child.stdout.read(), child.stderr.read()
        with self._lock:
            self._children.discard(child.pid)
            _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in (0, 1) or not said:
            raise RuntimeError(f"A slice of {name} failed: {wrong[-2000:]}")
        report = json.loads(said)
        found = [w for w in wrong.split() if w.endswith(".bin")]
        cpu_s = usage.ru_utime + usage.ru_stime
        return Done(name, 1, report["runs"], report["crashes"], cpu_s, report["peak_mb"], found)

    def _count(self, name: str, part: Done) -> Done:
        one = self.done[name]
        one.slices += part.slices
        one.runs += part.runs
        one.crashes += part.crashes
        one.cpu_s = round(one.cpu_s + part.cpu_s, 1)
        one.peak_mb = max(one.peak_mb, part.peak_mb)
        one.found = sorted({*one.found, *part.found})
        partial = self._file.with_suffix(".new")
        partial.write_text(json.dumps([asdict(d) for d in [*self.done.values(), *self._others]]))
        partial.replace(self._file)
        return one
