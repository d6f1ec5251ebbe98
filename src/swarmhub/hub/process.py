"""The hub's own process: a child of the node's, on the loopback. It opens no key of the home."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
from dataclasses import replace
from typing import Any

from aiohttp import web

from swarmhub.errors import BadInput, plain
from swarmhub.files import write_durably
from swarmhub.home.config import parse_address
from swarmhub.home.forbidding import forbid_keys
from swarmhub.home.home import Home
from swarmhub.hub.auth.links import LIFE_MS
from swarmhub.hub.auth.users import HERE
from swarmhub.hub.context import Hub, Place, links_of, open_hub

HOST, PORT, TRIES = "127.0.0.1", 7490, 100
OFF = "off"

log = logging.getLogger("swarmhub.hub")


def place_of(home: Home) -> Place:
    """Return the address of a home's hub; port 0 is any free one."""
    config = home.config
    host, port = parse_address(config.hub_listen) if config.hub_listen else (HOST, PORT)
    names = tuple(n for n in config.hub_names.replace(",", " ").split() if n)
    return Place(host.strip("[]"), port, names, config.hub_prefix.rstrip("/"), config.hub_user)


async def serve(home: Home) -> None:
    """Run the hub until it is told to stop. Raises BadInput if its port is taken."""
    from swarmhub.hub.app import make_app

    forbid_keys(home)
    wanted = place_of(home)
    socket_, place = _listen(wanted, is_chosen=bool(home.config.hub_listen))
    hub = open_hub(home, place)
    runner = web.AppRunner(make_app(hub), access_log=None, shutdown_timeout=0.5)
    stopping = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    path = home.run_path("hub.json")
    try:
        await runner.setup()
        await web.SockSite(runner, socket_).start()
        told = {"pid": os.getpid(), "host": place.host, "port": place.port, "prefix": place.prefix}
        write_durably(path, json.dumps(told).encode())
        print(f"The hub: {make_link(home, hub)} ({say_link()})", flush=True)
        await stopping.wait()
    finally:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        await runner.cleanup()


def _listen(wanted: Place, is_chosen: bool) -> tuple[Any, Place]:
    """Return a listening socket, and the place with its port: the wanted one, or one of the next
    if nobody has chosen it."""
    import socket

    tries = 1 if is_chosen or not wanted.port else TRIES
    for port in range(wanted.port, wanted.port + tries):
        try:
            made = socket.create_server((wanted.host, port), reuse_port=False)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and port + 1 < wanted.port + tries:
                continue
            raise BadInput(
                f"Expected to listen on {wanted.host}:{port} for the hub, but "
                f"{error.strerror or error}; stop what uses the port, or change 'hub_listen' in "
                "the home's node.toml."
            ) from None
        return made, replace(wanted, port=int(made.getsockname()[1]))
    raise BadInput("No port is free for the hub; set 'hub_listen' in the home's node.toml.")


def say_link(user: str = HERE) -> str:
    """Return for how long a link of `make_link` works and for which person, and what makes
    another."""
    works = f"works once, within {LIFE_MS // 3_600_000} hours"
    if user == HERE:
        return (
            f"{works}, for the person that started this node, with all roles; 'swarmhub hub open' "
            "makes another"
        )
    name = plain(user, 64)
    return f"{works}, for '{name}' alone; 'swarmhub hub user link {name}' makes another"


def make_link(home: Home, hub: Hub | None = None, user: str = HERE) -> str:
    """Return a link to the running hub that logs a user in, once. Raises BadInput if none runs."""
    links = hub.links if hub is not None else links_of(home)
    if hub is not None:
        place = hub.place
    else:
        try:
            told = json.loads(home.run_path("hub.json").read_bytes())
            place = Place(str(told["host"]), int(told["port"]), (), str(told["prefix"]))
        except (OSError, ValueError, KeyError, TypeError):
            raise BadInput(
                f"No hub is running on {home.root}; start it with 'swarmhub up' (and see "
                "'hub_listen' in node.toml)."
            ) from None
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"http://{host}:{place.port}{place.prefix}/link/{links.make(user)}"
