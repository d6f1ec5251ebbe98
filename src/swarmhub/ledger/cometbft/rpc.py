"""Requests to the engine of this machine."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swarmhub.errors import LedgerError

if TYPE_CHECKING:
    import aiohttp

ANSWER_S = 10.0
RETRY_S = 0.2  # between two tries


class RpcError(LedgerError):
    """Raised if the engine refuses a request, or does not answer; `data` is its message."""

    def __init__(self, sentence: str, data: str = "") -> None:
        super().__init__(sentence)
        self.data = data


class Rpc:
    """Requests to the engine of this machine (JSON-RPC over its unix socket)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._session: aiohttp.ClientSession | None = None
        self._numbers = itertools.count(1)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a request. Raises RpcError if it is refused or not answered."""
        import aiohttp  # a third of a command's start time, and few need it

        if self._session is None:
            connector = aiohttp.UnixConnector(short_path(self._path), limit=16)
            timeout = aiohttp.ClientTimeout(total=ANSWER_S)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        asked = {"jsonrpc": "2.0", "id": next(self._numbers), "method": method}
        try:
            async with self._session.post(
                "http://engine/", json={**asked, "params": parameters}
            ) as response:
                answer = await response.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise RpcError(f"CometBFT does not answer ({type(error).__name__}).") from None
        if "error" in answer:
            said = answer["error"]
            raise RpcError(f"CometBFT refused {method}: {said}", str(said.get("data") or ""))
        if not isinstance(answer.get("result"), dict):
            raise RpcError(f"CometBFT gave no result of {method}.")
        return dict(answer["result"])

    async def close(self) -> None:
        """Close the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None


def short_path(path: Path) -> str:
    """Return a path for a socket that fits into 107 bytes, however deep its folder is."""
    text = str(path.absolute())
    if len(text.encode()) <= 100:
        return text
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    return f"/proc/self/fd/{folder}/{path.name}"
