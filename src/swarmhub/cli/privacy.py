"""`swarmhub privacy ...`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swarmhub.cli.files import (
    DecimalOption,
    FormatOption,
    ReadOption,
    SeparatorOption,
    SheetOption,
    read_options,
)
from swarmhub.cli.shared import CONTEXT, DEFAULT_HOME, HomeOption, JsonOption, run, show, table
from swarmhub.errors import plain

if TYPE_CHECKING:
    from swarmhub.operations.privacy_audit.contents import Attack, Audit

app = typer.Typer(
    help="What a study's models give away of this hospital's patients, and its privacy budget.",
    no_args_is_help=True,
    context_settings=CONTEXT,
)


@app.callback()
def privacy() -> None:
    """Measured leakage, and the budget of noisy steps."""


@app.command("audit")
def audit(
    study: Annotated[str, typer.Argument(help="The study's name.")],
    data: Annotated[
        list[Path],
        typer.Option(help="A file that this hospital trained on; again as for its trainer."),
    ],
    test: Annotated[
        list[Path] | None, typer.Option(help="Its file with test patients, if it had one.")
    ] = None,
    model: Annotated[
        str, typer.Option(help="Beginning of a model's digest; default: the newest.")
    ] = "",
    label: Annotated[
        str, typer.Option(help="The outcome's column, if the study declares no data.")
    ] = "",
    id_: Annotated[
        str, typer.Option("--id", help="The patient's column, if the study declares no data.")
    ] = "",
    hold_out: Annotated[
        float | None,
        typer.Option(help="Share of test patients, if the study declares no data."),
    ] = None,
    separator: SeparatorOption = "",
    decimal: DecimalOption = "",
    sheet: SheetOption = "",
    format_: FormatOption = "",
    read: ReadOption = None,
    out: Annotated[Path | None, typer.Option(help="JSON file to write the result to, too.")] = None,
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Attack the study's model with this hospital's own patients: membership, inversion of an
    update, site. The result stays in this home; nothing is sent."""
    from swarmhub.data.reading import Files
    from swarmhub.home.home import Home
    from swarmhub.operations.privacy_audit.audit import audit_privacy
    from swarmhub.operations.privacy_audit.kept import export_audit
    from swarmhub.recipes.preparing import Sources

    def of(paths: list[Path]) -> Files:
        return Files(tuple(paths), separator, decimal, sheet, format_, read_options(read))

    share = 0.0 if test else hold_out
    sources = Sources(of(data), of(test) if test else None, label, id_, share if label else None)
    found = audit_privacy(Home.open(home), study, sources, model)
    if out is not None:
        export_audit(found, out, [*data, *(test or [])])
    if json_:
        show(found, True, "")
        return
    show_audit(found)


@app.command("budget")
def budget(home: HomeOption = DEFAULT_HOME, json_: JsonOption = False) -> None:
    """This hospital's noisy steps and epsilon, by study and by data, against its own limit."""
    from swarmhub.home.home import Home
    from swarmhub.operations import budgets

    found = run(budgets.show_budget(Home.open(home)))
    if json_:
        show(found, True, "")
        return
    print(budgets.say_limit(found))
    if not found.studies:
        print("It takes part in no study with differential privacy.")
        return
    table("By study", budgets.STUDY_COLUMNS, budgets.list_rows(found))
    if found.data:
        table("By data", budgets.DATA_COLUMNS, budgets.list_data_rows(found))


def show_audit(found: Audit) -> None:
    """Print the figures of each attack, then what they show and do not show."""
    rows = [
        [attack.name, f.name, f"{f.value:.3f}" if f.value is not None else "–",
         "–" if f.low is None or f.high is None else f"{f.low:.3f} to {f.high:.3f}",
         str(f.support)]
        for attack in found.attacks for f in attack.figures
    ]  # fmt: skip
    table(
        f"Measured leakage of {found.model[:16]}… at {plain(found.hospital, 60)}: "
        f"{found.members} patients trained on, {found.others} set aside",
        ["attack", "figure", "value", "95% interval", "of"],
        rows,
    )
    for attack in found.attacks:
        print(say_attack(attack))


def say_attack(attack: Attack) -> str:
    """Return what an attack shows and does not show, or why it could not run."""
    if attack.reason:
        return f"{attack.name}: not run. {plain(attack.reason, 600)}"
    note = f" {attack.note}" if attack.note else ""
    return f"{attack.name}: {attack.shows}{note} {attack.hides}"
