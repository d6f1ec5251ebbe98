"""What the commands share: the home option, JSON output, running one act at the desk."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from swarmhub.node.desk import Desk
    from swarmhub.node.home import Home

T = TypeVar("T")

CONTEXT = {"help_option_names": ["-h", "--help"]}  # of every command
DEFAULT_HOME = Path.home() / ".swarmhub"
HomeOption = Annotated[
    Path, typer.Option("--home", envvar="SWARMHUB_HOME", help="The node's home directory.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def whole(least: int = 0, most: float = math.inf) -> Callable[[str | int], int]:
    """How a whole number from `least` to `most` is read of what somebody has typed.
    BadParameter, which names it, where it is none."""
    bounds = f"of at least {least}" if most == math.inf else f"from {least} to {most}"

    def read(typed: str | int) -> int:
        text = str(typed)
        plain = text.isascii() and text.isdigit() and len(text) < 20  # int() takes 1_0, too
        if plain and least <= int(text) <= most:
            return int(text)
        raise typer.BadParameter(f"Expected a whole number {bounds}, got '{text[:40]}'.")

    read.__name__ = "INTEGER"  # as the help shows it
    return read


def at_desk(home: Path, act: Callable[[Desk, Home], Awaitable[T]]) -> T:
    """Open the home's ledger, do one act, close it."""
    from swarmhub.node.desk import open_desk
    from swarmhub.node.home import Home

    async def run() -> T:
        opened = Home.open(home)
        async with open_desk(opened) as desk:
            return await act(desk, opened)

    return asyncio.run(run())


def show(value: Any, as_json: bool, sentence: str) -> None:
    """Print JSON, or a sentence for people."""
    print(json.dumps(value, indent=2, ensure_ascii=False) if as_json else sentence)


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table. What is in its cells may be a stranger's word: shown as it is, not obeyed."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    def cell(text: str) -> Text:
        return Text("".join(c if c.isprintable() or c == "\n" else "?" for c in text))

    found = Table(title=cell(title), title_justify="left")
    for column in columns:
        found.add_column(column, overflow="fold")
    for row in rows:
        found.add_row(*map(cell, row))
    Console().print(found)
