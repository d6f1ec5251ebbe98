"""Parameters as canonical buffers: layout, chunks, digests. Arrays in, bytes out, no I/O policy."""

from swarmhub.params.buffer import (
    arrays_from,
    buffer_of,
    export_safetensors,
    import_safetensors,
    read_into,
    save_safetensors,
    storable,
    write_buffer,
)
from swarmhub.params.chunks import CHUNK_BYTES, ChunkHasher, Fingerprint, chunk_count, leaf_of
from swarmhub.params.layout import ALIGNMENT, DTYPES, MAX_BYTES, Layout, Meaning, Tensor
from swarmhub.params.likeness import ARRAYS, describe_difference

__all__ = [
    "ALIGNMENT",
    "ARRAYS",
    "CHUNK_BYTES",
    "DTYPES",
    "MAX_BYTES",
    "ChunkHasher",
    "Fingerprint",
    "Layout",
    "Meaning",
    "Tensor",
    "arrays_from",
    "buffer_of",
    "chunk_count",
    "describe_difference",
    "export_safetensors",
    "import_safetensors",
    "leaf_of",
    "read_into",
    "save_safetensors",
    "storable",
    "write_buffer",
]
