"""Timing of requests that members answer at once."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import aiohttp

from swarmhub.transport.links import Links

ANSWERED_AT_ONCE = frozenset(["/v1/greeting", "/v1/receipt", "/v1/ledger"])


def watch_round_trips(links: Links) -> aiohttp.TraceConfig:
    """Return aiohttp's hooks that time requests: from the moment in which the connection is there
    to the head of the response. `trace_request_ctx` is the member, None for what is not timed."""
    found = aiohttp.TraceConfig()

    async def begin(_: Any, context: SimpleNamespace, __: Any) -> None:
        context.since_s = asyncio.get_running_loop().time()

    async def end(_: Any, context: SimpleNamespace, __: Any) -> None:
        since_s, member = getattr(context, "since_s", None), context.trace_request_ctx
        if since_s is not None and member is not None:
            links.answered(member, asyncio.get_running_loop().time() - since_s)

    found.on_connection_create_end.append(begin)
    found.on_connection_reuseconn.append(begin)
    found.on_request_end.append(end)
    return found
