"""The messages of abci.proto as classes: `messages.Request`, `messages.ResponseInfo`, ..."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "swarmhub.abci."


def load() -> dict[str, Any]:
    """Class by name, from the compiled descriptor set (scripts/make_messages.py)."""
    compiled = files(__package__).joinpath("abci.binpb").read_bytes()
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
