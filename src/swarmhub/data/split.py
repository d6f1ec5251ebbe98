"""Setting patients aside, so that a model is measured on patients that it has not seen.

The split is a function of the study's seed and the patients' names alone: within each class
patients are ranked by a keyed hash (BLAKE2b), and the first ones are set aside. It depends on no
library's version, on no processor, and not on the order of the rows. A patient is in the same part
at every start, and all rows of a patient are in the same part. (Random splits of libraries move:
scikit-learn's group folds with one seed place 30 of 40 patients differently in 1.7.2 and 1.9.1.)
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.data.dataset import Dataset
from swarmhub.data.frames import Words

Mask = npt.NDArray[np.bool_]

ROWS_AT_ONCE = 10_000  # of a sparse matrix that are moved in one piece


def split_patients(
    dataset: Dataset, seed: int, fraction: float, purpose: str = "test"
) -> tuple[Dataset, Dataset]:
    """Return (training, held-out) datasets, all rows of a patient in the same one.

    A patient is of the highest class of their rows; each class gives `fraction` of its patients,
    rounded, but never its last one. The same for the same patients, seed, fraction and purpose.
    """
    held = hold_out(dataset, seed, fraction, purpose)
    return dataset.take(~held), dataset.take(held)


def divide_patients(
    dataset: Dataset, seed: int, fraction: float, purpose: str = "test"
) -> tuple[Dataset, Dataset]:
    """Return the same, with the memory of one dataset: sparse rows for training are moved within
    the dataset's own matrix, which has no meaning afterwards."""
    return divide_rows(dataset, hold_out(dataset, seed, fraction, purpose))


def divide_rows(dataset: Dataset, held: Mask) -> tuple[Dataset, Dataset]:
    """Return the rows that are not held out and those that are, likewise."""
    if not dataset.is_sparse:
        return dataset.take(~held), dataset.take(held)
    aside = dataset.take(held)
    x = dataset.x
    rest = replace(dataset, x=type(x)((dataset.rows, 0))).take(~held)
    return replace(rest, x=keep_rows(x, ~held)), aside


def keep_rows(x: Any, kept: Mask) -> Any:
    """Return these rows of a CSR matrix (n, p), moved to its beginning; `x` is spent."""
    lengths = np.diff(x.indptr)
    indptr = np.concatenate([[0], np.cumsum(lengths[kept])]).astype(x.indptr.dtype)
    at = 0
    for start in range(0, len(kept), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        first, last = x.indptr[start], x.indptr[min(start + ROWS_AT_ONCE, len(kept))]
        stays = np.repeat(kept[rows], lengths[rows])
        count = int(stays.sum())
        for values in (x.data, x.indices):
            values[at : at + count] = values[first:last][stays]
        at += count
    return type(x)((x.data[:at], x.indices[:at], indptr), shape=(len(indptr) - 1, x.shape[1]))


def hold_out(dataset: Dataset, seed: int, fraction: float, purpose: str = "test") -> Mask:
    """Return which rows are held out, (n,)."""
    codes = dataset.patient_codes()
    rank, of_class = _rank(dataset, codes, seed, purpose)
    held = np.zeros(len(rank), dtype=bool)
    for value in np.unique(of_class):
        members = np.flatnonzero(of_class == value)
        count = min(round(fraction * len(members)), len(members) - 1)
        held[members[np.argsort(rank[members], kind="stable")[:count]]] = True
    return held[codes]


def hold_out_each(dataset: Dataset, seed: int, fraction: float) -> Mask:
    """Return which rows are held out, (n,), if each patient is a case of their own: the share of
    those set aside is about `fraction`, and no patient depends on which others there are. A row
    without a name goes by what it holds."""
    names = _names(dataset, by_content=True)
    key = f"swarmhub each {seed}".encode()
    rank = np.array([_hash(key, name) for name in names], dtype=np.float64)
    return rank < fraction * 2.0**64


def fold_patients(dataset: Dataset, seed: int, folds: int) -> npt.NDArray[np.int64]:
    """Return the fold of each row, (n,) from 0 to `folds` - 1, all rows of a patient in the same
    one, each class spread evenly."""
    codes = dataset.patient_codes()
    rank, of_class = _rank(dataset, codes, seed, "folds")
    fold = np.zeros(len(rank), dtype=np.int64)
    at = int(rank.min(initial=2**64 - 1)) % folds  # or small hospitals would fill the first folds
    for value in np.unique(of_class):
        members = np.flatnonzero(of_class == value)
        order = members[np.argsort(rank[members], kind="stable")]
        fold[order] = (at + np.arange(len(order))) % folds
        at += len(order)
    return fold[codes]


def _rank(
    dataset: Dataset, codes: npt.NDArray[np.int64], seed: int, purpose: str
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.float64]]:
    """Return the rank and the class of each patient, by code."""
    people = int(codes.max(initial=-1)) + 1
    first = np.full(people, -1, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # the first row of each patient
    names = _names(dataset)
    key = f"swarmhub {purpose} {seed}".encode()  # at most 64 bytes
    rank = np.array([_hash(key, names[row]) for row in first.tolist()], dtype=np.uint64)
    of_class = np.zeros(people)
    if dataset.y is not None and dataset.has_classes:
        np.maximum.at(of_class, codes, dataset.y)
    return rank, of_class


def _names(dataset: Dataset, by_content: bool = False) -> list[str]:
    """Return a name for the patient of each row: the patient's, the sample's, or the row's place
    (else its content)."""
    words: Words | None = dataset.patient if dataset.patient is not None else dataset.samples
    texts = [None] * dataset.rows if words is None else words.texts()

    def name_row(k: int) -> str:
        return _digest_row(dataset, k) if by_content else f"row {k}"

    return [name_row(k) if t is None else f"id {t}" for k, t in enumerate(texts)]


def _digest_row(dataset: Dataset, k: int) -> str:
    """Return a digest of a row's values, words and outcome."""
    row = dataset.x[k]
    values = row.ravel() if isinstance(row, np.ndarray) else row.toarray().ravel()
    words = [w.words[w.codes[k]] if w.codes[k] >= 0 else "" for w in dataset.categories.values()]
    y = np.zeros(0) if dataset.y is None else dataset.y[k : k + 1]
    found = hashlib.blake2b(np.concatenate([values, y]).astype("<f8").tobytes(), digest_size=16)
    found.update("\0".join(words).encode())
    return found.hexdigest()


def _hash(key: bytes, name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), key=key, digest_size=8).digest(), "big")
