"""`swarmhub model ...`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from swarmhub.cli.shared import CONTEXT, DEFAULT_HOME, HomeOption, JsonOption, run, show
from swarmhub.errors import plain

app = typer.Typer(
    help="Models that score patients without a node.",
    no_args_is_help=True,
    context_settings=CONTEXT,
)


@app.callback()
def model() -> None:
    """Models that need no node."""


@app.command("export")
def export(
    study: Annotated[str, typer.Argument(help="The study's name.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    best: Annotated[bool, typer.Option("--best", help="The best model, not the newest.")] = False,
    onnx: Annotated[
        Path | None, typer.Option(help="An ONNX file to write, too, for other programs.")
    ] = None,
    label: Annotated[
        str, typer.Option(help="Outcome's column, if the study declares no data.")
    ] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Also a folder with another study's model.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Write the settled model that this node holds as a folder, with its features, its origin and a
    model card: 'swarmhub predict' scores patients with it on any machine."""
    from swarmhub.home.home import Home
    from swarmhub.operations.models import Target, export_model

    target = Target(out, best, label, onnx, overwrite)
    made = run(export_model(Home.open(home), study, target))
    show(
        made,
        json_,
        f"Wrote the model after training round {made.round} ({made.method}, {made.features} "
        f"features) to {out}: it gives {plain(made.gives, 400)}. {out / 'README.md'} says what it "
        "is for.",
    )
    if not json_:
        for note in made.notes:
            print(note)
        print(f"Next: 'swarmhub predict {out} --data NEW.csv --out scores.csv'.")
