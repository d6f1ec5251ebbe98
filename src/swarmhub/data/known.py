"""What the terms know of a study's columns without looking at a patient: usual means and standard
deviations (`data.scales`), and the words of columns of words (`data.levels`).

A study with differential privacy merges no statistics, since these are of patients. Its features
follow from the terms alone, as if merged statistics had said the same: numbers with the declared
mean and variance, words with equal frequencies. The features are exactly the columns that are
named: a pattern stands for columns that `data.inputs` lists, so no hospital's file decides what a
feature is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.contract.records import Inputs
from swarmhub.data.schema import Schema, is_named, read_decimal
from swarmhub.errors import BadInput, plain

ROWS = 720_720  # of the document; 1 to 16 classes or words have exactly the same number of them
MAX_LEVELS = 1000  # of a column, as in `merge.documents`
LEAST_SPREAD = 1e-8  # of the mean: a smaller standard deviation is rounding (`design`)
ZERO = (0.0).hex()
REMEDY = (
    "write its usual mean and sd under [[data.scales]], or its words under [[data.levels]], or "
    "leave it out by data.exclude"
)


@dataclass(frozen=True)
class Known:
    """The columns that the terms describe, by their names in the study; `outcome` is the scale of
    a measured outcome."""

    scales: Mapping[str, tuple[float, float]]  # mean, standard deviation
    levels: Mapping[str, tuple[str, ...]]
    outcome: tuple[float, float] | None = None

    @property
    def kinds(self) -> dict[str, bool]:
        """Column -> whether it is text."""
        return {name: name in self.levels for name in (*self.scales, *self.levels)}


def kinds_of(schema: Schema, inputs: Inputs) -> dict[str, bool]:
    """Return the columns of a block that the terms describe, and whether each is of words."""
    found = {}
    for name, is_text in read_known(schema).kinds.items():
        block, column = schema.split(name)
        if block is not None and block.name == inputs.name:
            found[column] = is_text
    return found


def list_columns(schema: Schema) -> list[str]:
    """Return the names in the study of the columns that the terms list, without those they leave
    out."""
    return [
        schema.feature(block, name)
        for block in schema.inputs
        for name in block.columns
        if "*" not in name and not schema.leaves_out(name)
    ]


def read_known(schema: Schema) -> Known:
    """Return what the terms know of columns. Raises BadInput, with the key, for what cannot be."""
    listed = list_columns(schema)
    own = schema.outcome.column if schema.outcome.kind == "continuous" else ""
    scales: dict[str, tuple[float, float]] = {}
    for scale in schema.declaration.scales:
        mean = read_decimal("data.scales.mean", scale.mean, -1e15, 1e15)
        sd = read_decimal("data.scales.sd", scale.sd, 1e-9, 1e15)
        if sd <= LEAST_SPREAD * abs(mean):
            raise BadInput(
                f"Expected data.scales.sd to be more than {LEAST_SPREAD:g} of the mean, got "
                f"'{plain(scale.sd, 30)}' for {plain(scale.mean, 30)}; the column would not vary."
            )
        if not scale.columns:
            raise BadInput("Expected data.scales.columns, names or patterns; it is empty.")
        for name in (n for given in scale.columns for n in expand(given, listed)):
            if name != own:
                need_input(schema, name, "data.scales.columns")
            if name in scales:
                raise BadInput(f"Expected one scale for '{plain(name, 60)}' in data.scales, got "
                               "two; remove one of them.")  # fmt: skip
            scales[name] = (mean, sd)
    levels = dict(read_levels(schema))
    both = sorted(scales.keys() & levels.keys())
    if both:
        raise BadInput(
            f"'{plain(both[0], 60)}' cannot be in data.scales and in data.levels; numbers have a "
            "scale, words have levels."
        )
    return Known(scales, levels, scales.pop(own, None))


def expand(given: str, listed: list[str]) -> list[str]:
    """Return the columns that a name or a pattern means. Raises BadInput for a pattern that fits no
    column that the terms list."""
    if "*" not in given:
        return [given]
    found = [name for name in listed if is_named(name, (given,))]
    if not found:
        raise BadInput(
            f"Expected a pattern in data.scales.columns that fits columns listed by data.inputs, "
            f"got '{plain(given, 60)}'; list them in columns of a block by their names: no "
            "hospital's file decides what the features are."
        )
    return found


def read_levels(schema: Schema) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each column of words with its words. Raises BadInput for what cannot be."""
    seen: set[str] = set()
    for level in schema.declaration.levels:
        need_input(schema, level.column, "data.levels.column")
        shown = plain(level.column, 60)
        if level.column in seen:
            raise BadInput(f"Expected '{shown}' once in data.levels, got it twice.")
        seen.add(level.column)
        words = level.words
        if not 2 <= len(words) <= MAX_LEVELS or len({*words}) < len(words) or "" in words:
            raise BadInput(
                f"Expected 2 to {MAX_LEVELS} different words in data.levels of '{shown}', and none "
                f"empty; got {len(words)}."
            )
        yield level.column, words


