"""The ledger: what happened, in words, by study, member and day."""

from __future__ import annotations

import datetime
from urllib.parse import urlencode

from aiohttp import web

from swarmhub.errors import BadInput, plain
from swarmhub.hub.context import HUB
from swarmhub.hub.ledger_export import MEDIA, read_form, write_entries
from swarmhub.hub.read_model import Search
from swarmhub.hub.rest.routes import as_file, stream
from swarmhub.hub.web.site import draw
from swarmhub.operations.log import find_member
from swarmhub.operations.proofs.beside import prove_beside
from swarmhub.operations.verifying import look_at_verification

DAY_MS = 86_400_000


def add_routes(app: web.Application, prefix: str) -> None:
    """Add the routes."""
    app.router.add_get(f"{prefix}/ledger", show)
    app.router.add_get(f"{prefix}/ledger/export.{{form:jsonl|csv}}", export)
    app.router.add_get(f"{prefix}/ledger/proofs/{{tx}}", prove)


async def show(request: web.Request) -> web.Response:
    """The page."""
    hub = request.app[HUB]
    view = hub.seen().view
    names, given = view.names(), {k: v[:100] for k, v in request.query.items()}
    wrong, wanted = "", Search()
    try:
        wanted = _read(given, names)
    except BadInput as error:
        wrong = str(error)
    found = hub.watching.model.search(wanted)
    query = urlencode({k: v for k, v in given.items() if k != "page" and v})
    return draw(
        request, "ledger.html", found=found, given=given, wrong=wrong, query=query,
        names=sorted(names.values()), studies=hub.watching.model.studies(),
        chain=view.ledger.tip.chain_id, height=view.ledger.tip.height,
        verified=look_at_verification(hub.seen()),
    )  # fmt: skip


async def export(request: web.Request) -> web.StreamResponse:
    """The entries that the form of the page has found, as a file."""
    hub, form = request.app[HUB], request.match_info["form"]
    given = {k: v[:100] for k, v in request.query.items()}
    wanted = _read(given, hub.seen().view.names())
    pieces = write_entries(hub.watching.model, wanted, read_form(form))
    return await stream(request, pieces, MEDIA[form], f"ledger.{form}")


async def prove(request: web.Request) -> web.Response:
    """The proof of one transaction, as a file."""
    tx = request.match_info["tx"]
    data = await prove_beside(request.app[HUB].home, tx)
    headers = as_file(f"proof-{tx[:16]}.json")
    return web.Response(body=data, content_type="application/json", headers=headers)


def _read(given: dict[str, str], names: dict[int, str]) -> Search:
    member = find_member(names, given["member"]) if given.get("member") else 0
    page = given.get("page", "1")
    if not page.isascii() or not page.isdigit() or len(page) > 9:
        raise BadInput(f"Expected the number of a page, got '{plain(page, 20)}'.")
    return Search(
        given.get("q", ""), given.get("study", ""), member, _day(given.get("from", "")),
        _day(given.get("to", ""), DAY_MS), int(page),
    )  # fmt: skip


def _day(text: str, more_ms: int = 0) -> int:
    """Return the beginning of a day (UTC) in ms, and so much more; 0 for no day."""
    if not text:
        return 0
    try:
        day = datetime.datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=datetime.UTC)
    except ValueError:
        raise BadInput(f"Expected a day as 2026-11-30, got '{plain(text, 20)}'.") from None
    return max(1, int(day.timestamp() * 1000) + more_ms)
