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
    model: Annotated[
        str, typer.Option(help="The newest, best or a released model, by its digest's beginning.")
    ] = "",
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

    target = Target(out, best, label, onnx, overwrite, model)
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


@app.command("sign")
def sign(
    folder: Annotated[Path, typer.Argument(help="The folder of 'swarmhub model export'.")],
    study: Annotated[str, typer.Option(help="The study's name.")],
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Sign a released model's folder with this hospital's release key, together with the vote that
    released it, in the form of OpenSSF Model Signing: the tool 'model_signing' verifies it."""
    from swarmhub.home.home import Home
    from swarmhub.operations.model_signing import name_key, sign_model

    made = sign_model(Home.open(home), study, folder)
    key = f"KEYS/{name_key(made.member, made.signed_by)}"
    show(
        made,
        json_,
        f"Signed {folder} as {plain(made.signed_by, 100)}: release.json has the vote (motion "
        f"{made.motion}), model.sig the signature.\nNext: 'swarmhub model keys --study {study} "
        f"--out KEYS' writes the members' keys; then, on any machine, 'model_signing verify key "
        f"{folder} --signature {folder / 'model.sig'} --public_key {key}'.",
    )


@app.command("keys")
def keys(
    study: Annotated[str, typer.Option(help="The study's name.")],
    out: Annotated[Path, typer.Option(help="The folder to write; it must not exist.")],
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Write the release keys of a study's hospitals, as the ledger has them, as PEM files."""
    from swarmhub.home.home import Home
    from swarmhub.operations.model_signing import write_keys

    made = write_keys(Home.open(home), study, out)
    lacking = "".join(f"\n{plain(name, 100)} has none at present." for name in made.lacking)
    show(made, json_, f"Wrote {len(made.files)} keys to {out}.{lacking}")