def need_input(schema: Schema, name: str, key: str) -> None:
    """Raise BadInput if a name is none of an input of the study."""
    block, column = schema.split(name)
    if block is not None and column and "*" not in column and schema.claims(block, column):
        return
    prefix = " with its block's name before it, 'block/column'" if len(schema.inputs) > 1 else ""
    raise BadInput(
        f"Expected in {key} a column that data.inputs takes{prefix}, got '{plain(name, 60)}'."
    )


def need_known(schema: Schema) -> Known:
    """Return what the terms of a study without statistics know of columns. Raises BadInput, with
    the column, if a listed one has neither scale nor levels, or if there is none at all."""
    known = read_known(schema)
    declared = schema.declaration
    unknown = [name for name in list_columns(schema) if name not in known.kinds]
    if unknown:
        more = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
        raise BadInput(
            "A study with privacy.dp merges no statistics: expected a scale or levels for the "
            f"column '{plain(unknown[0], 60)}'{more}; {REMEDY}."
        )
    if not known.kinds:
        raise BadInput(
            "A study with privacy.dp merges no statistics: expected its columns in [[data.scales]] "
            "(columns, mean, sd) and [[data.levels]] (column, words), got none."
        )
    if declared.outcome.kind == "continuous" and known.outcome is None:
        raise BadInput(
            "A study with privacy.dp merges no statistics: expected a scale for the outcome "
            f"'{plain(declared.outcome.column, 60)}'; write its usual mean and sd under "
            "[[data.scales]]."
        )
    if declared.missing != "mean":
        raise BadInput(
            'Expected data.missing = "mean" in a study with privacy.dp: whether patients lack a '
            f"value is about patients; got '{plain(declared.missing, 30)}'."
        )
    return known


# the document


def make_statistics(schema: Schema) -> bytes:
    """Return the statistics document that the terms alone give, canonical JSON as of `summaries`.
    Raises BadInput as `need_known` does."""
    known = need_known(schema)
    outcome = schema.outcome
    columns: dict[str, Json] = {name: _number(*scale) for name, scale in known.scales.items()}
    for name, words in known.levels.items():
        columns[name] = {
            "kind": "text", "count": ROWS, "missing": 0, "categories": _share_out(words),
        }  # fmt: skip
    labels = [str(k) for k in range(len(outcome.classes) or 2)]
    tree: dict[str, Json] = {"columns": columns, "labels": {}, "rows": ROWS}
    if known.outcome is not None:
        tree["outcome"] = _number(*known.outcome)
    else:
        tree["labels"] = _share_out(tuple(labels))
    return codec.encode(tree)


def _number(mean: float, sd: float) -> Json:
    return {
        "kind": "numeric", "count": ROWS, "missing": 0, "withheld": 0, "mean": mean.hex(),
        "m2": (sd * sd * ROWS).hex(), "bins": {}, "pairs": 0, "x": ZERO, "y": ZERO, "xy": ZERO,
    }  # fmt: skip


def _share_out(words: tuple[str, ...]) -> dict[str, Json]:
    """Return the same number of rows for each word; the first ones have one more if need be."""
    each, more = divmod(ROWS, len(words))
    return {word: each + (k < more) for k, word in enumerate(words)}
