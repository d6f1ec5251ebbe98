"""The hospitals of a demo: their tables, split into training and held-out patients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from swarmhub.data.heart import write_heart
from swarmhub.data.split import split_patients
from swarmhub.data.tables import read_table, write_table
from swarmhub.errors import BadInput

MAX_SITES = 24
SEED = 5  # of ten splits the one with AUCs (alone, pooled) nearest to their means
HELD_OUT = 0.3


@dataclass(frozen=True)
class Site:
    """One hospital: its future home, training rows, held-out rows (None with a common test
    file)."""

    name: str
    folder: Path
    train: Path
    test: Path | None
    rows: int
    notes: tuple[str, ...] = ()  # on its table, for people


def heart_files(folder: Path) -> dict[str, Path]:
    """Return the four hospitals' heart-disease tables that ship with the package."""
    return write_heart(folder)


def parse_sites(given: list[str]) -> dict[str, Path]:
    """Parse NAME=FILE.csv options. Raises BadInput for a duplicate name, a missing file, too few or
    too many."""
    found: dict[str, Path] = {}
    for text in given:
        name, sign, file = text.partition("=")
        if not sign or not name.strip() or not file:
            raise BadInput(f"Expected --site NAME=FILE.csv, got {text!r}.")
        if name in found:
            raise BadInput(f"Two sites are named {name!r}; give each hospital a name of its own.")
        found[name] = Path(file)
    if not 2 <= len(found) <= MAX_SITES:
        raise BadInput(f"Expected 2 to {MAX_SITES} sites, got {len(found)}; add --site options.")
    return found


def prepare_sites(
    files: Mapping[str, Path], label: str, root: Path, test: Path | None
) -> list[Site]:
    """Check every table, hold out 30% of each site's patients (none if there is a common test
    file), and write each hospital's own files."""
    if test is not None:
        read_table(test, label)
    sites = []
    for number, (name, file) in enumerate(files.items(), 1):
        table = read_table(file, label)
        assert table.label is not None
        folder = root / f"{number:02d}-{_slug(name)}"
        folder.mkdir(parents=True)
        if test is None:
            training, held = split_patients(table, SEED, HELD_OUT)
        else:
            training, held = table, table.take([])
        if not training.rows:
            raise BadInput(f"Expected at least 2 rows for {name!r} in {file}, got {table.rows}.")
        train = folder / "train.csv"
        write_table(training, label, train)
        held_out = folder / "test.csv" if held.rows else None
        if held_out is not None:
            write_table(held, label, held_out)
        sites.append(Site(name, folder, train, held_out, training.rows, table.notes))
    return sites


def _slug(name: str) -> str:
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in name.lower())
    return kept[:40]
