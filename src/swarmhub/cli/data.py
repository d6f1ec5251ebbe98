"""`swarmhub data ...`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swarmhub import codec
from swarmhub.cli.files import (
    DecimalOption,
    FormatOption,
    ReadOption,
    SeparatorOption,
    SheetOption,
    read_options,
)
from swarmhub.cli.shared import CONTEXT, DEFAULT_HOME, HomeOption, JsonOption, lines, run
from swarmhub.errors import BadInput, plain
from swarmhub.words import say_bytes

if TYPE_CHECKING:
    from swarmhub.operations.data_check import DataChecked

SHOWN_BYTES = 4_000  # of the document, on the screen

app = typer.Typer(
    help="Look at this hospital's data.", no_args_is_help=True, context_settings=CONTEXT
)

FilesArgument = Annotated[
    list[Path], typer.Argument(help="This hospital's files: a table, or a matrix and a sheet.")
]


@app.callback()
def data() -> None:
    """Look at this hospital's data."""


@app.command("check")
def check(
    files: FilesArgument,
    study: Annotated[
        str, typer.Option(help="The study's name on the ledger, or a TOML file of its terms.")
    ],
    test: Annotated[
        list[Path] | None, typer.Option(help="Files with patients to be tested on.")
    ] = None,
    label: Annotated[str, typer.Option(help="Outcome, if the study declares no data.")] = "",
    id_: Annotated[str, typer.Option("--id", help="Patient, if the study declares none.")] = "",
    separator: SeparatorOption = "",
    decimal: DecimalOption = "",
    sheet: SheetOption = "",
    format_: FormatOption = "",
    read: ReadOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Keep exactly what would leave the hospital in this file.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(help="Write all of it as a page, for others (.html).")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Check files against a study's declaration, and show what would leave the hospital."""
    from swarmhub.data.reading import Files
    from swarmhub.operations.data_check import check_data, find_spec
    from swarmhub.operations.data_page import write_check
    from swarmhub.recipes.preparing import Sources

    def of(paths: list[Path]) -> Files:
        return Files(tuple(paths), separator, decimal, sheet, format_, read_options(read))

    spec = run(find_spec(study, home))
    found = check_data(spec, Sources(of(files), of(test) if test else None, label, id_))
    if out is not None and found.document:
        out.write_bytes(found.document.encode())
    if page is not None:
        write_check(found, page)
    if json_:
        print(json.dumps(codec.to_json(found), indent=2, ensure_ascii=False))
    else:
        show_checked(found, out)
    if not found.is_usable:
        errors = sum(f.level == "error" for f in found.findings)
        raise BadInput(
            f"{errors} error{'s' * (errors != 1)} in {', '.join(found.files)}: mend them, or ask "
            "for another declaration; nothing has left this hospital."
        )


def show_checked(found: DataChecked, out: Path | None) -> None:
    """Print what was found, and what would leave."""
    rows = [("files", ", ".join(found.files))]
    if found.document or found.is_private:
        classes = ", ".join(f"{n} {k}" for k, n in (found.classes or {}).items())
        rows += [
            ("rows", f"{found.rows} of {found.patients} patients ({classes})"),
            ("parts", f"{found.training_rows} rows for training, {found.test_rows} for evaluation"),
            ("inputs", f"{found.columns} columns"),
        ]
    lines(f"Data for '{found.study}'", rows)
    for level, title in (("error", "Errors"), ("warning", "Warnings"), ("info", "Notes")):
        chosen = [f for f in found.findings if f.level == level]
        if chosen:
            print(f"\n{title}")
            for finding in chosen:
                print(f"  - {plain(finding.sentence, 1000)}")
    if not found.is_usable:
        return
    if found.is_private:
        print(
            "\nNothing leaves the hospital before training: the study has differential privacy, "
            "and its features follow from the terms alone."
        )
        return
    print(
        f"\nLeaves the hospital before training, once: {say_bytes(len(found.document.encode()))}, "
        f"sha256 {found.sha256}"
    )
    if out is not None:
        print(f"All of it, byte for byte, is in {out}.")
    elif len(found.document) <= SHOWN_BYTES:
        print(found.document)
    else:
        print(f"{plain(found.document[:SHOWN_BYTES], SHOWN_BYTES)}…")
        print("That is its beginning; --out FILE keeps all of it, byte for byte.")
