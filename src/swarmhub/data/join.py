"""Joining a hospital's files by the names of the samples, never by position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.data.columns import densify
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Frame, Words
from swarmhub.errors import BadInput, plain

SHOWN = 3  # names of samples in a sentence


@dataclass(frozen=True, eq=False)
class Joined:
    """Files with the same rows in the same order. `main` has the outcome; a row that a file lacks
    has missing values in its frame."""

    main: Frame
    others: tuple[Frame, ...] = ()

    @property
    def frames(self) -> tuple[Frame, ...]:
        """All files."""
        return (self.main, *self.others)


def join_frames(frames: Sequence[Frame], sample: str, outcome: str, found: Findings) -> Joined:
    """Return the files joined by the samples' names: a format's own, or those in the column
    `sample`. The file with the column `outcome` says which rows there are; rows that no other file
    has are left out, and named. Raises BadInput if files cannot be joined."""
    if len(frames) == 1:
        return Joined(frames[0])
    main = _find_main(frames, outcome)
    others = [f for f in frames if f is not main]
    names = _names(main, sample)
    place = _places(names, main)
    matched = np.zeros(main.rows, dtype=bool)
    aligned = []
    for frame in others:
        own = _names(frame, sample)
        _places(own, frame)
        position = np.full(main.rows, -1, dtype=np.int64)
        surplus = []
        for k, name in enumerate(own.texts()):
            at = place.get(name or "")
            if at is None:
                surplus.append(name or "(no name)")
            else:
                position[at] = k
        matched |= position >= 0
        _say_unmatched(found, frame.source, main.source, surplus)
        aligned.append((frame, position))
    if not matched.any():
        raise BadInput(
            f"No sample of {main.source} is in {', '.join(f.source for f in others)}; the files "
            "are joined by the samples' names, which differ: look for prefixes, spaces and case."
        )
    lost = [n or "(no name)" for n, m in zip(names.texts(), matched, strict=True) if not m]
    _say_unmatched(found, main.source, "the other files", lost)
    kept = np.flatnonzero(matched)
    return Joined(
        _take(main, kept), tuple(_take(frame, position[kept]) for frame, position in aligned)
    )


def _find_main(frames: Sequence[Frame], outcome: str) -> Frame:
    with_outcome = [f for f in frames if outcome in f.sheet or outcome in f.names]
    if len(with_outcome) > 1:
        raise BadInput(
            f"The column '{plain(outcome, 60)}' is in {with_outcome[0].source} and "
            f"{with_outcome[1].source}; remove it from one of them."
        )
    return with_outcome[0] if with_outcome else frames[0]


def _names(frame: Frame, sample: str) -> Words:
    """Return the samples' names of a file."""
    if sample and sample in frame.sheet:
        return frame.sheet[sample]
    if frame.samples is not None:
        return frame.samples
    wanted = f"a column '{plain(sample, 60)}'" if sample else "the names of the samples"
    raise BadInput(
        f"{frame.source} has to have {wanted} to be joined with the other files; declare the "
        "column in data.sample, or name it so."
    )


def _places(names: Words, frame: Frame) -> dict[str, int]:
    """Return the row of each sample. Raises BadInput for a name that is there twice."""
    place: dict[str, int] = {}
    for k, name in enumerate(names.texts()):
        if name is None:
            continue
        if name in place:
            raise BadInput(
                f"{frame.place(k)}: this sample is there twice (first in {frame.place(place[name])}"
                "); files can be joined only if each sample is there once."
            )
        place[name] = k
    return place


def _say_unmatched(found: Findings, here: str, there: str, names: list[str]) -> None:
    if names:
        shown = ", ".join(plain(n, 40) for n in names[:SHOWN])
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        found.warn(
            "unmatched samples",
            f"{here}: {len(names)} samples are not in {there} and are left out ({shown}{more}).",
        )


def _take(frame: Frame, rows: npt.NDArray[np.int64]) -> Frame:
    """Return the frame with these rows; -1 is a row of missing values."""
    absent = rows < 0

    def words(column: Words) -> Words:
        found = Words(np.where(absent, np.int32(-1), column.codes[rows]), column.words)
        used = found.counts()
        return found.mapped(lambda word: word if word in used else None)

    x: Any = frame.x[rows]
    if absent.any():
        if not isinstance(x, np.ndarray):
            x = densify(x)
        x[absent] = np.nan
    return replace(
        frame,
        x=x,
        sheet={name: words(column) for name, column in frame.sheet.items()},
        samples=None if frame.samples is None else words(frame.samples),
        lines=np.asarray(frame.lines)[rows] if len(frame.lines) else (),
    )
