"""Puts this folder on the path, so that every room's tests can import `builders`."""

import pytest

from swarmhub.blobs import BlobStore


@pytest.fixture(autouse=True)
def no_late_syncs(request, monkeypatch):
    """A store's thread that syncs some seconds later would do so in the middle of another test."""
    if "late_syncs" not in request.keywords:
        monkeypatch.setattr(BlobStore, "_sync_later", lambda store, digest: None)
