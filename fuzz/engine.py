"""The loop: take a kept example, spoil it, try it. All chance comes from one seed.

Half of the mutations know structure: where an example is JSON, a value deep in it is replaced by
one that is often wrong (edges of integers, other types, deep nests, long strings, odd Unicode),
and the document is written canonically again, so that it gets past the outer checks. The others
work on bytes. Every SAMPLE-th input is tried once more with memory traced.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fuzz.harnesses import Harness
from swarmhub import codec
from swarmhub.errors import Malformed

CORPUS = Path(__file__).parent / "corpus"
MAX_INPUT = 64 * 1024
SAMPLE = 32
MB = 1 << 20


@dataclass
class Report:
    """What became of one decoder; printed as one JSON line."""

    decoder: str
    runs: int = 0
    crashes: int = 0
    peak_mb: float = 0.0
    found: list[Path] = field(default_factory=list)

    def line(self) -> str:
        """The line."""
        known = {k: v for k, v in vars(self).items() if k != "found"}
        return json.dumps({**known, "peak_mb": round(self.peak_mb, 2)})


def corpus_of(harness: Harness) -> list[bytes]:
    """Kept examples, by name, so that a seed means the same everywhere."""
    kept = [p.read_bytes() for p in sorted((CORPUS / harness.name).glob("*.bin"))]
    return kept or harness.examples()


def keep_examples(harness: Harness) -> None:
    """Write the examples of the code into the corpus."""
    for data in harness.examples():
        keep(harness, data, "example")


def keep(harness: Harness, data: bytes, why: str) -> Path:
    """A file in the corpus."""
    path = CORPUS / harness.name / f"{why}-{hashlib.sha256(data).hexdigest()[:12]}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def measure(harness: Harness, data: bytes) -> float:
    """Try it with memory traced: the peak in MiB. An AssertionError where it is above the limit."""
    tracemalloc.start()
    try:
        harness(data)
        peak = tracemalloc.get_traced_memory()[1] / MB
    finally:
        tracemalloc.stop()
    assert peak <= harness.limit_mb, f"{peak:.1f} MiB are above the limit of {harness.limit_mb}"
    return peak


def fuzz(
    harness: Harness, seed: int, max_runs: int | None = None, seconds: float | None = None
) -> Report:
    """Try inputs until so many runs or seconds are over. Crashes are kept, each kind once."""
    report, kinds = Report(harness.name), set()
    end = time.monotonic() + seconds if seconds is not None else None
    for data in inputs(harness, seed):
        over = max_runs is not None and report.runs >= max_runs
        if over or (end is not None and time.monotonic() > end):
            return report
        report.runs += 1
        try:
            if report.runs % SAMPLE == 1:
                report.peak_mb = max(report.peak_mb, measure(harness, data))
            else:
                harness(data)
        except Exception as error:
            report.crashes += 1
            kind = kind_of(error)
            if kind not in kinds:
                kinds.add(kind)
                report.found.append(keep(harness, data, "crash"))
    return report


def kind_of(error: BaseException) -> tuple[str, int]:
    """Where an error was raised: the same place is the same fault."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return type(error).__name__, last.tb_lineno if last else 0


def inputs(harness: Harness, seed: int) -> Iterator[bytes]:
    """The corpus as it is, then mutations of it without end."""
    corpus = corpus_of(harness)
    yield from corpus
    chance = random.Random(f"{harness.name} {seed}")
    while True:
        data = chance.choice(corpus)
        for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
            data = mutate(data, corpus, chance)[:MAX_INPUT]
        yield data


def mutate(data: bytes, corpus: list[bytes], chance: random.Random) -> bytes:
    """Other bytes, near these."""
    if chance.random() < 0.5:
        try:
            return mutate_json(data, chance)
        except (ValueError, RecursionError):
            pass  # no JSON
    return mutate_bytes(data, corpus, chance)


# structure

