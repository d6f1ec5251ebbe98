"""Shared parts of the commands: the home option, JSON output, running one act with the client."""

from __future__ import annotations

import asyncio
import json
import math
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from swarmhub import codec
from swarmhub.errors import BadInput, plain

T = TypeVar("T")

CONTEXT = {"help_option_names": ["-h", "--help"]}  # of every command
MOST_LETTERS = 20_000  # of one subject
DEFAULT_HOME = Path.home() / ".swarmhub"
HomeOption = Annotated[
    Path, typer.Option("--home", envvar="SWARMHUB_HOME", help="The node's home directory.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def whole(least: int = 0, most: float = math.inf) -> Callable[[str | int], int]:
    """Return a parser of whole numbers from `least` to `most` in command-line arguments. It raises
    BadParameter, which quotes the argument, for anything else."""
    bounds = f"of at least {least}" if most == math.inf else f"from {least} to {most}"

    def read(typed: str | int) -> int:
        text = str(typed)
        plain = text.isascii() and text.isdigit() and len(text) < 20  # int() takes 1_0, too
        if plain and least <= int(text) <= most:
            return int(text)
        raise typer.BadParameter(f"Expected a whole number {bounds}, got '{text[:40]}'.")

    read.__name__ = "INTEGER"  # as the help shows it
    return read


def need_answer(yes: bool) -> None:
    """Raise BadInput if a question would be asked without a terminal."""
    if not yes and (sys.stdin is None or not sys.stdin.isatty()):
        raise BadInput(
            "Expected --yes, because there is no terminal on which to ask; nothing was done."
        )


def ask(question: str, yes: bool) -> None:
    """Ask before an irreversible act; the command ends unless the answer is yes."""
    need_answer(yes)
    if not yes:
        typer.confirm(question, abort=True)


def run(act: Coroutine[Any, Any, T]) -> T:
    """Carry out one operation."""
    return asyncio.run(act)


def show(value: Any, as_json: bool, sentence: str) -> None:
    """Print JSON (of a record: its fields), or a sentence for people."""
    value = codec.to_json(value)
    print(json.dumps(value, indent=2, ensure_ascii=False) if as_json else sentence)


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table. Headers and cells may contain strangers' text: markup in it is not
    interpreted."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def cell(text: str) -> Text:
        return Text("".join(c if c.isprintable() or c == "\n" else "?" for c in text))

    found = Table(title=cell(title), title_justify="left")
    for column in columns:
        found.add_column(cell(column), overflow="fold")
    for row in rows:
        found.add_row(*map(cell, row))
    Console().print(found)


def lines(title: str, rows: list[tuple[str, str]]) -> None:
    """Print subjects and sentences below a title, strangers' words as in a table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    print(plain(title))
    found = Table.grid(padding=(0, 2))
    found.add_column(min_width=14)
    found.add_column(overflow="fold")
    before = ""
    for subject, sentence in rows:
        said = Text(plain(sentence, MOST_LETTERS))
        found.add_row("" if subject == before else Text(subject, "bold"), said)
        before = subject
    Console().print(found)
