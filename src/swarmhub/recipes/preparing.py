"""A hospital's data for one study: read as declared, looked at, and split into training and test
patients."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.contract.records import Spec
from swarmhub.data.assemble import assemble
from swarmhub.data.check.names import find_respelled
from swarmhub.data.check.own import check_own, check_parts
from swarmhub.data.dataset import Dataset
from swarmhub.data.findings import Findings
from swarmhub.data.reading import Files, read_frames
from swarmhub.data.schema import Schema, declare_label
from swarmhub.data.split import divide_patients, divide_rows, hold_out_each
from swarmhub.data.summaries import statistics_of
from swarmhub.errors import BadInput, plain
from swarmhub.recipes.confounded import refuse_one_outcome


@dataclass(frozen=True)
class Sources:
    """A hospital's files: `data`, and `test` with patients of their own to be tested on (None: a
    part of `data` is set aside). `label`, `patient` and `hold_out` are for a study that declares
    none of these. `accepts_loss`: the hospital takes part also if noise will spoil the model."""

    data: Files
    test: Files | None = None
    label: str = ""
    patient: str = ""
    hold_out: float | None = None
    accepts_loss: bool = False

    @property
    def decimal(self) -> str:
        """The decimal mark that is stated for any of the files, "" if none is."""
        return self.data.decimal or (self.test.decimal if self.test else "")


@dataclass(frozen=True, eq=False)
class Prepared:
    """Training and test patients of a hospital, and the document that would leave it."""

    schema: Schema
    training: Dataset
    held: Dataset | None
    statistics: bytes


def find_schema(spec: Spec, sources: Sources) -> Schema:
    """Return the study's declaration, or the one that the hospital's options mean. Raises BadInput
    if the two contradict each other."""
    declared = spec.data
    if declared is None:
        if not sources.label:
            raise BadInput(
                f"The study '{spec.name}' declares no data; name the label's column with --label."
            )
        return Schema.of(declare_label(sources.label, sources.patient))
    for option, given, theirs in (
        ("--label", sources.label, declared.outcome.column),
        ("--id", sources.patient, declared.patient),
    ):
        if given and given != theirs:
            raise BadInput(
                f"The study '{spec.name}' declares '{theirs or 'none'}' for {option}, got "
                f"'{given[:60]}'; leave the option away."
            )
    if sources.hold_out is not None:
        raise BadInput(
            f"The study '{spec.name}' declares how many patients are set aside "
            f"({declared.test_fraction}); leave --hold-out away."
        )
    return Schema.of(declared)


def prepare(spec: Spec, sources: Sources, found: Findings) -> Prepared:
    """Read a hospital's files as the study declares, look at them, and set the test patients
    aside. What a person should know goes to `found`. Raises BadInput for what cannot be used."""
    schema = find_schema(spec, sources)
    frames = read_frames(sources.data, schema)
    dataset = assemble(frames, schema, found)
    check_own(frames, dataset, schema, found)
    del frames  # memory
    training, held = _split(spec, sources, schema, dataset, found)
    refuse_one_outcome(spec, training, schema, found)
    return Prepared(schema, training, held, statistics_of(training, schema.declaration.min_count))


def _split(
    spec: Spec, sources: Sources, schema: Schema, dataset: Dataset, found: Findings
) -> tuple[Dataset, Dataset | None]:
    if sources.test is not None:
        held = assemble(read_frames(sources.test, schema), schema, found)
        check_parts(dataset, held, sources.test.names, found)
        lacking = [n for n in dataset.columns if n not in set(held.columns)]
        for theirs, ours in find_respelled(held.columns, dataset.columns):
            found.error(
                "name of a column",
                f"{sources.test.names} has '{plain(theirs, 60)}' for '{plain(ours, 60)}' in "
                f"{sources.data.names}; name columns alike in both files.",
                theirs,
            )
        if lacking:
            found.warn(
                "missing columns",
                f"{sources.test.names} lacks {len(lacking)} columns of {sources.data.names}, the "
                f"first is '{lacking[0][:60]}'; they count as missing there.",
                lacking[0],
            )
        return dataset, held
    fraction = schema.test_fraction if sources.hold_out is None else sources.hold_out
    if fraction == 0.0:
        return dataset, None
    patients, rows = dataset.count_patients(), dataset.rows
    if spec.privacy.dp is None:
        training, held = divide_patients(dataset, spec.seed, fraction)
    else:
        training, held = divide_rows(dataset, hold_out_each(dataset, spec.seed, fraction))
    if not held.rows:
        return training, None
    found.say(
        "test patients",
        f"{held.count_patients()} of {patients} patients ({held.rows} of {rows} rows) are set "
        "aside for evaluation, the same after every start, and not trained on.",
    )
    return training, held
