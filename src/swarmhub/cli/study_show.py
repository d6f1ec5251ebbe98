"""`swarmhub study list`, `show`, `catalogue`"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from swarmhub import codec
from swarmhub.cli.shared import DEFAULT_HOME, HomeOption, JsonOption, lines, run, table, whole
from swarmhub.cli.study_documents import show_documents, write_to
from swarmhub.errors import BadInput
from swarmhub.files import write_whole
from swarmhub.home.home import Home
from swarmhub.operations import studies
from swarmhub.operations.catalogue import (
    export_catalogue,
    find_gaps,
    say_gaps,
    without_catalogue,
)
from swarmhub.operations.studies import StudyShown
from swarmhub.operations.sum_terms import SUM_COLUMNS, say_sums
from swarmhub.operations.terms import (
    ROUND_COLUMNS,
    say_enrolled,
    say_history,
    say_results,
    say_status,
    say_terms,
)

LAST_ROUNDS = 20

StudyArgument = Annotated[str, typer.Argument(help="The study's name.")]


def list_studies(home: HomeOption = DEFAULT_HOME, json_: JsonOption = False) -> None:
    """List all studies: proposed, running and over."""
    found = run(studies.list_studies(Home.open(home)))
    if json_:
        print(json.dumps([codec.to_json(s.study) for s in found], indent=2))
        return
    rows = [
        [
            s.study.name,
            s.spec.title,
            say_status(s),
            ", ".join(s.name(m) for m in s.study.approved),
            say_enrolled(s),
        ]
        for s in found
    ]
    table("Studies", ["study", "question", "status", "approved by", "enrolled"], rows)


def show_study(
    study: StudyArgument,
    home: HomeOption = DEFAULT_HOME,
    last: Annotated[
        int, typer.Option(parser=whole(1), help="Number of newest rounds.")
    ] = LAST_ROUNDS,
    all_: Annotated[bool, typer.Option("--all", help="All rounds that are kept here.")] = False,
    code: Annotated[
        bool, typer.Option("--code", help="Its code and its ethics document instead.")
    ] = False,
    diff: Annotated[
        bool,
        typer.Option("--diff", help="With --code: how it differs from the one before."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="With --code: write both to this new folder.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Show a study's terms in words, its members, and each site's part in each round."""
    if out is not None and code:
        write_to(Home.open(home), study, out)
        return
    if code:
        show_documents(Home.open(home), study, diff, json_)
        return
    if diff or out is not None:
        raise BadInput("Expected --code beside --diff and --out.")
    shown = run(studies.show_study(Home.open(home), study, 0 if all_ else last))
    if json_:
        print(json.dumps(to_json(shown), indent=2))
        return
    lines(f"Study '{study}'", [*say_terms(shown), *say_results(shown)])
    if shown.rounds:
        newest = "" if all_ else f", the newest {last} at most"
        if sums := say_sums(shown):
            table(f"Settled statistics, sums and counts{newest}", SUM_COLUMNS, sums)
        table(f"Settled rounds{newest}", ROUND_COLUMNS, say_history(shown))


def catalogue(
    out: Annotated[
        Path | None, typer.Option("--out", help="The file to write; default: the terminal.")
    ] = None,
    datasets: Annotated[
        bool,
        typer.Option(
            "--datasets", help="The datasets alone, as the validator of HealthData@EU takes them."
        ),
    ] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Describe every study as HealthDCAT-AP (JSON-LD), for catalogues of health data."""
    found = run(export_catalogue(Home.open(home)))
    gaps = find_gaps(found)
    text = json.dumps(without_catalogue(found) if datasets else found, indent=2, ensure_ascii=False)
    if out is None:
        print(text)
    else:
        try:
            write_whole(out, (text + "\n").encode())
        except OSError as error:
            raise BadInput(f"Cannot write {out} ({error.strerror}).") from None
        print(f"Wrote {out}.")
    for setting, names in say_gaps(gaps):
        print(f"Left out, though the profile needs it: {names}; {setting}.", file=sys.stderr)


def to_json(shown: StudyShown) -> dict[str, Any]:
    """Return a study for scripts, in the units of the ledger (ms, millionths)."""
    return {
        "study": codec.to_json(shown.study),
        "spec": codec.to_json(shown.spec),
        "round": codec.to_json(shown.round) if shown.round else None,
        "members": {str(m): name for m, name in shown.names.items()},
        "min_peers": shown.min_peers,
        "faults": shown.faults,
        "waits": shown.waits,
        "reasons": {str(m): reason for m, reason in shown.reasons.items()},
        "rounds": [codec.to_json(r) for r in shown.rounds],
        "arrays": shown.arrays,
    }
