"""This hospital's data files, as far as the pages may name them.

Pages name files of one folder only, `hub_data` in node.toml, by their paths in it: nobody reads
another file of this machine through the hub.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from swarmhub.errors import BadInput, plain
from swarmhub.home.home import Home

MOST_FILES = 500
MOST_DEPTH = 3


def list_files(home: Home) -> list[str]:
    """Return the files that pages may name, sorted; none without `hub_data`."""
    root = _root(home)
    return [] if root is None else sorted(str(p.relative_to(root)) for p in _walk(root))


def need_file(home: Home, name: str) -> Path:
    """Return a file by its name in the folder. Raises BadInput if it is none of them."""
    root = _root(home)
    if root is None:
        raise BadInput("Expected 'hub_data', the folder with this hospital's data, in node.toml.")
    if name not in list_files(home):
        raise BadInput(f"There is no file '{plain(name, 80)}' in this hospital's data folder.")
    return root / name


def list_model_folders(home: Home) -> list[str]:
    """Return the folders with a model's files (`models.folder`) among them, sorted."""
    paths = [Path(name) for name in list_files(home)]
    arrays = {p.parent for p in paths if p.name == "model.safetensors"}
    return sorted(str(p.parent) for p in paths if p.name == "model.json" and p.parent in arrays)


def need_model_folder(home: Home, name: str) -> Path:
    """Return a folder of a model by its name. Raises BadInput if it is none of them."""
    if name not in list_model_folders(home):
        raise BadInput(
            f"There is no folder '{plain(name, 80)}' of 'swarmhub model export' in this hospital's "
            "data folder."
        )
    return need_file(home, str(Path(name) / "model.json")).parent


def _root(home: Home) -> Path | None:
    return Path(home.config.hub_data) if home.config.hub_data else None


def _walk(root: Path) -> Iterator[Path]:
    """Yield files below a folder; links, hidden ones, and what lies deep are left out."""
    found = 0
    for folder, inner, names in os.walk(root):
        here = Path(folder)
        depth = len(here.relative_to(root).parts)
        inner[:] = [n for n in sorted(inner) if not n.startswith(".") and depth < MOST_DEPTH]
        for name in sorted(names):
            path = here / name
            if name.startswith(".") or path.is_symlink() or not path.is_file():
                continue
            found += 1
            if found > MOST_FILES:
                return
            yield path
