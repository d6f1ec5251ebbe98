"""This hospital's data files, as far as the pages may name them, and looks at them.

Pages name files of one folder only, `hub_data` in node.toml, by their paths in it: nobody reads
another file of this machine through the hub. A file is read by a process of its own, the command
that a person would type, so that the hub stays small and a large file cannot stop it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swarmhub.errors import BadInput, plain
from swarmhub.home.home import Home

MOST_FILES = 500
MOST_DEPTH = 3
PATIENCE_S = 600.0
MAX_BYTES = 64 << 20  # of what a command prints


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


async def draft(home: Home, file: str = "", example: str = "") -> dict[str, Any]:
    """Return a draft of terms (`new_study.NewStudy`) of a data file, or of an example. Raises
    BadInput with the command's sentence."""
    words = ["--from", str(need_file(home, file))] if file else ["--example", example]
    with tempfile.TemporaryDirectory(prefix="swarmhub-hub-") as folder:
        out = ["--out", str(Path(folder) / "study.toml"), "--json"]
        found: dict[str, Any] = json.loads(await _run(["study", "new", *words, *out]))
    return found


async def check(home: Home, terms: str, file: str) -> str:
    """Return the page of a check of a data file against terms (TOML, or a study's name). Raises
    BadInput if no check could be made."""
    path = need_file(home, file)
    with tempfile.TemporaryDirectory(prefix="swarmhub-hub-") as folder:
        page, study = Path(folder) / "check.html", terms
        if "\n" in terms or "=" in terms:
            spec = Path(folder) / "study.toml"
            spec.write_text(terms, "utf-8")
            study = str(spec)
        words = ["data", "check", str(path), "--study", study, "--page", str(page)]
        try:
            await _run([*words, "--home", str(home.root)])
        except BadInput:
            if not page.exists():
                raise
        return page.read_text("utf-8")


async def _run(words: list[str]) -> bytes:
    """Run a command of ours; return what it prints. Raises BadInput with its sentence."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "swarmhub", *words,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_S):
            out, said = await process.communicate()
    except TimeoutError:
        raise BadInput(
            f"The look at the file took more than {PATIENCE_S / 60:.0f} minutes; take the command "
            f"'swarmhub {' '.join(words[:2])}' for it."
        ) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    if process.returncode or len(out) > MAX_BYTES:
        raise BadInput(said.decode(errors="replace").strip().removeprefix("swarmhub: ")[-2000:])
    return out
