"""The command tree: `swarmhub <noun> <verb>`."""

from __future__ import annotations

import typer

from swarmhub.cli import (
    consortium,
    data,
    demo,
    evaluate,
    evidence,
    example,
    hub,
    ledger,
    model,
    node,
    predict,
    privacy,
    report,
    sent,
    sim,
    status,
    study,
    train,
)
from swarmhub.cli.shared import CONTEXT

app = typer.Typer(
    name="swarmhub",
    help="Train one model together, without sharing data and without a central server.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings=CONTEXT,
)
app.command("init")(node.init)
app.command("up")(node.up)
app.command("status")(status.status)
app.command("doctor")(node.doctor)
app.command("sent")(sent.sent)
app.command("relay")(node.relay)
app.command("demo")(demo.demo)
app.command("example")(example.example)
app.command("report")(report.report)
app.command("predict")(predict.predict)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(node.app, name="node")
app.add_typer(consortium.app, name="consortium")
app.add_typer(study.app, name="study")
app.add_typer(hub.app, name="hub")
app.add_typer(ledger.app, name="ledger")
app.add_typer(data.app, name="data")
app.add_typer(model.app, name="model")
app.add_typer(evidence.app, name="evidence")
app.add_typer(privacy.app, name="privacy")
app.add_typer(train.app, name="train")
app.add_typer(sim.app, name="sim")


@app.callback(invoke_without_command=True)
def version(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version."),
) -> None:
    if version:
        from swarmhub import __version__

        print(__version__)
        raise typer.Exit
