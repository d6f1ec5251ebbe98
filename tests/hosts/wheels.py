"""Wheels of the present release and of the next one, which has the tests' contract version 2."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PARTS = ("pyproject.toml", "README.md", "LICENSE", "src")
VERSION2 = ROOT / "tests" / "contract" / "version2.py"
ENTRY = ROOT / "tests" / "programs" / "version2_entry.py"  # the end of the next release's versions


def pip(*words: object) -> None:
    """Run pip; its output is shown if it fails."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def install(source: Path, place: Path) -> Path:
    """Build the source's wheel and install it in a folder of its own; returns the folder."""
    pip("wheel", "--no-deps", "--wheel-dir", place / "wheel", source)
    (wheel,) = (place / "wheel").glob("*.whl")
    pip("install", "--no-deps", "--target", place / "installed", wheel)
    return place / "installed"


def copy_source(place: Path) -> Path:
    """Copy what a wheel is built from."""
    place.mkdir(parents=True)
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, place / name)
    return place


def install_both(folder: Path) -> tuple[Path, Path]:
    """Install the present release and the next one; returns their folders."""
    source = copy_source(folder / "next" / "source")
    project = source / "pyproject.toml"
    project.write_text(project.read_text().replace('version = "0.1.0"', 'version = "0.2.0"'))
    contract = source / "src" / "swarmhub" / "contract"
    shutil.copy(VERSION2, contract / "version2.py")
    versions = contract / "versions.py"
    versions.write_text(versions.read_text() + ENTRY.read_text())
    present = copy_source(folder / "present" / "source")
    return install(present, folder / "present"), install(source, folder / "next")
