"""Comparison of a trainer's own code with the code that the terms of its study bind."""

from __future__ import annotations

from pathlib import Path

from swarmhub import codec
from swarmhub.contract.records import Spec
from swarmhub.documents import DocumentStore, collect_running, diff_bundles, digest_of, read_bundle
from swarmhub.errors import Malformed, TrainerError, plain
from swarmhub.types import Digest

MOST_NAMED = 5  # files


def check_code(spec: Spec, code: Path | None, home: Path) -> str:
    """Return a sentence if the terms bind code and the trainer's folder is not known, else "".
    Raises TrainerError if the folder has other code, BadInput if it has what nobody can read."""
    if not codec.is_digest(spec.code):
        return ""
    if code is None:
        return (
            f"the terms of '{spec.name}' bind code, and this program does not say which it runs: "
            "give join(code=FOLDER)"
        )
    mine = collect_running(code)
    if digest_of(mine) == spec.code:
        return ""
    names = _name_differences(home, spec.name, spec.code, mine)
    raise TrainerError(
        f"Expected the code that the terms of '{spec.name}' bind (sha256 {spec.code[:16]}…) in "
        f"{code}, got other code{names}; 'swarmhub study show {spec.name} --code --out FOLDER' "
        "writes the approved one."
    )


def _name_differences(home: Path, study: str, bound: Digest, mine: bytes) -> str:
    """Return the files that differ from those of the terms, if these are here."""
    try:
        data = DocumentStore(home / "documents").read(study, bound)
        changes = [] if data is None else diff_bundles(read_bundle(data), read_bundle(mine))
    except (Malformed, OSError):
        return ""
    names = [f"{plain(c.name, 60)} is {c.change}" for c in changes[:MOST_NAMED]]
    return f" ({', '.join(names)})" if names else ""
