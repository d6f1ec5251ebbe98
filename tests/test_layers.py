"""Packages import downwards only, and the contract, the merge and the protocol stay pure."""

from __future__ import annotations

import ast
import functools
from pathlib import Path

import pytest

import swarmhub

SOURCE = Path(swarmhub.__file__).parent

# from low to high; packages on one line may import each other
LEVELS = [
    [
        "errors",
        "types",
        "clock",
        "failpoints",
        "files",
        "codec",
        "merkle",
        "keys",
        "params",
        "words",
        "logs",
        "secret_sharing",
        "x25519",
    ],
    ["contract"],
    ["merge", "privacy"],
    ["protocol"],
    ["ledger", "blobs", "transport", "documents"],
    ["train"],
    ["data", "evaluation", "leakage", "recipes", "models"],
    ["home"],
    ["node"],
    ["operations"],
    ["hub", "track"],
    ["demo", "examples", "cli", "sim"],
]
LEVEL = {package: level for level, packages in enumerate(LEVELS) for package in packages}
PURE = {
    "__future__", "base64", "binascii", "bisect", "collections", "collections.abc", "dataclasses",
    "difflib",
    "functools", "hashlib", "json", "math", "re", "types", "typing",
}  # fmt: skip


def files():
    """Every module below a package, as (path from the package, package)."""
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE)
        package = name.parts[0].removesuffix(".py")
        if package not in ("__init__", "__main__"):
            yield name, package


FILES = dict(files())


@functools.cache
def tree_of(name):
    return ast.parse((SOURCE / name).read_text())


@functools.cache
def imports(name):
    """All modules that a file imports anywhere in it, with their lines."""
    return tuple(find_imports(name))


def find_imports(name):
    package = ["swarmhub", *name.parts[:-1]]
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module in ("swarmhub", "swarmhub.ledger"):
                for alias in node.names:
                    yield node.lineno, f"{module}.{alias.name}"
            else:
                yield node.lineno, module


def packages_of(name):
    """Rooms that a file imports, with their lines."""
    for line, module in imports(name):
        parts = module.split(".")
        if parts[0] == "swarmhub" and len(parts) > 1 and parts[1] in LEVEL:
            yield line, parts[1]


def modules_in(package):
    """(file:line, module) of every import of a package."""
    return [
        (f"{name}:{line}", module)
        for name, its in FILES.items()
        if its == package
        for line, module in imports(name)
    ]


def test_every_package_has_its_place():
    assert set(FILES.values()) == set(LEVEL)


@pytest.mark.parametrize("name", FILES, ids=str)
def test_a_package_imports_downwards_only(name):
    package = FILES[name]
    upwards = [
        f"{name}:{line} {to}" for line, to in packages_of(name) if LEVEL[to] > LEVEL[package]
    ]
    assert upwards == []


def test_the_contract_imports_only_what_is_pure():
    allowed = {"types", "codec", "merkle", "errors", "secret_sharing", "contract"}
    wrong = []
    for place, module in modules_in("contract"):
        first, *rest = module.split(".")
        if not (rest and rest[0] in allowed if first == "swarmhub" else module in PURE):
            wrong.append((place, module))
    assert wrong == []


def test_the_contract_computes_without_floats():
    """No float literal, no true division, no round(): another machine gets the same bytes."""
    wrong = []
    for name in (n for n, package in FILES.items() if package in ("contract", "secret_sharing")):
        for node in ast.walk(tree_of(name)):
            is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
            divides = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
            rounds = isinstance(node, ast.Name) and node.id in ("float", "round", "hash", "id")
            rounds = isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and rounds
            if is_float or divides or rounds:
                wrong.append(f"{name}: {ast.unparse(node)}")
    assert wrong == []


def test_what_the_contract_stands_on_does_no_io():
    for name in ("types", "codec", "merkle", "errors", "secret_sharing"):
        wrong = [m for _, m in modules_in(name) if m not in PURE and not m.startswith("swarmhub.")]
        assert wrong == []


def test_the_merge_knows_nothing_of_the_contract():
    modules = modules_in("merge") + modules_in("privacy")
    assert [(p, m) for p, m in modules if m.startswith("swarmhub.contract")] == []


def test_the_protocol_touches_neither_time_nor_chance_nor_the_world():
    forbidden = {
        "numpy", "asyncio", "time", "random", "datetime", "os", "socket", "threading", "secrets",
        "swarmhub.ledger", "swarmhub.transport", "swarmhub.blobs", "swarmhub.node",
    }  # fmt: skip
    wrong = [
        (place, module)
        for place, module in modules_in("protocol")
        if {module.split(".")[0], ".".join(module.split(".")[:2])} & forbidden
    ]
    assert wrong == []


def test_the_simulator_drives_the_same_packages_and_nothing_else():
    allowed = {
        "errors",
        "types",
        "codec",
        "merkle",
        "keys",
        "params",
        "contract",
        "merge",
        "privacy",
        "protocol",
        "secret_sharing",
        "sim",
        "x25519",
    }
    pure = {
        "memory",
        "blocks",
        "sentences",
        "MemoryChain",
        "MemoryLedger",
        "Committed",
        "Block",
        "Tip",
    }
    wrong = []
    for place, module in modules_in("sim"):
        first, *rest = module.split(".")
        in_ledger = rest[:1] == ["ledger"] and len(rest) > 1 and rest[1] in pure
        if first == "swarmhub" and rest[0] not in allowed and not in_ledger:
            wrong.append((place, module))
    assert wrong == []


def test_commands_know_operations_and_neither_contract_nor_ledger():
    lower = ("swarmhub.contract", "swarmhub.ledger", "swarmhub.protocol", "swarmhub.transport")
    wrong = [(place, m) for place, m in modules_in("cli") if m.startswith(lower)]
    assert wrong == []


TRAINING = {Path("recipes/neural/fitting.py"), Path("recipes/neural/networks.py")}


def test_frameworks_are_imported_by_training_alone():
    frameworks = {"torch", "sklearn", "anndata", "tensorflow"}
    wrong = [
        f"{name}:{line} {module}"
        for name, package in FILES.items()
        if package != "train" and name not in TRAINING
        for line, module in imports(name)
        if module.split(".")[0] in frameworks
    ]
    assert wrong == []


def test_nothing_unpickles():
    banned = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
    wrong = [
        f"{name}:{line} {module}"
        for name in FILES
        for line, module in imports(name)
        if module.split(".")[0] in banned
    ]
    assert wrong == []


def test_imports_inside_functions_are_seen():
    inside = {package for name in FILES if FILES[name] == "cli" for _, package in packages_of(name)}
    assert "demo" in inside
