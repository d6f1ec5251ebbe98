"""Compiles the ledger's messages (abci.proto) to a descriptor set when the package is built.

A descriptor set, and not generated code: that is bound to the protobuf release that made it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = "src/swarmhub/ledger/cometbft"


class CompileMessages(BuildHookInterface):  # type: ignore[type-arg]
    """protoc --descriptor_set_out."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        import grpc_tools
        from grpc_tools import protoc

        folder = Path(self.root) / FOLDER
        out = folder / "abci.binpb"
        well_known = Path(grpc_tools.__file__).parent / "_proto"
        code = protoc.main(
            ["protoc", f"-I{folder}", f"-I{well_known}", f"--descriptor_set_out={out}",
             "--include_imports", str(folder / "abci.proto")]
        )  # fmt: skip
        if code != 0:
            raise RuntimeError(f"protoc ended with {code}")
        build_data["artifacts"].append(f"{FOLDER}/abci.binpb")
