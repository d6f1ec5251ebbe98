"""Counters of the kernel: CPU and memory of processes, bytes on the loopback."""

from __future__ import annotations

import os
from pathlib import Path


def lo_bytes() -> int:
    """Bytes received on the loopback so far."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, rest = line.strip().partition(":")
        if name == "lo":
            return int(rest.split()[0])
    raise SystemExit("no loopback interface in /proc/net/dev")


def high_water_mb(pid: int) -> float:
    """Peak resident memory of a process in MB (0 when it is gone)."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0.0
    line = next((x for x in text.splitlines() if x.startswith("VmHWM")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024 / 1e6


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far (0 when it is gone)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
