"""`swarmhub study ...`"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from swarmhub import codec
from swarmhub.cli.shared import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    at_desk,
    show,
    table,
    whole,
)
from swarmhub.contract.records import ROUND, Spec
from swarmhub.contract.transactions import Finish, Start, Withdraw
from swarmhub.errors import BadInput
from swarmhub.node.desk import Desk
from swarmhub.node.home import Home

app = typer.Typer(help="Propose, approve, join and follow studies.", no_args_is_help=True)
StudyArgument = Annotated[str, typer.Argument(help="The study's name.")]


def read_spec(path: Path) -> Spec:
    """A study's terms from TOML; a typo is named together with the nearest valid key."""
    try:
        return codec.from_json(Spec, tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise BadInput(f"Cannot read the spec {path} ({error.strerror}).") from None
    except BadInput:
        raise
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, an integer without end
        raise BadInput(f"Expected TOML in {path}: {error}.") from None


@app.command("propose")
def propose(
    spec: Annotated[Path, typer.Argument(help="The study's terms, a TOML file.")],
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Put a study before the members."""
    terms = read_spec(spec)

    async def act(desk: Desk, _: Home) -> str:
        await desk.propose(terms)
        return desk.need_study(terms.name).spec

    digest = at_desk(home, act)
    show(
        {"study": terms.name, "spec": digest},
        json_,
        f"Proposed '{terms.name}' (terms {digest[:16]}…). Members approve or refuse exactly these.",
    )


def _simple(home: Path, name: str, verb: str) -> None:
    async def act(desk: Desk, _: Home) -> None:
        desk.need_study(name)
        acts: dict[str, Any] = {
            "approve": lambda: desk.approve(name),
            "refuse": lambda: desk.refuse(name),
            "withdraw": lambda: desk.submit(Withdraw(name)),
            "start": lambda: desk.submit(Start(name)),
            "finish": lambda: desk.submit(Finish(name)),
        }
        await acts[verb]()

    at_desk(home, act)
    print(f"Done: {verb} '{name}'.")


@app.command("approve")
def approve(study: StudyArgument, home: HomeOption = DEFAULT_HOME) -> None:
    """Allow the study's exact terms to run at this hospital."""
    _simple(home, study, "approve")


@app.command("refuse")
def refuse(study: StudyArgument, home: HomeOption = DEFAULT_HOME) -> None:
    """Do not allow the study at this hospital."""
    _simple(home, study, "refuse")


@app.command("enrol")
def enrol(
    study: StudyArgument,
    samples: Annotated[
        int, typer.Option(parser=whole(1), help="Training samples here: the most it may weigh.")
    ],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Take part in an approved study."""

    async def act(desk: Desk, _: Home) -> None:
        await desk.enrol(study, samples)

    at_desk(home, act)
    print(f"Enrolled in '{study}' with at most {samples} samples.")


@app.command("withdraw")
def withdraw(study: StudyArgument, home: HomeOption = DEFAULT_HOME) -> None:
    """Take part no longer; an unsettled contribution is void."""
    _simple(home, study, "withdraw")


@app.command("start")
def start(study: StudyArgument, home: HomeOption = DEFAULT_HOME) -> None:
    """Open the first round."""
    _simple(home, study, "start")


@app.command("finish")
def finish(study: StudyArgument, home: HomeOption = DEFAULT_HOME) -> None:
    """End a study before its last round."""
    _simple(home, study, "finish")


@app.command("release")
def release(
    study: StudyArgument,
    model: Annotated[str, typer.Option(help="Digest (or its beginning) of current or best model.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Move to release a model, and vote for it; the enrolled members vote."""

    async def act(desk: Desk, _: Home) -> bool:
        result = await desk.release(study, model)
        return any(name == "released" for name, _ in result.events)

    if at_desk(home, act):
        print("Released.")
    else:
        print(
            "Moved, and voted for it; the other enrolled members vote with 'swarmhub consortium "
            "vote'."
        )


@app.command("list")
def list_studies(home: HomeOption = DEFAULT_HOME, json_: JsonOption = False) -> None:
    """All studies: proposed, running and over."""

    async def act(desk: Desk, _: Home) -> list[Any]:
        return [codec.to_json(s) for s in desk.studies()]

    found = at_desk(home, act)
    if json_:
        print(json.dumps(found, indent=2))
        return
    rows = [
        [
            s["name"],
            s["status"],
            ", ".join(map(str, s["approved"])),
            ", ".join(str(e["member"]) for e in s["enrolled"]),
            s["spec"][:16],
        ]
        for s in found
    ]
    table("Studies", ["study", "status", "approved by", "enrolled", "terms"], rows)


@app.command("show")
def show_study(
    study: StudyArgument, home: HomeOption = DEFAULT_HOME, json_: JsonOption = False
) -> None:
    """A study's terms, members, open round and models."""

    async def act(desk: Desk, _: Home) -> dict[str, Any]:
        r = ROUND.get(desk.ledger.state, study)
        return {
            "study": codec.to_json(desk.need_study(study)),
            "spec": codec.to_json(desk.need_spec(study)),
            "round": codec.to_json(r) if r else None,
        }

    found = at_desk(home, act)
    if json_:
        print(json.dumps(found, indent=2))
        return
    record, r = found["study"], found["round"]
    enrolled = [f"{e['member']} ({e['samples']})" for e in record["enrolled"]]
    model = record["current"] or {}
    rows = [
        ["status", record["status"]],
        ["terms", record["spec"]],
        ["approved by", ", ".join(map(str, record["approved"]))],
        ["enrolled (samples)", ", ".join(enrolled)],
        ["open round", f"{r['number']} {r['kind']} {r['phase']}" if r else "none"],
        [
            "settled model",
            f"ledger round {model['number']}: {model['digest']}" if model else "none yet",
        ],
    ]
    table(f"Study '{study}'", ["", ""], rows)
