"""`swarmhub evaluate`"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swarmhub.cli.files import (
    DecimalOption,
    FormatOption,
    ReadOption,
    SeparatorOption,
    SheetOption,
    read_options,
)
from swarmhub.cli.predict import NOTE, MissingOption, ModelArgument
from swarmhub.cli.shared import JsonOption, table
from swarmhub.errors import plain

if TYPE_CHECKING:
    from swarmhub.models.evaluate import Validated
    from swarmhub.models.response import Response

WORD = 40  # characters of a class
WIDEST = 10  # classes of a confusion matrix that is printed; the JSON has all
SHARED = {
    "binary": "scores of each class in groups of patients, and the four counts at the threshold "
    "as they are",
    "classes": "rows by true and predicted class without those of small classes, and scores of "
    "each class in groups of patients",
    "continuous": "the number of rows, and sums over all of them",
    "time_to_event": "rows by risk group and time with and without the event, also if they are one "
    "or two, and sums over pairs and errors; of fewer than 20 patients the totals only",
}


def evaluate(
    model: ModelArgument,
    data: Annotated[
        list[Path],
        typer.Option(help="File with patients and outcomes; repeat for files that are joined."),
    ],
    counts: Annotated[
        Path | None,
        typer.Option(help="JSON file to write with the counts that may be shared."),
    ] = None,
    earlier: Annotated[
        list[Path] | None,
        typer.Option(
            help="File with earlier patients of the same hospital, not trained on: what has moved "
            "since? Repeat for files that are joined."
        ),
    ] = None,
    separator: SeparatorOption = "",
    decimal: DecimalOption = "",
    sheet: SheetOption = "",
    format_: FormatOption = "",
    read: ReadOption = None,
    allow_missing: MissingOption = False,
    json_: JsonOption = False,
) -> None:
    """Compare an exported model's scores with the known outcome of patients that it was not trained
    on; needs no node. Nothing is written but what --counts asks for."""
    from swarmhub.data.reading import Files
    from swarmhub.models.evaluate import evaluate_files, write_counts
    from swarmhub.models.predict import load_model

    def read_as(paths: Sequence[Path]) -> Files:
        return Files(tuple(paths), separator, decimal, sheet, format_, read_options(read))

    before = read_as(earlier) if earlier else None
    found = evaluate_files(load_model(model), read_as(data), allow_missing, before)
    if counts is not None:
        write_counts(found, counts, data)
    if json_:
        print(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
        return
    show(found)
    if counts is not None:
        print(
            f"Wrote counts that may be shared to {counts}: {SHARED[found.response.kind]}; look at "
            "them first."
        )


def show(found: Validated) -> None:
    """Print figures, their conditions and notes."""
    from swarmhub.operations.validation import say_rows

    evaluation, response = found.evaluation, found.response
    is_value, is_time = response.kind == "continuous", response.kind == "time_to_event"
    say = say_value if is_value else say_share
    rows = [
        [name, say(f.value), say(f.low) if f.low is None else f"{say(f.low)} to {say(f.high)}",
         str(f.support)]
        for name, f in evaluation.figures.items()
    ]  # fmt: skip
    support = "rows or pairs" if is_time else "rows"
    table("Figures on these patients", ["figure", "value", "95% interval", support], rows)
    if response.kind == "classes":
        show_classes(evaluation, response.classes)
    if is_time:
        show_groups(evaluation, response)
    print(plain(say_rows(evaluation, response), NOTE))
    if evaluation.is_descriptive:
        print("These are few patients: the figures describe them, and prove nothing.")
    for one in found.drift:
        print(plain(f"Drift: {one.sentence}", NOTE))
    for note in found.notes:
        print(plain(note, NOTE))
    print(plain(found.protocol, NOTE))
    print(f"Model {found.model_digest[:16]}…, architecture {found.architecture[:16]}…")


def show_classes(evaluation: Any, words: Sequence[str]) -> None:
    """Print the figures of each class, and which classes were taken for which."""
    names = list(evaluation.classes[0].figures)
    rows = [
        [plain(word, WORD), *(say_share(one.figures[n].value) for n in names), str(one.support)]
        for word, one in zip(words, evaluation.classes, strict=True)
    ]
    table("Each class against the others", ["class", *names, "rows"], rows)
    if len(words) > WIDEST:
        return
    counts = zip(words, evaluation.confusion.tolist(), strict=True)
    cells = [[plain(word, WORD), *map(str, row)] for word, row in counts]
    table("Confusion", ["true class", *(f"as {plain(word, WORD)}" for word in words)], cells)


def show_groups(evaluation: Any, response: Response) -> None:
    """Print predicted and found risk of each group of patients with similar risks."""
    rows = [
        [say_share(g.predicted), say_share(g.found.value),
         "–" if g.found.low is None else f"{g.found.low:.3f} to {g.found.high:.3f}",
         str(g.curve.rows)]
        for g in evaluation.groups
    ]  # fmt: skip
    title = f"Risk by {plain(response.horizon, WORD)}, from low to high"
    table(title, ["predicted", "found", "95% interval", "rows"], rows)


def say_share(value: float | None) -> str:
    """Return a figure to three places; a dash if there is none."""
    return "–" if value is None else f"{value:.3f}"


def say_value(value: float | None) -> str:
    """Return a figure in a unit to four digits; a dash if there is none."""
    return "–" if value is None else f"{value:.4g}"
