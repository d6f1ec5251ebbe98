"""The command `swarmhub`. Each command parses, calls one function, prints."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point: one sentence and exit code 2 for everything that a person can mend."""
    from swarmhub.errors import SwarmhubError
    from swarmhub.node import lifeline

    lifeline.hold()
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "up" and "--help" not in sys.argv:
        from swarmhub.cli.up import main as up  # the node's process: no CLI framework in memory

        sys.exit(up(sys.argv[2:]))
    try:
        if command == "train":  # a trainer's process: no node in memory
            from swarmhub.cli.train import app as train

            train(sys.argv[2:], prog_name="swarmhub train")
        if command == "status":  # it answers within a second
            from swarmhub.cli.status import app as status

            status(sys.argv[2:], prog_name="swarmhub status")
        from swarmhub.cli.app import app

        app(prog_name="swarmhub")
    except SwarmhubError as error:
        print(f"swarmhub: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(
            f"swarmhub: {error.strerror or error} ({error.filename or 'system'}); "
            "check the path, its permissions and the disk.",
            file=sys.stderr,
        )
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
