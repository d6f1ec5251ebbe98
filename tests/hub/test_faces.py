"""One layer, three faces: each act and each read is a command, a route, and on a page."""

from importlib.resources import files

import pytest
import typer

from swarmhub.cli.app import app
from swarmhub.hub.reads import READS
from swarmhub.hub.rest.openapi import ROOT, make_document
from swarmhub.operations.acts import ACTS
from swarmhub.operations.roles import ROLES

# commands that are about this machine, its files or its processes, or run alone
ALONE = {
    "init", "up", "relay", "demo", "example", "train table", "sim run", "sim replay",
    "ledger install",
    "hub serve", "hub open", "hub user add", "hub user link", "hub user token",
    "hub user remove", "hub user list", "data check", "predict", "report",
    "model sign", "model keys", "evidence verify",
    "node card", "node backup", "node restore", "node reset-signing",
    "node export", "ledger check-proof", "ledger show", "study forget", "study new",
    "consortium found",
    "consortium accept", "consortium apply", "consortium join", "consortium leave",
    "consortium upgrade", "consortium revoke", "consortium restart",
}  # fmt: skip
TEMPLATES = "\n".join(f.read_text() for f in (files("swarmhub.hub.web") / "templates").iterdir())
ELSEWHERE = {"study.propose": "/studies/new", "study.amend": "/studies/new"}


def list_commands(group, before=""):
    for name, command in group.commands.items():
        words = f"{before}{name}"
        if hasattr(command, "commands"):
            yield from list_commands(command, f"{words} ")
        else:
            yield words


COMMANDS = set(list_commands(typer.main.get_command(app)))


@pytest.mark.parametrize("act", ACTS.values(), ids=lambda a: a.name)
def test_an_act_is_a_command_a_route_and_on_a_page(act):
    assert act.command in COMMANDS
    assert f"{ROOT}/acts/{act.name}" in make_document("1")["paths"]
    assert f'"{act.name}"' in TEMPLATES or f"url('{ELSEWHERE[act.name]}')" in TEMPLATES
    assert act.role in ROLES


@pytest.mark.parametrize("read", READS, ids=lambda r: r.name)
def test_a_read_is_a_command_and_a_route(read):
    assert read.command in COMMANDS
    assert f"{ROOT}{read.path}" in make_document("1")["paths"]


def test_nothing_is_a_command_alone_but_what_is_listed():
    faces = {a.command for a in ACTS.values()} | {r.command for r in READS}
    assert COMMANDS - faces - ALONE == set()
    assert set() == ALONE - COMMANDS


def test_the_document_refers_to_what_it_has():
    document = make_document("1")
    known = document["components"]["schemas"]

    def walk(value):
        if isinstance(value, dict):
            if "$ref" in value:
                assert value["$ref"].removeprefix("#/components/schemas/") in known
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(document)
    assert len(known) > 20
