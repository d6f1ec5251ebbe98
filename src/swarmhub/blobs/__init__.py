"""Content-addressed parameter buffers on disk: checked, resumable, retained by rule."""

from swarmhub.blobs.store import BlobStore, FileSource, Incoming

__all__ = ["BlobStore", "FileSource", "Incoming"]
