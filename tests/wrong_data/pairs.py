"""Two files of one hospital: training and test rows, or a matrix beside a sample sheet."""

from __future__ import annotations

from collections.abc import Iterable

from .draft import Draft
from .sheets import Sheet


def write_split(draft: Draft, hospital: str, test: Iterable[int]) -> None:
    """Writes a hospital's rows into a training and a test file."""
    sheet, held = draft.study.sheets[hospital], set(test)
    rows = range(len(sheet.rows))
    train = sheet.pick(sheet.names, [k for k in rows if k not in held])
    _write(draft, hospital, train=train, test=sheet.pick(sheet.names, sorted(held)))


def split_by_patient(draft: Draft, hospital: str) -> list[int]:
    """Draws a fifth of the patients, and gives all their rows."""
    ids = draft.study.sheets[hospital].cells("patient_id")
    patients = sorted(set(ids))
    held = set(draft.rng.choice(patients, len(patients) // 5, replace=False))
    return [k for k, patient in enumerate(ids) if patient in held]


def split_others(draft: Draft) -> None:
    """Splits the tables of all hospitals but the faulty one by patient."""
    for hospital in draft.study.sheets:
        if hospital != draft.hospital:
            write_split(draft, hospital, split_by_patient(draft, hospital))


def write_matrix(draft: Draft, hospital: str, ids: list[str] | None = None) -> None:
    """Writes the panel and all else into two files that meet by sample id, in unlike orders."""
    sheet, panel = draft.study.sheets[hospital], draft.study.panel
    samples = sheet.pick([name for name in sheet.names if name not in panel])
    values = sheet.pick(["sample_id", *panel])
    if ids:
        values.fill("sample_id", ids)
    order = [int(k) for k in draft.rng.permutation(len(values.rows))]
    _write(draft, hospital, samples=samples, matrix=values.pick(values.names, order))


def _write(draft: Draft, hospital: str, **sheets: Sheet) -> None:
    files = {f"{hospital}-{role}.csv": sheet.text().encode() for role, sheet in sheets.items()}
    draft.files[hospital] = files
    draft.roles |= {f"{hospital}-{role}.csv": role for role in sheets}
