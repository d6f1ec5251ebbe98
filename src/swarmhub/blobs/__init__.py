"""Content-addressed parameter buffers on disk: checked, resumable, retained by rule."""

from swarmhub.blobs.download import Incoming
from swarmhub.blobs.files import FileSource
from swarmhub.blobs.store import BlobStore

__all__ = ["BlobStore", "FileSource", "Incoming"]
