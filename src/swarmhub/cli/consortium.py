"""`swarmhub consortium ...`"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from swarmhub import codec, keys
from swarmhub.cli.shared import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    YesOption,
    ask,
    lines,
    show,
    table,
    whole,
    with_client,
)
from swarmhub.contract.records import Motion
from swarmhub.contract.transactions import Leave, Remove
from swarmhub.errors import BadInput, plain
from swarmhub.home.home import ROTATABLE, Home, read_name
from swarmhub.home.invitations import InvitationToken, read_token, write_token
from swarmhub.operations.inbox import MotionShown, read_inbox, say_motion, say_waits
from swarmhub.operations.ledger_client import (
    LedgerClient,
    accept_genesis,
    found_consortium,
    make_rotation,
    read_card,
    read_genesis_file,
)

app = typer.Typer(help="Found, join and govern a consortium.", no_args_is_help=True)
MOTION_ENDS = ("motion_carried", "motion_lost")
MotionArgument = Annotated[
    int, typer.Argument(parser=whole(1), help="The motion's number (see 'inbox').")
]


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
    name = read_name(name)
    opened = Home.open(home)
    cards = [opened.card(), *(read_card(path) for path in founder or [])]
    chain = found_consortium(name, cards, opened)
    sentence = f"Founded {chain} with {len(cards)} member(s)."
    if opened.is_networked and len(cards) > 1:
        sentence += (
            f"\nGive the file {opened.genesis_path} to the other founders; each types "
            "'swarmhub consortium accept FILE', then all type 'swarmhub up'."
        )
    show({"chain": chain}, json_, sentence)


@app.command("accept")
def accept(
    genesis: Annotated[Path, typer.Argument(help="The genesis.json of the founding hospital.")],
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Create this home's ledger from a genesis that names this hospital as a founder."""
    opened = Home.open(home)
    terms = read_genesis_file(genesis)
    chain = accept_genesis(opened, terms)
    names = ", ".join(c.name for c in terms.founders)
    show({"chain": chain}, json_, f"Accepted {chain}, founded by {names}. Next: 'swarmhub up'.")


