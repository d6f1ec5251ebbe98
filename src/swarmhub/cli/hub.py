"""`swarmhub hub ...`"""

from __future__ import annotations

import sys
import webbrowser
from typing import TYPE_CHECKING, Annotated

import typer

from swarmhub.cli.shared import DEFAULT_HOME, HomeOption, JsonOption, run, show, table
from swarmhub.errors import BadInput, plain
from swarmhub.home.home import Home
from swarmhub.operations.roles import ROLES, Role

if TYPE_CHECKING:
    from swarmhub.hub.auth.users import Users

app = typer.Typer(help="The hub: this hospital's pages, and their users.", no_args_is_help=True)
users = typer.Typer(help="The people of the hub, and their roles.", no_args_is_help=True)
app.add_typer(users, name="user")
NameArgument = Annotated[str, typer.Argument(help="The user's name.")]


@app.command("serve", hidden=True)
def serve(home: HomeOption = DEFAULT_HOME) -> None:
    """Run the hub alone; 'swarmhub up' does it."""
    from swarmhub.hub.process import serve as work

    run(work(Home.open(home)))


@app.command("open")
def open_(
    home: HomeOption = DEFAULT_HOME,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the link, do not open a browser.")
    ] = False,
) -> None:
    """Open the running hub in the browser, by a link that works once."""
    from swarmhub.hub.process import make_link, say_link

    link = make_link(Home.open(home))
    if print_only or not webbrowser.open(link):
        print(link)
        print(f"It {say_link()}.", file=sys.stderr)


@users.command("add")
def add_user(
    name: NameArgument,
    role: Annotated[
        list[str] | None, typer.Option(help=f"{', '.join(ROLES)}; repeat for several.")
    ] = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Add a user, or give one other roles; print a link by which they log in for the first time."""
    from swarmhub.hub.process import make_link, say_link

    opened = Home.open(home)
    user = _users_of(opened).add(name, read_roles(role or []))
    named = ", ".join(["viewer", *user.roles])
    print(f"'{name}' is a user with the roles {named}.")
    if not user.passphrase:
        print(f"Give them this link: {make_link(opened, user=name)} ({say_link(name)})")


@users.command("link")
def make_user_link(name: NameArgument, home: HomeOption = DEFAULT_HOME) -> None:
    """Print a link by which a user logs in once, to set a new passphrase."""
    from swarmhub.hub.process import make_link, say_link

    opened = Home.open(home)
    _users_of(opened).need(name)
    print(make_link(opened, user=name))
    print(f"It {say_link(name)}.", file=sys.stderr)


@users.command("token")
def make_token(name: NameArgument, home: HomeOption = DEFAULT_HOME) -> None:
    """Print a new token for a user's scripts (REST); it is not shown again."""
    print(_users_of(Home.open(home)).add_token(name))


@users.command("remove")
def remove_user(name: NameArgument, home: HomeOption = DEFAULT_HOME) -> None:
    """Remove a user; their sessions and tokens end at once."""
    _users_of(Home.open(home)).remove(name)
    print(f"Removed '{plain(name, 64)}'.")


@users.command("list")
def list_users(home: HomeOption = DEFAULT_HOME, json_: JsonOption = False) -> None:
    """List the users and their roles."""
    found = _users_of(Home.open(home)).all().values()
    if json_:
        show([{"name": u.name, "roles": ["viewer", *u.roles]} for u in found], True, "")
        return
    rows = [[u.name, ", ".join(["viewer", *u.roles]), "yes" if u.passphrase else "no",
             str(len(u.tokens))] for u in found]  # fmt: skip
    table("Users", ["name", "roles", "passphrase", "tokens"], rows)


def _users_of(home: Home) -> Users:
    from swarmhub.hub.context import users_of  # loads an HTTP server

    return users_of(home)


def read_roles(words: list[str]) -> tuple[Role, ...]:
    """Return roles. Raises BadInput for a word that is none."""
    for word in words:
        if word not in ROLES:
            raise BadInput(f"Expected --role {', '.join(ROLES)}, got '{plain(word, 40)}'.")
    return tuple(role for role in ROLES if role in words)
