"""This node: its state, what left the hospital, and what its persons had signed."""

from __future__ import annotations

import hashlib
import platform
import shutil
from typing import Any

from aiohttp import web

from swarmhub.errors import HomeError
from swarmhub.hub.context import HUB
from swarmhub.hub.web.site import draw
from swarmhub.node.sent import ALL
from swarmhub.operations.budgets import list_data_rows, list_rows, look_at_budget
from swarmhub.operations.ledger_view import LedgerView
from swarmhub.operations.looks import look_at_acts, look_at_sendings


def add_routes(app: web.Application, prefix: str) -> None:
    """Add the routes."""
    app.router.add_get(f"{prefix}/node", show)


async def show(request: web.Request) -> web.Response:
    """The page."""
    hub = request.app[HUB]
    seen, study = hub.seen(), request.query.get("study", "")[:100]
    budget = look_at_budget(hub.home, seen.view)
    status: dict[str, Any] = {}
    wrong = ""
    try:
        status = await hub.node.status()
    except HomeError as error:
        wrong = str(error)
    return draw(
        request, "node.html", node=status, wrong=wrong, everybody=ALL, study=study,
        sent=look_at_sendings(seen, study), acts=look_at_acts(seen),
        studies=list(seen.record.studies()), root=str(hub.home.root), keys=list_keys(seen.view),
        budget=budget, budget_rows=list_rows(budget), data_rows=list_data_rows(budget),
        free=shutil.disk_usage(hub.home.root).free, python=platform.python_version(),
    )  # fmt: skip


def list_keys(view: LedgerView) -> list[tuple[str, str]]:
    """Return the fingerprints of this hospital's keys as the ledger has them; none if it is no
    member."""
    me = next((m for m in view.members() if m.account == view.public), None)
    if me is None:
        return []
    found = [("account", me.account[:32])]
    if me.tls:
        found.append(("tls", hashlib.sha256(bytes.fromhex(me.tls)).hexdigest()[:32]))
    return found
