"""Terms in a file, with the documents that they name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from swarmhub import codec
from swarmhub.contract.records import Spec
from swarmhub.operations.documents import NOTHING, Attached, attach
from swarmhub.operations.studies import read_spec


@dataclass(frozen=True)
class Proposal:
    """Terms as they are proposed, and the documents that go with them."""

    spec: Spec
    attached: Attached = NOTHING


def read_proposal(path: Path, code: Path | None = None, ethics: Path | None = None) -> Proposal:
    """Read terms from a TOML file, with code (a folder or a file) and an ethics document. The file
    may name both itself, by paths from its own folder, in place of digests. Raises BadInput."""
    spec = read_spec(path)
    if spec.code and not codec.is_digest(spec.code):
        code, spec = code or path.parent / spec.code, replace(spec, code="")
    if spec.ethics and not codec.is_digest(spec.ethics):
        ethics, spec = ethics or path.parent / spec.ethics, replace(spec, ethics="")
    return Proposal(*attach(spec, code, ethics))
