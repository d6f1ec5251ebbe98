"""Requests for the status of a home's running node, with a short timeout and few imports."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from swarmhub.errors import BadInput, HomeError, NoAnswer, say_other_api
from swarmhub.files import lock
from swarmhub.types import LOCAL_API_VERSION

ANSWER_S = 1.0  # a healthy node takes some milliseconds


def ask_status(root: Path) -> dict[str, Any]:
    """Return the status of a home's node (see `Node.status`), within ANSWER_S. Raises NoAnswer if
    it runs and does not answer, HomeError if none runs or there is no home."""
    path = root / "run" / "api.json"
    try:
        api = json.loads(path.read_bytes())
        port, pid, token = int(api["port"]), int(api["pid"]), str(api["token"])
        version = api.get("version", 1)
    except (OSError, ValueError, KeyError, TypeError):
        raise _say_that_none_answers(root) from None
    if version != LOCAL_API_VERSION:
        raise HomeError(say_other_api(root, LOCAL_API_VERSION, version))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/v1/status", headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        found = json.loads(response.read()) if response.status == 200 else None
    except TimeoutError:
        raise NoAnswer(_say_what_it_does(root, path, pid)) from None
    except (OSError, http.client.HTTPException, ValueError, OverflowError):
        found = None  # left behind by a node that is gone or ending
    finally:
        connection.close()
    if not isinstance(found, dict):
        raise _say_that_none_answers(root)
    return found


def is_running(root: Path) -> bool:
    """Return whether a node runs on the home."""
    held = lock(root / "run" / "node.lock")
    if held is not None:
        held.close()
    return held is None


@contextlib.contextmanager
def need_stopped(root: Path) -> Iterator[None]:
    """Keep the node of a home from starting meanwhile. Raises BadInput if it runs."""
    held = lock(root / "run" / "node.lock")
    if held is None:
        raise BadInput(f"A node is running on {root}; stop it first.")
    try:
        yield
    finally:
        held.close()


def _say_that_none_answers(root: Path) -> HomeError:
    from swarmhub.home.home import Home
    from swarmhub.ledger.cometbft.settings import STATE_FILE

    home = Home.open(root)
    if is_running(root):
        return NoAnswer(
            f"The node on {root} does not answer yet: it starts or ends; ask again in a moment, "
            "or see its log."
        )
    if not (home.engine_path / STATE_FILE if home.is_networked else home.ledger_path).exists():
        return HomeError(
            f"No node is running on {root}, and it has no consortium yet; join one with "
            "'swarmhub consortium join INVITATION', or 'swarmhub consortium found NAME'."
        )
    return HomeError(f"No node is running on {root}; start it with 'swarmhub up --home {root}'.")


def _say_what_it_does(root: Path, api: Path, pid: int) -> str:
    try:
        seen_s = api.stat().st_mtime  # the node touches it every second
        ago_s = max(0.0, time.time() - seen_s)
        since = f"since {time.strftime('%H:%M:%S', time.localtime(seen_s))}, {ago_s:.0f} s ago"
    except OSError:
        since = "since when is unknown"
    if _is_stopped(pid):
        what, hint = "is stopped", f"let it go on with 'kill -CONT {pid}'"
    else:
        what, hint = "is busy or hangs", "wait, or see its log and start it again"
    return f"The node on {root} (pid {pid}) does not answer: it {what} ({since}); {hint}."


def _is_stopped(pid: int) -> bool:
    """Return whether the process is stopped (SIGSTOP, or Ctrl-Z in its terminal)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False  # gone, or a system without /proc
    return state in ("T", "t")
