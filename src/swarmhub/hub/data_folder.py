"""Looks at this hospital's data files, those that pages may name (`operations.data_files`).

A file is read by a process of its own, the command that a person would type, so that the hub stays
small and a large file cannot stop it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from swarmhub.errors import BadInput
from swarmhub.home.home import Home
from swarmhub.operations.data_files import need_file

PATIENCE_S = 600.0
MAX_BYTES = 64 << 20  # of what a command prints


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