ODD: list[Any] = [
    0, 1, -1, 2**31, 2**53 - 1, 2**53, -(2**53), 2**64, 10**40, True, False, None, "", "0", "\0",
    "a" * 64, "A" * 64, "g" * 64, "é", "\ufeff", "\U0001f600", "x" * 5000, [], {}, [[]], [None],
    {"": None}, "0x1p+0", "nan", "inf", "-0x0.0p+0", "0x1p+1023", "0x1p-1074", [0] * 500,
    "\ud800", 1.5, "2**16", "../../x", "-----BEGIN", "bytes=0-",
]  # fmt: skip


def mutate_json(data: bytes, chance: random.Random) -> bytes:
    """A JSON document with one value changed. ValueError where it is none."""
    value = json.loads(data)
    value = change(value, chance)
    try:
        return codec.encode(value) if chance.random() < 0.9 else json.dumps(value).encode()
    except Malformed:
        return json.dumps(value).encode()


def change(value: Any, chance: random.Random) -> Any:
    """The value with something in it changed, at any depth."""
    if isinstance(value, str) and value[:1] in "[{" and value and chance.random() < 0.8:
        return mutate_json(value.encode("utf-8", "replace"), chance).decode()  # JSON in JSON
    if isinstance(value, dict | list) and value and chance.random() < 0.75:
        return change_inside(value, chance)
    if isinstance(value, str) and value and chance.random() < 0.4:
        return mutate_bytes(value.encode("utf-8", "replace"), [], chance).decode("utf-8", "replace")
    if isinstance(value, int) and chance.random() < 0.5:
        return value + chance.choice((-1, 1, 2**31, -(2**53)))
    if chance.random() < 0.1:
        return nest(value, chance.choice((2, 15, 16, 17, 300, 900)))
    return chance.choice(ODD)


def change_inside(value: Any, chance: random.Random) -> Any:
    if isinstance(value, list):
        i = chance.randrange(len(value))
        act = chance.randrange(4)
        if act == 0:
            return value[:i] + value[i + 1 :]
        if act == 1:
            return value[: i + 1] * 2 + value[i:]
        return [*value[:i], change(value[i], chance), *value[i + 1 :]]
    name = chance.choice(sorted(value))
    rest = {k: v for k, v in value.items() if k != name}
    act = chance.randrange(8)
    if act == 0:
        return rest
    if act == 1:
        return {**rest, str(chance.choice(ODD))[:600]: value[name]}
    if act == 2:
        return {**value, name: value[chance.choice(sorted(value))]}
    return {**rest, name: change(value[name], chance)}


def nest(value: Any, depth: int) -> Any:
    for i in range(depth):
        value = [value] if i % 2 else {"a": value}
    return value


# bytes

WORDS = [
    b"\0", b"\xff", b"\xff\xfe", b"\r\n", b"\n", b'"', b"\\", b"\\u0000", b"\\ud800", b"[", b"]",
    b"{", b"}", b"[" * 300, b"[" * 3000, b'{"a":' * 300, b"9" * 20, b"9" * 5000, b"1e999", b"-0",
    b"NaN", b"= [" * 200, b"= {a" * 100, b"1979-05-27", b"0x", b"'''", b"a.b.c = 1\n",
    bytes(8), b"\xff" * 8, b"\x80" * 8, b"\x30\x82", b"\x02\x01\x07",
]  # fmt: skip


def mutate_bytes(data: bytes, corpus: list[bytes], chance: random.Random) -> bytes:
    """Flip, cut, repeat, insert, or join with another example."""
    found = bytearray(data)
    i = chance.randrange(len(found) + 1)
    j = min(len(found), i + chance.choice((1, 2, 4, 8, 64, 1024)))
    act = chance.randrange(8)
    if act == 0 and found:
        found[i - 1] ^= 1 << chance.randrange(8)
    elif act == 1 and found:
        found[i - 1] = chance.randrange(256)
    elif act == 2:
        del found[i:j]
    elif act == 3:
        found[i:i] = found[i:j] * chance.choice((1, 2, 100))
    elif act == 4:
        found[i:i] = chance.choice(WORDS)
    elif act == 5:
        found[i:j] = chance.choice(WORDS)
    elif act == 6 and corpus:
        other = chance.choice(corpus)
        found[i:] = other[chance.randrange(len(other) + 1) :]
    else:
        del found[i:]
    return bytes(found)
