"""Compares abci.proto with the definitions that come with the engine's Go module.

Every message, field name, number, type and enum value of ours must be theirs. Exit code 1 with the
differences, 77 where the module is not on this machine.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = ROOT / "src" / "swarmhub" / "ledger" / "cometbft" / "abci.proto"
MODULE = "github.com/cometbft/cometbft@v0.38.25"
# of two messages with one name the later counts
THEIRS = ("types/validator.proto", "abci/types.proto", "crypto/keys.proto", "crypto/proof.proto")


def definitions(text: str) -> dict[str, dict[str, str]]:
    """{message or enum: {field: "number type"}}, nested ones by their own names."""
    text = re.sub(r"//[^\n]*", "", text)
    text = re.sub(r"\[[^\]]*\]", "", text)
    found: dict[str, dict[str, str]] = {}
    stack: list[str] = []
    for token in re.finditer(r"(message|enum|oneof)\s+(\w+)\s*\{|\}|([^;{}]+);", text):
        if token[0] == "}":
            if stack:
                stack.pop()
        elif token[1]:
            name = stack[-1] if token[1] == "oneof" else token[2]
            if token[1] == "enum" and stack:
                name = f"{stack[-1]}.{token[2]}"
            stack.append(name)
            found.setdefault(name, {})
        elif stack:
            field = re.fullmatch(r"(repeated\s+)?([\w.]*)\s*?(\w+)\s*=\s*(\d+)", token[3].strip())
            if field:
                kind = field[2].rpartition(".")[2]
                found[stack[-1]][field[3]] = f"{field[1] or ''}{kind}".strip() + f" = {field[4]}"
    return {name: {f: " ".join(v.split()) for f, v in x.items()} for name, x in found.items()}


def main() -> int:
    """Compare, print."""
    try:
        cache = subprocess.run(["go", "env", "GOMODCACHE"], capture_output=True, text=True)
    except FileNotFoundError:
        print("Go is not on this machine; nothing to compare with")
        return 77
    folder = Path(cache.stdout.strip()) / MODULE / "proto" / "tendermint"
    if not folder.is_dir():
        print(f"{MODULE} is not in Go's module cache; nothing to compare with")
        return 77
    theirs: dict[str, dict[str, str]] = {}
    for name in THEIRS:
        theirs |= definitions((folder / name).read_text())
    differences = [
        f"{message}.{field}: ours is {ours!r}, theirs {theirs.get(message, {}).get(field)!r}"
        for message, fields in definitions(OURS.read_text()).items()
        for field, ours in fields.items()
        if theirs.get(message, {}).get(field) != ours
    ]
    print(*differences or ["abci.proto is as the engine's own definitions are"], sep="\n")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
