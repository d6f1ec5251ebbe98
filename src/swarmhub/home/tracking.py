"""The place to which training metrics are sent (`track` in node.toml).

mlflow:http://127.0.0.1:5000    a server
mlflow:/srv/mlruns              a folder in MLflow's file store
tensorboard:/srv/runs           a folder for TensorBoard
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from swarmhub.errors import BadInput

MLFLOW, TENSORBOARD = "mlflow", "tensorboard"
MAX_LETTERS = 1000


@dataclass(frozen=True)
class TrackTarget:
    """A tracker, and the URL of its server or the absolute path of its folder."""

    kind: str
    place: str

    @property
    def is_folder(self) -> bool:
        return self.place.startswith("/")

    def __str__(self) -> str:
        return f"{self.kind}:{self.place}"


def parse_track(text: str) -> TrackTarget:
    """Return the target of a setting. Raises BadInput if it is not one."""
    kind, _, place = text.partition(":")
    if len(text) <= MAX_LETTERS and text.isprintable():
        if kind in (MLFLOW, TENSORBOARD) and PurePosixPath(place).is_absolute():
            return TrackTarget(kind, place)
        if kind == MLFLOW and _is_server(place):
            return TrackTarget(kind, place)
    got = repr(text[:80]) if "@" not in text else "a text with an @"  # it may be a password
    raise BadInput(
        "Expected 'mlflow:http://HOST:PORT', 'mlflow:/FOLDER' or 'tensorboard:/FOLDER', with no "
        f"user or password in it, got {got}."
    )


def _is_server(place: str) -> bool:
    try:
        parts = urlsplit(place)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname)
        return is_url and "@" not in parts.netloc and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
