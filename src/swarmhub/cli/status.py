"""`swarmhub status`, in a process of its own that loads little: it answers within a second."""

from __future__ import annotations

import json
from typing import Any

import typer

from swarmhub.cli.shared import CONTEXT, DEFAULT_HOME, HomeOption, JsonOption, table
from swarmhub.errors import NoAnswer
from swarmhub.operations.links import read_links, say_rate, say_round_trip, say_way, warn_of
from swarmhub.operations.running_node import ask_status

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings=CONTEXT)


@app.command("status")
def status(home: HomeOption = DEFAULT_HOME, json_: JsonOption = False) -> None:
    """Show the running node's status. Exit code 0: all is well here; 1: something has to be fixed
    here, which the first line or a line with ! names; 2: no node is running."""
    try:
        found = ask_status(home)
    except NoAnswer as error:
        silent = {"state": "unknown", "well": False, "said": str(error)}
        print(json.dumps(silent, indent=2) if json_ else error)
        raise typer.Exit(1) from None
    if json_:
        print(json.dumps(found, indent=2))
    else:
        show_status(found)
    if not found["well"]:
        raise typer.Exit(1)


def show_status(found: dict[str, Any]) -> None:
    """Print a node's status (`Node.status`), for people."""
    where = f"{found['chain']}, block {found['height']}"
    if found["state"] == "member" and found["well"]:
        print(f"{found['name']} (member {found['member']}), {where}")
    else:
        print(f"{found['name']}: {found['said']} ({where})")
    if found["state"] == "member":
        if found["networked"]:
            print(say_what_it_survives(found["validators"], found["faults"]))
            if not found["validator"]:
                print("Not a validator yet: its vote counts when its node has read all blocks.")
        _show_studies(found["studies"])
        for study, waits in found["suspended"].items():
            print(f"{study}: {waits}")
        _show_links(found)
    for problem in found["problems"]:
        print(f"! {problem}")


def _show_studies(studies: list[dict[str, Any]]) -> None:
    if not studies:
        print("No study is running.")
        return
    rows = [
        [
            s["study"],
            f"{s['round']} ({s['kind']})",
            s["phase"],
            str(s["leader"] or ""),
            f"{len(s['contributed'])} of {len(s['roster'])} (at least {s['min_peers']})",
            "yes" if s["trainer"] else "no",
        ]
        for s in studies
    ]
    table("Studies", ["study", "round", "phase", "leader", "contributed", "trainer here"], rows)
    for s in studies:
        if s.get("waits"):
            print(f"{s['study']}: {s['waits']}")
        for absent in s.get("absent", []):
            print(f"{s['study']}: the round goes on without {absent['said']}")


def _show_links(found: dict[str, Any]) -> None:
    links = read_links(found.get("links", []))
    if not links:
        return
    names = {m["id"]: m["name"] for m in found["members"]}
    rows = [
        [
            str(names.get(x.member, x.member)), say_way(x), say_rate(x.received_per_s),
            say_rate(x.sent_per_s), say_round_trip(x.round_trip_us),
        ]
        for x in links
    ]  # fmt: skip
    columns = ["member", "way", "from there", "to there", "round trip"]
    table("Connections", columns, rows)
    for x in links:
        if warning := warn_of(x, links):
            print(f"{names.get(x.member, x.member)}: {warning}.")


def say_what_it_survives(validators: int, away: int) -> str:
    """Return a sentence on how many validators may be away."""
    if validators == 1:
        return "1 validator: it is the ledger; without it there are no blocks."
    if not away:
        return f"{validators} validators: all must be there; with one away no block is made."
    halts = f"with {away + 1} away no block is made"
    return f"{validators} validators: {away} may be away or lie; {halts}."
