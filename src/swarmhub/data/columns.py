"""The columns of one block: which are numbers, which categories, which identify patients, and what
becomes of the numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from swarmhub.contract.records import Inputs
from swarmhub.data import logarithms
from swarmhub.data.cells import FLAG, LARGEST, Cells, need_finite
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Floats, Frame, Words
from swarmhub.data.identifiers import is_counter, why_column, why_identifier
from swarmhub.data.known import kinds_of
from swarmhub.data.schema import Schema, is_named
from swarmhub.errors import BadInput, plain

SHARES = {"limit": 1.0, "half": 0.5}  # of the limit that a value below it becomes
LISTED = 6  # columns in a sentence
AT_ONCE = 1_000_000  # values that are transformed in one piece
ROWS_AT_ONCE = 10_000  # of a sparse matrix that are scaled in one piece
MAX_DENSE = 500_000_000  # values of sparse blocks that are joined with dense columns


@dataclass(eq=False)
class Taken:
    """The columns that a block has taken."""

    x: Any
    names: list[str]
    categories: dict[str, Words] = field(default_factory=dict)
    identifiers: list[Cells] = field(default_factory=list)
    namespace: str = ""
    unit: str = ""

    def dense(self) -> Floats:
        """Return x as a dense matrix."""
        return densify(self.x)


def densify(x: Any) -> Floats:
    """Return a matrix as float64 in memory. Raises BadInput for a sparse one that is too large."""
    if isinstance(x, np.ndarray):
        return x
    if x.shape[0] * x.shape[1] > MAX_DENSE:
        raise BadInput(
            f"A sparse matrix of {x.shape[0]} x {x.shape[1]} cannot be joined with dense columns "
            f"(more than {MAX_DENSE} values); choose fewer columns in data.inputs."
        )
    found: Floats = x.toarray().astype(np.float64)
    return found


def join_columns(parts: Sequence[Any]) -> Any:
    """Return matrices side by side, (n, p) each; sparse if one of them is: NaN is stored."""
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts, axis=1)
    from scipy.sparse import csr_matrix, hstack

    return hstack([csr_matrix(part) for part in parts], format="csr")


def take_block(
    frames: Sequence[Frame], schema: Schema, inputs: Inputs, claimed: set[str], found: Findings
) -> Taken:
    """Return the columns that a block takes from the files, and add them to `claimed`."""
    taken = Taken(np.zeros((frames[0].rows, 0)), [])
    matrices: list[Any] = []
    kinds = kinds_of(schema, inputs)
    for frame in frames:
        free = _free(frame, schema, inputs, claimed)
        chosen = [n for n in free if n not in frame.sheet]
        numbers = _keep_numbers(frame, chosen, {*inputs.columns, *kinds}, found)
        words = [n for n in free if n in frame.sheet]
        claimed.update(chosen, words)
        if numbers:
            matrices.append(_take_scaled(frame, numbers, schema, inputs))
            taken.names += numbers
            taken.namespace, taken.unit = frame.namespace, frame.unit
        more = _take_words(frame, words, inputs, taken, kinds, found)
        if more:
            matrices.append(np.column_stack(list(more.values())))
            taken.names += list(more)
    if matrices:
        taken.x = join_columns(matrices)
    is_own = len(matrices) > 1 or bool(inputs.total and not schema.is_pooled(inputs))
    taken.x = transform(taken.x, inputs, taken.names, _placer(frames), found, is_own)
    return taken


def _free(frame: Frame, schema: Schema, inputs: Inputs, claimed: set[str]) -> list[str]:
    names = [*frame.names, *frame.sheet]
    return [
        n
        for n in names
        if n not in claimed
        and schema.claims(inputs, n)
        and (n not in frame.aside or is_named(n, inputs.columns))
    ]


def _placer(frames: Sequence[Frame]) -> Callable[[int, str], str]:
    """Return a function that gives the place of a value: row, column -> file, line, column."""

    def place(row: int, column: str) -> str:
        frame = next((f for f in frames if column in f.names or column in f.sheet), frames[0])
        return frame.place(row, column)

    return place


def _columns_of(frame: Frame, names: list[str]) -> Any:
    if names == list(frame.names):
        return frame.x
    place = {name: k for k, name in enumerate(frame.names)}
    return frame.x[:, [place[n] for n in names]]


def _take_scaled(frame: Frame, names: list[str], schema: Schema, inputs: Inputs) -> Any:
    """Return the columns of these names, with the rows scaled to the declared total. Raises
    BadInput if they are no counts."""
    x = _columns_of(frame, names)
    if not inputs.total or schema.is_pooled(inputs):
        return x
    values = frame.x if isinstance(frame.x, np.ndarray) else frame.x.data
    if values.size and np.nanmin(values) < 0:
        raise BadInput(
            f"{frame.source}: expected counts of 0 or more to be scaled to a total of "
            f"{inputs.total}, got negative numbers; name the layer with the raw counts by --sheet."
        )
    is_dense = isinstance(frame.x, np.ndarray)
    totals = np.nansum(frame.x, axis=1) if is_dense else frame.x @ np.ones(frame.x.shape[1])
    return scale_rows(x, totals, inputs.total)


def scale_rows(x: Any, totals: Floats, total: int) -> Any:
    """Return rows x (n, p), each times `total` over its own (n,); rows without a count stay 0."""
    factor = np.divide(float(total), totals, out=np.zeros(len(totals)), where=totals > 0)
    if isinstance(x, np.ndarray):
        return x * factor[:, None]
    data, lengths = np.empty(len(x.data)), np.diff(x.indptr)
    for start in range(0, x.shape[0], ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        first, last = x.indptr[start], x.indptr[min(start + ROWS_AT_ONCE, x.shape[0])]
        data[first:last] = x.data[first:last] * np.repeat(factor[rows], lengths[rows])
    return type(x)((data, x.indices, x.indptr), shape=x.shape)


def add_rows(x: Any, at: Any, group: Any, groups: int) -> Any:
    """Return sums of the rows `at` (m,) of x (n, p) by their `group` (m,), (groups, p); sparse if x
    is."""
    if isinstance(x, np.ndarray):
        found = np.zeros((groups, x.shape[1]))
        step = max(1, AT_ONCE // max(1, x.shape[1]))
        for start in range(0, len(at), step):
            part = slice(start, start + step)
            np.add.at(found, group[part], x[at[part]])
        return found
    from scipy.sparse import csr_matrix

    chosen = csr_matrix((np.ones(len(at)), (group, at)), shape=(groups, x.shape[0]))
    return (chosen @ x).tocsr()


def _keep_numbers(
    frame: Frame, names: list[str], declared: Collection[str], found: Findings
) -> list[str]:
    """Return the numeric columns that are no identifiers, and say which are."""
    if not isinstance(frame.x, np.ndarray):
        return names
    place = {name: k for k, name in enumerate(frame.names)}
    kept = []
    for name in names:
        values = frame.x[:, place[name]]
        why = "" if name in declared else why_column(name, values)
        if why:
            found.say("identifier", f"{frame.place(None, name)} is left out: {why}.", name)
            continue
        if is_counter(values):
            said = f"{frame.place(None, name)} counts the rows; remove it if it is no measurement."
            found.warn("counts rows", said, name)
        kept.append(name)
    return kept


def _take_words(
    frame: Frame,
    names: list[str],
    inputs: Inputs,
    taken: Taken,
    kinds: Mapping[str, bool],
    found: Findings,
) -> dict[str, Floats]:
    """Take columns of words: categories go to `taken`; those that are numbers after all are
    returned. `kinds` says of columns that the terms describe whether they are words."""
    more: dict[str, Floats] = {}
    for name in names:
        cells = Cells(frame.source, name, frame.lines, frame.sheet[name])
        why = "" if name in inputs.columns or name in kinds else why_identifier(cells)
        if why:
            taken.identifiers.append(cells)
            found.say("identifier", f"{cells.place()} is left out: {why}.", name)
            continue
        try:
            _take_column(cells, inputs, taken, more, kinds.get(name), found)
        except BadInput as error:
            found.error("cells", str(error), name)
    return more


def _take_column(
    cells: Cells,
    inputs: Inputs,
    taken: Taken,
    more: dict[str, Floats],
    as_text: bool | None,
    found: Findings,
) -> None:
    name = cells.name
    share = SHARES.get(inputs.below_limit) if not as_text else None
    is_number = as_text is False or inputs.transform != "none" or name in inputs.limits
    is_number = is_number or cells.is_spoilt
    if share is not None and is_number and not cells.is_numeric:
        limit = float(inputs.limits[name]) if name in inputs.limits else None
        more[name], flags = cells.below_limit(share, limit)
        below = int(np.nansum(flags))
        found.say(
            "below the limit",
            f"{cells.place()}: {below} of {len(flags)} values are below the limit of detection; "
            f"they count as {share:g} times the limit, and '{name}{FLAG}' says which.",
            name,
        )
        if below:
            more[name + FLAG] = flags
        return
    if as_text is None and inputs.transform != "none":
        as_text = False
    column, note = cells.column(as_text)
    if note:
        found.warn("numbers and text", note, name)
    if isinstance(column, Words):
        taken.categories[name] = column
    else:
        more[name] = column


TRANSFORMS: dict[str, Callable[[Floats], Floats]] = {
    "log": logarithms.log, "log2": logarithms.log2, "log10": logarithms.log10,
    "log1p": logarithms.log1p, "log2p1": lambda x: logarithms.log1p(x) * logarithms.PER_LN2,
}  # fmt: skip


def transform(
    x: Any,
    inputs: Inputs,
    names: list[str],
    place: Callable[[int, str], str],
    found: Findings,
    is_own: bool = False,
) -> Any:
    """Return the block's numbers as the declaration transforms them: (n, p) -> (n, p); in place if
    x is the block's own (`is_own`). An error in `found` names a value that has no logarithm, or is
    not finite."""
    is_dense = isinstance(x, np.ndarray)
    values = x if is_dense else x.data
    if values.size and not _is_sane(values):
        _refuse_infinite(x, names, place, found)
        values = np.where(np.abs(values) <= LARGEST, values, np.nan)
        x = values if is_dense else type(x)((values, x.indices, x.indptr), shape=x.shape)
    if inputs.transform == "none" and not inputs.floor:
        return x
    if not is_dense and inputs.floor:
        raise BadInput(
            f"A floor cannot be applied to the sparse block '{inputs.name}'; use log1p or log2p1."
        )
    flags = np.array([name.endswith(FLAG) for name in names], dtype=bool)
    kept = values[:, flags] if is_dense else None
    made = values.astype(np.float64, copy=not is_own)
    if inputs.floor:
        made = np.maximum(made, float(inputs.floor))
    if inputs.transform != "none":
        least = -1.0 if inputs.transform.endswith("1p") or inputs.transform.endswith("p1") else 0.0
        low = made <= least
        if is_dense:
            low[:, flags] = False
        if low.any():
            _refuse_low(low, x, names, (place, found), inputs)
            made[low] = np.nan
        with np.errstate(divide="ignore", invalid="ignore"):
            flat = made.ravel(order="K")  # a view: `made` is one piece of memory
            for start in range(0, flat.size, AT_ONCE):
                part = flat[start : start + AT_ONCE]
                part[:] = TRANSFORMS[inputs.transform](part)
    if is_dense:
        if flags.any():
            made[:, flags] = kept
        return made
    return type(x)((made, x.indices, x.indptr), shape=x.shape)


def _is_sane(values: Any) -> bool:
    low, high = np.nanmin(values, initial=0.0), np.nanmax(values, initial=0.0)
    return bool(low >= -LARGEST and high <= LARGEST)


def _refuse_infinite(
    x: Any, names: list[str], place: Callable[[int, str], str], found: Findings
) -> None:
    if isinstance(x, np.ndarray):
        columns = np.flatnonzero(np.nanmax(np.abs(x), axis=0, initial=0.0) > LARGEST)
    else:
        columns = np.unique(x.indices[np.abs(x.data) > LARGEST])
    for k in columns.tolist():
        name = names[k]
        try:
            need_finite(densify(x[:, [k]]).ravel(), lambda row, name=name: place(row, name))  # type: ignore[misc]
        except BadInput as error:
            found.error("cells", str(error), name)


def _refuse_low(
    low: Any,
    x: Any,
    names: list[str],
    to: tuple[Callable[[int, str], str], Findings],
    inputs: Inputs,
) -> None:
    place, found = to
    if isinstance(x, np.ndarray):
        row, column = map(int, np.argwhere(low)[0])
    else:
        at = int(np.argmax(low))
        row, column = int(np.searchsorted(x.indptr, at, side="right")) - 1, int(x.indices[at])
    where = place(row, names[column])
    count = int(low.sum())
    more = f" (and {count - 1} more)" if count > 1 else ""
    found.error(
        "transform",
        f"{where}: expected positive numbers for the declared {inputs.transform}, got 0 or less"
        f"{more}; declare a floor or log1p in the study, or leave the cell empty if it was not "
        "measured.",
        plain(names[0], 60),
    )
