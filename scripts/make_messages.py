"""Compile the ledger engine's messages (abci.proto) to a descriptor set, which is committed.

    python scripts/make_messages.py [--check]

A descriptor set, and not generated code: generated code is bound to the protobuf release that made
it (docs/decisions/019). Needs grpcio-tools.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import grpc_tools
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

FOLDER = Path(__file__).parents[1] / "src" / "swarmhub" / "ledger" / "cometbft"
WELL_KNOWN = Path(grpc_tools.__file__).parent / "_proto"


def compile_messages() -> bytes:
    """The descriptor set of abci.proto with all that it imports."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "abci.binpb"
        code = protoc.main(
            ["protoc", f"-I{FOLDER}", f"-I{WELL_KNOWN}", f"--descriptor_set_out={out}",
             "--include_imports", str(FOLDER / "abci.proto")]
        )  # fmt: skip
        if code != 0:
            raise SystemExit(f"protoc ended with {code}")
        return out.read_bytes()


def main() -> int:
    """Write the descriptor set, or compare it with the one that is there."""
    target, compiled = FOLDER / "abci.binpb", compile_messages()
    if "--check" in sys.argv:
        there = FileDescriptorSet.FromString(target.read_bytes())
        if there != FileDescriptorSet.FromString(compiled):
            print("abci.binpb: not current; run 'python scripts/make_messages.py'.")
            return 1
        return 0
    target.write_bytes(compiled)
    return 0


if __name__ == "__main__":
    sys.exit(main())
