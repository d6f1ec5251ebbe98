"""`swarmhub consortium ...`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from swarmhub import keys
from swarmhub.cli.shared import (
    DEFAULT_HOME,
    HomeOption,
    JsonOption,
    YesOption,
    ask,
    lines,
    run,
    show,
    table,
    whole,
)
from swarmhub.errors import BadInput, plain
from swarmhub.home.home import Home
from swarmhub.home.invitations import read_token, write_token
from swarmhub.home.rotation import ROTATABLE
from swarmhub.operations import members
from swarmhub.operations.inbox import say_motion, say_waits
from swarmhub.operations.links import say_link

app = typer.Typer(help="Found, join and govern a consortium.", no_args_is_help=True)
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
    made = members.found(Home.open(home), name, founder or [])
    sentence = f"Founded {made.chain} with {len(made.founders)} member(s)."
    if made.genesis:
        sentence += (
            f"\nGive the file {made.genesis} to the other founders; each types "
            "'swarmhub consortium accept FILE', then all type 'swarmhub up'."
        )
    show(made, json_, sentence)


@app.command("accept")
def accept(
    genesis: Annotated[Path, typer.Argument(help="The genesis.json of the founding hospital.")],
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Create this home's ledger from a genesis that names this hospital as a founder."""
    made = members.accept(Home.open(home), genesis)
    names = ", ".join(made.founders)
    show(made, json_, f"Accepted {made.chain}, founded by {names}. Next: 'swarmhub up'.")


@app.command("invite")
def invite(
    out: Annotated[
        Path | None, typer.Option(help="File for the invitation, instead of printing it.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
    days: Annotated[int, typer.Option(parser=whole(1, 90), help="Days of validity, 1 to 90.")] = 7,
) -> None:
    """Create a single-use invitation for a newcomer; send it confidentially."""
    if out is None:
        print(write_token(run(members.invite(Home.open(home), days * 86_400_000))))
        return
    token = ""
    try:
        out.unlink(missing_ok=True)
        keys.write_secret(out, b"")  # before the ledger has an invitation that could not be saved
        try:
            token = write_token(run(members.invite(Home.open(home), days * 86_400_000)))
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
    made = run(members.apply(Home.open(home), read_token(invitation)))
    show(made, json_, f"Applied: motion {made.motion}. The members vote on it now.")


@app.command("join")
def join(
    invitation: Annotated[str, typer.Argument(help="The invitation's token, or its file.")],
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Join a consortium with an invitation: fetch its genesis, and apply for membership."""
    from swarmhub.operations import join as joining

    joined = run(joining.join(Home.open(home), read_token(invitation)))
    show(
        joined,
        json_,
        f"Applied to {joined.chain}: motion {joined.motion}.\n"
        f"Fingerprint (read it out over the telephone): {joined.fingerprint}\n"
        "Next: 'swarmhub up'. The node takes part as soon as the members have voted for it.",
    )


@app.command("inbox")
def inbox(home: HomeOption = DEFAULT_HOME, json_: JsonOption = False) -> None:
    """List open motions: applications, removals and releases, with the votes that each still
    needs."""
    motions = run(members.inbox(Home.open(home)))
    if json_:
        show(motions, json_, "")
        return
    for shown in motions:
        lines(*say_motion(shown))
    print("Vote with 'swarmhub consortium vote N --aye'." if motions else "No motion is open.")


@app.command("vote")
def vote(
    motion: MotionArgument,
    aye: Annotated[bool, typer.Option("--aye/--nay", help="For or against.")],
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Vote on a motion."""
    voted = run(members.vote(Home.open(home), motion, aye))
    state = f"{voted.state}: {say_waits(voted.waits)}" if voted.waits else voted.state
    print(f"Voted {'aye' if aye else 'nay'}; motion {motion} is {state}.")


@app.command("members")
def list_members(home: HomeOption = DEFAULT_HOME, json_: JsonOption = False) -> None:
    """List the consortium's active members, and what this node has measured of the way to each (in
    JSON: 'status --json')."""
    found = run(members.list_linked(Home.open(home)))
    if json_:
        show([m for m, _ in found], json_, "")
        return
    rows = [
        [str(m.id), m.name, m.address, m.account[:32], ", ".join(map(str, m.versions))]
        for m, _ in found
    ]
    table("Members", ["id", "name", "address", "fingerprint", "versions"], rows)
    lines("Ways to them", [(m.name, say_link(x)) for m, x in found])


@app.command("remove")
def remove(
    member: Annotated[int, typer.Argument(parser=whole(1), help="The member's id.")],
    home: HomeOption = DEFAULT_HOME,
    yes: YesOption = False,
) -> None:
    """Open a motion to remove a member, with this hospital's vote for it."""
    opened = Home.open(home)
    name = plain(run(members.find_member(opened, member)).name)
    ask(f"Move to remove '{name}' (member {member}) from the consortium?", yes)
    if run(members.remove(opened, member)).removed:
        print(f"'{name}' (member {member}) is removed.")
    else:
        print(
            f"Moved to remove '{name}', and voted for it; the others vote with 'swarmhub "
            "consortium vote'."
        )


@app.command("upgrade")
def upgrade(
    version: Annotated[int, typer.Argument(parser=whole(2), help="The next contract version.")],
    after: Annotated[
        int,
        typer.Option(
            "--after",
            parser=whole(1, members.MAX_UPGRADE_BLOCKS),
            help="Number of blocks from the decision to the first block of that version.",
        ),
    ] = 100,
    home: HomeOption = DEFAULT_HOME,
    json_: JsonOption = False,
) -> None:
    """Open a motion to go on with the next contract version. It is carried once it has the votes
    and every voting member's node has that version."""
    moved = run(members.upgrade(Home.open(home), version, after))
    if moved.height:
        said = f"Contract version {version} follows at block {moved.height}."
    else:
        said = (
            f"Moved (motion {moved.motion}), and voted for it; the others vote with 'swarmhub "
            "consortium vote'."
        )
    if moved.waits:
        said += f"\nIt waits: {say_waits(moved.waits)}."
    show(moved, json_, said)


@app.command("leave")
def leave(home: HomeOption = DEFAULT_HOME, yes: YesOption = False) -> None:
    """Leave the consortium; settled models keep this hospital's part."""
    ask("This hospital leaves; to come back it has to be invited and voted in. Go on?", yes)
    run(members.leave(Home.open(home)))
    print("Left the consortium.")


@app.command("rotate-key")
def rotate_key(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="account, tls, consensus, ledger, release; default: account.", metavar="[KEY]..."
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
    chosen = list(ROTATABLE) if all_ else names or ["account"]
    made = run(members.rotate_keys(Home.open(home), chosen, invitation))
    print(f"Rotated: {', '.join(made.keys)}. Fingerprint: {made.fingerprint}.")


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
    from swarmhub.operations import recovery

    step = recovery.restart(Home.open(home), file, without or [])
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
    show(step, json_, words)


@app.command("revoke")
def revoke(home: HomeOption = DEFAULT_HOME, yes: YesOption = False) -> None:
    """Revoke the keys of this hospital's machine at once, because somebody else may have them.

    It stays a member; the others refuse its node until its keys are rotated."""
    ask("The other members will cut this hospital's node off. Go on?", yes)
    run(members.revoke(Home.open(home)))
    print(
        "Revoked. To come back, ask a member for an invitation and type 'swarmhub consortium "
        "rotate-key --all --invitation TOKEN'."
    )