@app.command("invite")
def invite(
    out: Annotated[
        Path | None, typer.Option(help="File for the invitation, instead of printing it.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    days: Annotated[int, typer.Option(parser=whole(1, 90), help="Days of validity, 1 to 90.")] = 7,
) -> None:
    """Create a single-use invitation for a newcomer; send it confidentially."""

    async def act(client: LedgerClient, opened: Home) -> InvitationToken:
        return await client.invite(opened, days * 86_400_000)

    if out is None:
        print(write_token(with_client(home, act)))
        return
    token = ""
    try:
        out.unlink(missing_ok=True)
        keys.write_secret(out, b"")  # before the ledger has an invitation that could not be saved
        try:
            token = write_token(with_client(home, act))
        finally:
            out.unlink()
        keys.write_secret(out, token.encode() + b"\n")
    except OSError as error:
        if token:
            print(token)
        here = "; it is printed instead" if token else ""
        raise BadInput(f"Cannot write the invitation to {out} ({error.strerror}){here}.") from None
    print(f"Wrote the invitation to {out}. It works once, within {days} days.")


@app.command("apply")
def apply(
    invitation: Annotated[str, typer.Argument(help="The invitation's token, or its file.")],
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Apply for membership on a ledger that this machine's nodes share."""
    token = read_token(invitation)

    async def act(client: LedgerClient, opened: Home) -> int:
        if client.ledger.tip.chain_id != token.chain:
            raise BadInput(
                f"The invitation is for {token.chain}, this home's ledger is "
                f"{client.ledger.tip.chain_id}; make the home with --ledger {token.ledger}."
            )
        return await client.apply(opened.card(), token)

    motion = with_client(home, act)
    show({"motion": motion}, json_, f"Applied: motion {motion}. The members vote on it now.")


@app.command("join")
def join(
    invitation: Annotated[str, typer.Argument(help="The invitation's token, or its file.")],
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Join a consortium with an invitation: fetch its genesis, and apply for membership."""
    from swarmhub.operations import join as joining

    joined = asyncio.run(joining.join(Home.open(home), read_token(invitation)))
    show(
        {"chain": joined.chain, "motion": joined.motion, "fingerprint": joined.fingerprint},
        json_,
        f"Applied to {joined.chain}: motion {joined.motion}.\n"
        f"Fingerprint (read it out over the telephone): {joined.fingerprint}\n"
        "Next: 'swarmhub up'. The node takes part as soon as the members have voted for it.",
    )


@app.command("inbox")
def inbox(home: HomeOption = DEFAULT_HOME, json_: JsonOption = False) -> None:
    """List open motions: applications, removals and releases, with the votes that each still
    needs."""

    async def act(client: LedgerClient, _: Home) -> list[tuple[Motion, MotionShown]]:
        return list(zip(client.motions(), read_inbox(client), strict=True))

    motions = with_client(home, act)
    if json_:
        found = [
            {**codec.to_json(m), "electors": list(shown.electors), "shown": codec.to_json(shown)}
            for m, shown in motions
        ]
        print(json.dumps(found, indent=2))
        return
    for _, shown in motions:
        lines(*say_motion(shown))
    print("Vote with 'swarmhub consortium vote N --aye'." if motions else "No motion is open.")


@app.command("vote")
def vote(
    motion: MotionArgument,
    aye: Annotated[bool, typer.Option("--aye/--nay", help="For or against.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Vote on a motion."""

    async def act(client: LedgerClient, _: Home) -> str:
        result = await client.vote(motion, aye)
        about = {n: f for n, f in result.events if f.get("motion") == motion}
        if "motion_waits" in about:
            return f"open: {say_waits(about['motion_waits']['why'])}"
        ended = [n for n in about if n in MOTION_ENDS]
        return ended[0].removeprefix("motion_") if ended else "open"

    print(f"Voted {'aye' if aye else 'nay'}; motion {motion} is {with_client(home, act)}.")


@app.command("members")
def members(home: HomeOption = DEFAULT_HOME, json_: JsonOption = False) -> None:
    """List the consortium's active members."""

    async def act(client: LedgerClient, _: Home) -> list[Any]:
        return [codec.to_json(m) for m in client.members()]

    found = with_client(home, act)
    if json_:
        print(json.dumps(found, indent=2))
        return
    rows = [[str(m["id"]), m["name"], m["address"], m["account"][:32]] for m in found]
    table("Members", ["id", "name", "address", "fingerprint"], rows)


@app.command("remove")
def remove(
    member: Annotated[int, typer.Argument(parser=whole(1), help="The member's id.")],
    home: HomeOption = DEFAULT_HOME,
    yes: YesOption = False,
) -> None:
    """Open a motion to remove a member, with this hospital's vote for it."""

    async def look(client: LedgerClient, _: Home) -> str:
        return client.need_member(member).name

    name = plain(with_client(home, look))
    ask(f"Move to remove '{name}' (member {member}) from the consortium?", yes)

    async def act(client: LedgerClient, _: Home) -> bool:
        result = await client.submit(Remove(member))
        return any(event == "removed" for event, _ in result.events)

    if with_client(home, act):
        print(f"'{name}' (member {member}) is removed.")
    else:
        print(
            f"Moved to remove '{name}', and voted for it; the others vote with 'swarmhub "
            "consortium vote'."
        )


@app.command("leave")
def leave(home: HomeOption = DEFAULT_HOME, yes: YesOption = False) -> None:
    """Leave the consortium; settled models keep this hospital's part."""
    ask("This hospital leaves; to come back it has to be invited and voted in. Go on?", yes)

    async def act(client: LedgerClient, _: Home) -> None:
        await client.submit(Leave())

    with_client(home, act)
    print("Left the consortium.")


@app.command("rotate-key")
def rotate_key(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="account, tls, consensus, ledger; default: account.", metavar="[KEY]..."
        ),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    all_: Annotated[bool, typer.Option("--all", help="All keys of this home.")] = False,
    invitation: Annotated[
        str,
        typer.Option(help="A member's invitation, needed if the others refuse this node."),
    ] = "",
) -> None:
    """Replace keys of this hospital; old and new account key both sign. A running node restarts
    with the new ones by itself."""
    opened = Home.open(home)
    chosen = list(ROTATABLE) if all_ else names or ["account"]
    for name in chosen:
        if name not in ROTATABLE:
            raise BadInput(f"Expected keys among {', '.join(ROTATABLE)}, got {name[:40]!r}.")
    new = opened.begin_rotation(chosen)
    card = opened.card(rotated=chosen)
    if invitation:
        from swarmhub.operations import join as joining

        asyncio.run(joining.come_back(opened, read_token(invitation), make_rotation(card, new)))
        for name in chosen:  # on the ledger; this home follows when its node is up
            opened.put_in_place(name)
    else:

        async def act(client: LedgerClient, home_: Home) -> None:
            await client.rotate(card, new)
            if not home_.is_networked:  # otherwise its node does, once the old keys are not needed
                home_.finish_rotation(client.ledger.state)

        with_client(home, act)
    print(f"Rotated: {', '.join(chosen)}. Fingerprint: {new.public[:32]}.")


@app.command("restart")
def restart(
    file: Annotated[Path, typer.Argument(help="The restart's file; the first survivor makes it.")],
    without: Annotated[
        list[str] | None,
        typer.Option(help="A member that is gone for good, by name; once for each."),
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Continue under a new chain id if too many validators are gone for good. Every remaining
    hospital runs this with the same file, until all have signed."""
    from dataclasses import asdict

    from swarmhub.operations.recovery import restart as run

    step = run(Home.open(home), file, without or [])
    words = (
        f"Begins from block {step.height}, state {step.app_hash[:32]} (compare it over the "
        f"telephone).\nSigned by {', '.join(step.signed)}."
    )
    if step.ahead > 0:
        words += (
            f"\nThis hospital has {step.ahead} block(s) fewer, so it cannot check that state: "
            "it goes by the word of the others."
        )
    if step.begun:
        words += f"\nThe new chain is {step.chain}. Next: 'swarmhub up'."
    else:
        words += f"\nMissing: {', '.join(step.missing)}. Give them {file}; then type this again."
    show(asdict(step), json_, words)


@app.command("revoke")
def revoke(home: HomeOption = DEFAULT_HOME, yes: YesOption = False) -> None:
    """Revoke the keys of this hospital's machine at once, because somebody else may have them.

    It stays a member; the others refuse its node until its keys are rotated."""
    ask("The other members will cut this hospital's node off. Go on?", yes)

    async def act(client: LedgerClient, _: Home) -> None:
        await client.revoke()

    with_client(home, act)
    print(
        "Revoked. To come back, ask a member for an invitation and type 'swarmhub consortium "
        "rotate-key --all --invitation TOKEN'."
    )
