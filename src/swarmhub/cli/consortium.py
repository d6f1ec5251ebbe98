"""`swarmhub consortium ...`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from swarmhub import codec, keys
from swarmhub.cli.shared import DEFAULT_HOME, HomeOption, JsonOption, at_desk, show, table
from swarmhub.contract.transactions import Leave, Remove, card_message
from swarmhub.errors import BadInput
from swarmhub.node.desk import Desk, Ticket, found_consortium, read_card, read_ticket
from swarmhub.node.home import Home
from swarmhub.types import CARD_DOMAIN

app = typer.Typer(help="Found, join and govern a consortium.", no_args_is_help=True)
MOTION_ENDS = ("motion_carried", "motion_lost")
MotionArgument = Annotated[int, typer.Argument(help="The motion's number (see 'inbox').")]


@app.command("found")
def found(
    name: Annotated[str, typer.Argument(help="The consortium's name.")],
    home: HomeOption = DEFAULT_HOME,
    founder: Annotated[
        list[Path] | None, typer.Option(help="Card of a further founder; repeat for each.")
    ] = None,
    json_: JsonOption = False,
) -> None:
    """Found a consortium on this home's ledger, with this hospital as a founder."""
    opened = Home.open(home)
    cards = [opened.card(), *(read_card(path) for path in founder or [])]
    chain = found_consortium(name, cards, opened)
    show({"chain": chain}, json_, f"Founded {chain} with {len(cards)} member(s).")


@app.command("invite")
def invite(
    out: Annotated[Path, typer.Option(help="File for the invitation; hand it over in secret.")],
    home: HomeOption = DEFAULT_HOME,
    days: Annotated[int, typer.Option(min=1, max=90, help="Valid for so many days.")] = 7,
) -> None:
    """Make a single-use invitation for a newcomer."""

    async def act(desk: Desk, opened: Home) -> Ticket:
        return await desk.invite(str(opened.ledger_path.resolve()), days * 86_400_000)

    ticket = at_desk(home, act)
    out.unlink(missing_ok=True)
    keys.write_secret(out, json.dumps(codec.to_json(ticket), indent=2).encode())
    print(f"Wrote the invitation to {out}. It works once, within {days} days.")


@app.command("apply")
def apply(
    invitation: Annotated[Path, typer.Argument(help="The invitation's file.")],
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Apply for membership with an invitation."""
    ticket = read_ticket(invitation)

    async def act(desk: Desk, opened: Home) -> int:
        if desk.ledger.tip.chain_id != ticket.chain:
            raise BadInput(
                f"The invitation is for {ticket.chain}, this home's ledger is "
                f"{desk.ledger.tip.chain_id}; make the home with --ledger {ticket.ledger}."
            )
        return await desk.apply(opened.card(), ticket)

    motion = at_desk(home, act)
    show({"motion": motion}, json_, f"Applied: motion {motion}. The members vote on it now.")


@app.command("inbox")
def inbox(home: HomeOption = DEFAULT_HOME, json_: JsonOption = False) -> None:
    """Open motions: who applies, who is to be removed, which model is to be released."""

    async def act(desk: Desk, _: Home) -> list[Any]:
        return [codec.to_json(m) for m in desk.motions()]

    motions = at_desk(home, act)
    if json_:
        print(json.dumps(motions, indent=2))
        return
    rows = [
        [
            str(m["id"]), m["kind"],
            (m["applicant"] or {}).get("name") or m["study"] or str(m["member"]),
            ((m["applicant"] or {}).get("account") or m["model"])[:32],
            f"{len(m['ayes'])} aye, {len(m['nays'])} nay of {len(m['electorate'])}",
        ]
        for m in motions
    ]  # fmt: skip
    table("Open motions", ["motion", "kind", "about", "fingerprint", "votes"], rows)


@app.command("vote")
def vote(
    motion: MotionArgument,
    aye: Annotated[bool, typer.Option("--aye/--nay", help="For or against.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Vote on a motion."""

    async def act(desk: Desk, _: Home) -> str:
        result = await desk.vote(motion, aye)
        ended = [n for n, f in result.events if n in MOTION_ENDS and f["motion"] == motion]
        return ended[0].removeprefix("motion_") if ended else "open"

    print(f"Voted {'aye' if aye else 'nay'}; motion {motion} is {at_desk(home, act)}.")


@app.command("members")
def members(home: HomeOption = DEFAULT_HOME, json_: JsonOption = False) -> None:
    """The consortium's active members."""

    async def act(desk: Desk, _: Home) -> list[Any]:
        return [codec.to_json(m) for m in desk.members()]

    found = at_desk(home, act)
    if json_:
        print(json.dumps(found, indent=2))
        return
    rows = [[str(m["id"]), m["name"], m["address"], m["account"][:32]] for m in found]
    table("Members", ["id", "name", "address", "fingerprint"], rows)


@app.command("remove")
def remove(
    member: Annotated[int, typer.Argument(help="The member's id.")], home: HomeOption = DEFAULT_HOME
) -> None:
    """Move to remove a member; the others vote."""

    async def act(desk: Desk, _: Home) -> None:
        await desk.submit(Remove(member))

    at_desk(home, act)
    print(f"Moved to remove member {member}; the others vote with 'swarmhub consortium vote'.")


@app.command("leave")
def leave(home: HomeOption = DEFAULT_HOME) -> None:
    """Leave the consortium; settled models keep this hospital's part."""

    async def act(desk: Desk, _: Home) -> None:
        await desk.submit(Leave())

    at_desk(home, act)
    print("Left the consortium.")


@app.command("rotate-key")
def rotate_key(home: HomeOption = DEFAULT_HOME) -> None:
    """Replace this hospital's account key; old and new key both sign."""
    opened = Home.open(home)
    new = keys.PrivateKey()
    pending = opened.key_path("account.next")
    if pending.exists():
        new = keys.PrivateKey.load(pending)  # a rotation that was interrupted goes on
    else:
        new.save(pending)

    async def act(desk: Desk, home_: Home) -> None:
        from dataclasses import replace

        card = replace(home_.card(), account=new.public, signature="")
        card = replace(card, signature=new.sign(CARD_DOMAIN, card_message(card)))
        await desk.rotate(card, new)

    at_desk(home, act)
    pending.replace(opened.key_path("account"))
    print(f"Rotated. New fingerprint: {new.public[:32]}. Restart the node to use it.")
