"""The folder of an exported model: `model.safetensors`, `model.json` and `README.md`.

It may come from anywhere, so everything is checked before it is used: sizes before anything is
read, digests before anything is parsed, shapes against the design, numbers for being finite. There
is no code in it. A folder, and each file beside it, is written beside its place and renamed: it is
there as a whole or not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from swarmhub.data.frames import explain_unreadable
from swarmhub.errors import BadInput, plain
from swarmhub.files import sync, write_durably
from swarmhub.models.architecture import Array, need_architecture, without_training_only
from swarmhub.models.card import write_card
from swarmhub.models.document import (
    MAX_BYTES,
    Document,
    layout_of,
    make_exported,
    read_document,
    write_document,
)
from swarmhub.models.exported import ExportedModel
from swarmhub.params import storable
from swarmhub.params.layout import DTYPES

ARRAYS, DOCUMENT, CARD = "model.safetensors", "model.json", "README.md"
FILES = frozenset([ARRAYS, DOCUMENT, CARD])
MAX_ARRAYS = 1 << 30  # bytes; 200,000 features x 16 hidden units have 26 MB
MAX_HEADER = 1 << 20  # bytes, of model.safetensors
MAX_CARD = 1 << 20  # bytes


def write_model(folder: Path, exported: ExportedModel, overwrite: bool = False) -> None:
    """Write a model as a folder, which appears as a whole. Raises BadInput if there is anything
    else than a model of the same study at its place; `overwrite` allows another study's model, or
    a damaged one, too."""
    from safetensors.numpy import save

    exported = _without_training_only(exported)
    exported.check()
    place = folder.expanduser().resolve()
    if not place.parent.is_dir():
        raise BadInput(f"There is no folder {place.parent}; make it first.")
    _need_free(place, exported.origin.study, overwrite)
    arrays = save({name: storable(array) for name, array in sorted(exported.arrays.items())})
    files = {ARRAYS: arrays, CARD: write_card(exported, folder.name).encode()}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    files[DOCUMENT] = write_document(exported, digests)
    with _new_folder(place) as new:
        for name, data in files.items():
            write_durably(new / name, data)
        _put(new, place)


def _without_training_only(exported: ExportedModel) -> ExportedModel:
    return replace(exported, arrays=without_training_only(exported.arrays))


def _need_free(place: Path, study: str, overwrite: bool) -> None:
    """Raise BadInput if a folder must not be written at this place."""
    if not place.exists():
        return
    if not place.is_dir():
        raise BadInput(f"{place} is a file; give the folder another name.")
    others = {entry.name for entry in os.scandir(place)} - FILES
    if others:
        raise BadInput(
            f"The folder {place} has other files than a model's ('{plain(min(others), 60)}'); "
            "give the model a folder of its own."
        )
    if overwrite or not any(place.iterdir()):
        return
    try:
        there = read_model(place).origin.study
    except BadInput as error:
        raise BadInput(f"{error} It is not overwritten unless told.") from None
    if there != study:
        raise BadInput(
            f"The folder {place} has the model of the study '{plain(there, 40)}', which is not "
            f"overwritten with that of '{plain(study, 40)}' unless told; choose another folder."
        )


@contextlib.contextmanager
def _new_folder(place: Path) -> Iterator[Path]:
    new = place.with_name(f".{place.name}.{secrets.token_hex(4)}.new")
    new.mkdir()
    try:
        yield new
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _put(new: Path, place: Path) -> None:
    """Rename a folder to its place; the one that is there goes once the new one can come."""
    old = new.with_suffix(".old")
    with contextlib.suppress(FileNotFoundError):
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            old.rename(place)
        raise
    sync(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def read_model(folder: Path) -> ExportedModel:
    """Return the model in a folder. Raises BadInput, in one sentence, if there is none, or if a
    byte of it has changed."""
    place = folder.expanduser()
    _need_model(place)
    document = read_document(_read(place / DOCUMENT, MAX_BYTES), DOCUMENT)
    need_architecture(document.recipe)
    layout = layout_of(document)
    if layout.nbytes > MAX_ARRAYS:
        raise BadInput(f"The model's arrays have more than {MAX_ARRAYS >> 30} GB; export it again.")
    data = _read_sealed(place / ARRAYS, layout.nbytes + MAX_HEADER, document)
    _read_sealed(place / CARD, MAX_CARD, document)
    return make_exported(document, _load(data, document))


def _need_model(place: Path) -> None:
    """Raise BadInput if there is no folder with a model's document."""
    try:
        if place.is_dir() and (place / DOCUMENT).exists():
            return
        kind = "a file" if place.is_file() else "another folder" if place.exists() else "nothing"
    except OSError as error:
        raise explain_unreadable(place, error) from None
    raise BadInput(
        f"Expected a folder of 'swarmhub model export' at {place}, found {kind}; check the path."
    )


def _read_sealed(path: Path, most: int, document: Document) -> bytes:
    """Return a file's bytes. Raises BadInput if they are not those that the document names."""
    data = _read(path, most)
    if hashlib.sha256(data).hexdigest() != document.files.get(path.name):
        raise BadInput(
            f"{path.name} is not the file that was exported with {DOCUMENT} (another sha256); copy "
            "the folder again, or export the model again."
        )
    return data


def _read(path: Path, most: int) -> bytes:
    """Return a file's bytes. Raises BadInput if it cannot be read, or has more than `most`."""
    try:
        if path.exists() and not path.is_file():
            raise BadInput(f"Expected a file at {path}, found something else.")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise explain_unreadable(path, error) from None
    if len(data) > most:
        raise BadInput(f"Expected at most {most} bytes in {path}, got more; export it again.")
    return data


def _load(data: bytes, document: Document) -> dict[str, Array]:
    """Return the arrays of a safetensors file. Raises BadInput if they are not those that the
    document names."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays: dict[str, Array] = load(data)
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise BadInput(f"{ARRAYS} is no safetensors file ({plain(error)}).") from None
    wanted = {t.name: (DTYPES[t.dtype], t.shape) for t in document.arrays}
    if wanted != {name: (array.dtype, array.shape) for name, array in arrays.items()}:
        raise BadInput(
            f"The arrays in {ARRAYS} are not those that {DOCUMENT} names; export the model again."
        )
    return arrays


# files beside a model


def need_own_place(out: Path, given: Sequence[Path]) -> None:
    """Raise BadInput if a file would be written over one of the given ones, over a model's, or
    over anything that is no file."""
    is_taken = out.exists() and any(p.exists() and out.samefile(p) for p in given)
    is_of_model = out.name in FILES and (out.parent / DOCUMENT).exists()
    if is_taken or is_of_model or (out.exists() and not out.is_file()):
        raise BadInput(f"Expected a file of its own to write to, got {out}; give another --out.")
    if not out.absolute().parent.is_dir():
        raise BadInput(f"There is no folder {plain(out.absolute().parent)} for {out.name}.")


def write_beside(out: Path, data: bytes) -> None:
    """Write a file beside its place, then rename it: a reader finds the old or the new one."""
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(data)
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)
