"""A trainer's client of its own node: JSON over loopback with the home's token, blocking.

The node may be restarted while a trainer runs: the client reads `run/api.json` again and continues.
"""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path
from typing import Any

from swarmhub import codec
from swarmhub.errors import FenceError, TrainerError, say_other_api
from swarmhub.train.notices import Notices
from swarmhub.types import LOCAL_API_VERSION

RETRY_S = 0.05
RETRY_MOST_S = 1.0
UNSAID_S = 0.5  # shorter outages are not reported
SOCKET_TIMEOUT_S = 90.0
NOT_NOW = 503  # it says why


class NodeClient:
    """One connection to the node of a home."""

    def __init__(
        self, home: Path, patience_s: float = 600.0, notices: Notices | None = None
    ) -> None:
        self._api = home / "run" / "api.json"
        self._home = home
        self._patience_s = patience_s
        self._absent = notices or Notices()  # of a node that does not answer
        self._connection: http.client.HTTPConnection | None = None
        self._token = ""

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request (the body may contain records), and return the node's answer. Waits
        through a restart of the node, or what keeps it from answering for a while, and says so.
        Raises TrainerError if it refuses or stays away longer than `patience_s`, FenceError if it
        knows another fence."""
        return self._call("POST", path, json.dumps(body, default=_to_json).encode())

    def get(self, path: str) -> dict[str, Any]:
        """Return the node's answer to a GET."""
        return self._call("GET", path, None)

    def _call(self, method: str, path: str, data: bytes | None) -> dict[str, Any]:
        end, home = time.monotonic() + self._patience_s, self._home
        pause = RETRY_S
        while True:
            away = f"No node answers on {home}: start it with 'swarmhub up --home {home}'"
            try:
                connection = self._connect()
                headers = {"Authorization": f"Bearer {self._token}"}
                connection.request(method, path, data, headers)
                response = connection.getresponse()
                status, text = response.status, response.read()
                if status == NOT_NOW:
                    away = str(_read(status, text).get("error")).rstrip(".")
                elif status != 401:
                    break
                self.close()  # another node has started on the home, or will: read its token
            except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
                self.close()
            if time.monotonic() > end:
                raise TrainerError(
                    f"Expected an answer of the node within {self._patience_s:.0f} s. {away}."
                )
            if time.monotonic() > end - self._patience_s + UNSAID_S:
                self._absent.waiting(f"{away}; waiting for it")
            time.sleep(pause)
            pause = min(pause * 1.5, RETRY_MOST_S)
        self._absent.goes_on("the node answers; going on")
        found = _read(status, text)
        if status != 200:
            kind = FenceError if found.get("code") == FenceError.__name__ else TrainerError
            raise kind(str(found.get("error", f"The node answered {status}.")))
        return found

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            api = json.loads(self._api.read_bytes())
            version = api.get("version", 1) if isinstance(api, dict) else 1
            if version != LOCAL_API_VERSION:
                raise TrainerError(say_other_api(self._home, LOCAL_API_VERSION, version))
            self._token = str(api["token"])
            self._connection = http.client.HTTPConnection(
                "127.0.0.1", int(api["port"]), timeout=SOCKET_TIMEOUT_S
            )
        return self._connection

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _read(status: int, text: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(text)) if text else {}
    except (ValueError, TypeError):
        return {"error": f"The node failed ({status}); see its log."}


def _to_json(record: Any) -> Any:
    """Return a record in a request's body as it is packed."""
    return json.loads(codec.pack(record))
