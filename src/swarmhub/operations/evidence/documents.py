"""The documents of a study in a folder of evidence, as this node has them."""

from __future__ import annotations

from swarmhub.contract.records import Spec
from swarmhub.errors import Malformed
from swarmhub.home.home import Home
from swarmhub.operations.documents import find_ethics, named_by, store_of

CODE = "documents/code.txt"  # the bundle: its sha256 is the one of the terms


def make_documents(home: Home, spec: Spec) -> dict[str, bytes]:
    """Return the documents that the present terms name and that are here, by path. Their bytes have
    the sha256 of the terms, which the folder proves."""
    store, named = store_of(home), named_by(spec)
    files: dict[str, bytes] = {}
    code = store.read(spec.name, named["code"]) if "code" in named else None
    if code is not None:
        files[CODE] = code
    try:
        ethics = find_ethics(store, spec.name, named["ethics"]) if "ethics" in named else None
    except Malformed:
        ethics = None
    if ethics is not None:
        files[f"documents/ethics.{'pdf' if ethics.kind == 'pdf' else 'txt'}"] = ethics.data
    return files
