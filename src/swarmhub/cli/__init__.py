"""The command `swarmhub`. Each command parses, calls one function, prints."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typer import Typer


def main() -> None:
    """Entry point: one sentence and exit code 2 for every error that a person can fix."""
    from swarmhub import logs
    from swarmhub.errors import SwarmhubError, plain
    from swarmhub.node import parent_watch

    parent_watch.hold()
    for stream in (sys.stdout, sys.stderr):  # an argument may not be encodable in this terminal
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "up" and "--help" not in sys.argv:
        from swarmhub.cli.up import main as up  # the node's process: no CLI framework in memory

        sys.exit(up(sys.argv[2:]))
    try:
        if logs.is_json():
            logs.set_up(logging.WARNING)
        if command == "train":  # a trainer's process: no node in memory
            from swarmhub.cli.train import app as train

            sys.exit(_run(train, sys.argv[2:], "swarmhub train"))
        if command == "track":  # beside the node, which starts it
            from swarmhub.cli.track import main as track

            sys.exit(track(sys.argv[2:]))
        if command == "status":  # it must answer within a second
            from swarmhub.cli.status import app as status

            sys.exit(_run(status, sys.argv[2:], "swarmhub status"))
        if command == "predict":  # neither node nor ledger in memory
            from swarmhub.cli.predict import app as predict

            sys.exit(_run(predict, sys.argv[2:], "swarmhub predict"))
        from swarmhub.cli.app import app

        sys.exit(_run(app, sys.argv[1:], "swarmhub"))
    except SwarmhubError as error:
        logs.say(plain(error, MOST))
        sys.exit(2)
    except OSError as error:
        logs.say(
            f"{error.strerror or error} ({error.filename or 'system'}); "
            "check the path, its permissions and the disk."
        )
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


MOST = 2000  # characters of a sentence


def _run(app: Typer, arguments: list[str], name: str) -> int:
    """Run a command; returns the exit code. A usage error is one line, without a box."""
    import typer

    from swarmhub import logs

    usage_error: type[Exception] = typer.BadParameter.__mro__[2]  # the base of all of them
    try:
        code = app(arguments, prog_name=name, standalone_mode=False)
    except typer.Abort:
        logs.say("Not confirmed; nothing was done.")
        return 1
    except usage_error as error:
        said = say_usage(error)
        if said:
            logs.say(said)
        return 2
    return code if isinstance(code, int) else 0


def say_usage(error: Any) -> str:
    """Return one line on a usage error, and where to read more; "" if help has been printed."""
    if type(error).__name__ == "NoArgsIsHelpError":
        if error.message:
            print(error.message)
        return ""
    said = " ".join(str(error.format_message()).split())
    context = getattr(error, "ctx", None)
    hint = f" See '{context.command_path} --help'." if context is not None else ""
    said = said.removesuffix(".")
    return f"{said}{'' if said.endswith('?') else '.'}{hint}"
