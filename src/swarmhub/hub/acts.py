"""Acts: the hub has no keys, so it asks the node of its home to carry them out."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.errors import BadInput, HomeError
from swarmhub.home.home import Home
from swarmhub.operations.acts import ACTS

MORE_S = 30.0  # than the node takes at most


class Refused(BadInput):
    """The operation, or the contract, has refused an act."""


class NodeApi:
    """The local API of the home's node."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def act(self, name: str, arguments: Any, person: str) -> tuple[Json, int]:
        """Have an act carried out for a person; return its result, and the height of its block.
        Raises Refused with the contract's or the operation's sentence, HomeError if no node
        answers."""
        patience_s = ACTS[name].patience_s + MORE_S
        body = {"act": name, "arguments": codec.to_json(arguments), "person": person}
        found: Any = await self._ask("POST", "/v1/act", codec.encode(body), patience_s)
        return found["result"], int(found["height"])

    async def status(self) -> dict[str, Any]:
        """Return the node's status (`Node.status`)."""
        found = await self._ask("GET", "/v1/status", None, 5.0)
        return found if isinstance(found, dict) else {}

    async def _ask(self, method: str, path: str, data: bytes | None, patience_s: float) -> Json:
        try:
            told = json.loads(self._home.run_path("api.json").read_bytes())
            url, token = f"http://127.0.0.1:{int(told['port'])}{path}", str(told["token"])
        except (OSError, ValueError, KeyError, TypeError):
            raise HomeError(
                f"No node is running on {self._home.root}; start it with 'swarmhub up'."
            ) from None
        if self._session is None:
            self._session = aiohttp.ClientSession(auto_decompress=False)
        try:
            async with self._session.request(
                method, url, data=data, headers={"Authorization": f"Bearer {token}"},
                timeout=aiohttp.ClientTimeout(total=patience_s),
            ) as answer:  # fmt: skip
                found = json.loads(await answer.read())
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            raise HomeError(
                "The node does not answer; look at its log, and try again in a moment."
            ) from None
        if status != 200:
            said = found.get("error") if isinstance(found, dict) else None
            raise Refused(str(said or "The node refused."))
        return found
