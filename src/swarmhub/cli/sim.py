"""`swarmhub sim ...`: the shipped contract, round and merge under faults and Byzantine nodes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from swarmhub.cli.shared import JsonOption, whole
from swarmhub.errors import BadInput

app = typer.Typer(help="Simulate swarms with faults and Byzantine nodes.", no_args_is_help=True)

NodesOption = Annotated[
    int, typer.Option(parser=whole(1, 16), help="Members of the swarm, 1 to 16.")
]
RoundsOption = Annotated[
    int, typer.Option(parser=whole(1, 1000), help="Rounds of training, 1 to 1000.")
]


@app.command("run")
def run(
    schedules: Annotated[int, typer.Option(parser=whole(1), help="How many schedules.")] = 200,
    seed: Annotated[
        int, typer.Option(parser=whole(), help="The first seed; the others follow.")
    ] = 0,
    nodes: NodesOption = 5,
    rounds: RoundsOption = 10,
    masked: Annotated[
        bool, typer.Option("--masked", help="Only schedules with masked rounds, one of four seeds.")
    ] = False,
    sharded: Annotated[
        bool,
        typer.Option("--sharded", help="Only schedules with several leaders, one of thirty seeds."),
    ] = False,
    json_: JsonOption = False,
) -> None:
    """Run seeded schedules on all cores; the exit code is 1 if an invariant was broken."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from swarmhub.sim.campaign import Outcome, run_campaign

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("schedules", total=schedules)

        def told(outcome: Outcome) -> None:
            said = f"{outcome.per_minute:.0f} a minute, {len(outcome.seeds_broken)} broken"
            progress.update(bar, completed=outcome.schedules, description=said)

        found = run_campaign(schedules, seed, nodes, rounds, told, masked=masked, sharded=sharded)
    answer = {
        "schedules": found.schedules,
        "broken": len(found.seeds_broken),
        "seeds_broken": found.seeds_broken,
        "per_minute": found.per_minute,
        "crashes": found.crashes,
    }
    if json_:
        print(json.dumps(answer))
    else:
        print(f"{found.schedules} schedules, {len(found.seeds_broken)} broken.")
        sizes = f"--nodes {nodes} --rounds {rounds}"
        for n in found.seeds_broken:
            print(f"seed {n}: read its story with 'swarmhub sim replay {n} {sizes}'")
    if found.seeds_broken:
        raise typer.Exit(1)


@app.command("replay")
def replay(
    seed: Annotated[int, typer.Argument(parser=whole(), help="The seed to replay.")] = 0,
    nodes: NodesOption = 5,
    rounds: RoundsOption = 10,
    schedule: Annotated[
        Path | None, typer.Option("--schedule", help="A schedule as text, instead of a seed.")
    ] = None,
    short: Annotated[
        bool, typer.Option("--short/--whole", help="Shrink a broken schedule first.")
    ] = True,
) -> None:
    """Print the events of a schedule; a broken one is shrunk before."""
    from swarmhub.sim import parse_schedule, run_schedule, schedule_of, shrink
    from swarmhub.sim.shrink import breaks_like, kinds

    if schedule is not None and not schedule.is_file():
        raise BadInput(
            f"Expected a schedule in the file {schedule}, found no file; check the path."
        )
    text = schedule.read_text("utf-8", "replace") if schedule else ""
    found = parse_schedule(text) if schedule else schedule_of(seed, nodes, rounds)
    report = run_schedule(found)
    if report.broken and short:
        found = shrink(found, breaks_like(kinds(report.broken)))
        report = run_schedule(found)
    print(found, *report.story, sep="\n")
    if report.broken:
        raise typer.Exit(1)
