"""The messages of abci.proto as classes: `messages.Request`, `messages.ResponseInfo`, ..."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from swarmhub.errors import SwarmhubError

PACKAGE = "swarmhub.abci."


def load() -> dict[str, Any]:
    """Return the classes by name. Raises SwarmhubError if the package was not built."""
    try:
        compiled = files(__package__).joinpath("abci.binpb").read_bytes()
    except FileNotFoundError:
        raise SwarmhubError(
            "This copy of swarmhub was not built (abci.binpb is missing); install it with pip."
        ) from None
    pool = descriptor_pool.DescriptorPool()
    found = descriptor_pb2.FileDescriptorSet.FromString(compiled)
    for file in found.file:
        pool.Add(file)
    classes: dict[str, Any] = {}
    for name in found.file[-1].message_type:
        descriptor = pool.FindMessageTypeByName(PACKAGE + name.name)
        classes[name.name] = message_factory.GetMessageClass(descriptor)
    return classes


CLASSES = load()


def __getattr__(name: str) -> Any:
    try:
        return CLASSES[name]
    except KeyError:
        raise AttributeError(name) from None
