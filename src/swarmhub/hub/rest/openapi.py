"""The OpenAPI document, made from the records that the routes take and give."""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields
from typing import Any, get_type_hints

import msgspec

from swarmhub.hub.downloads import MEDIA, ROLE
from swarmhub.hub.reads import JSON, READS, Read
from swarmhub.operations.acts import ACTS, Act

ROOT = "/api/v1"
DOWNLOADS = "/downloads/{name}"
MOST_WHOLE = 2**53 - 1  # a number that every program of JSON keeps exactly


@dataclass(frozen=True)
class Failed:
    """Why a request was not carried out: one sentence, and the kind of the error."""

    error: str
    code: str


FAILURES = {
    "400": "The request cannot be read; the sentence says what was expected.",
    "401": "No user is known by this token.",
    "403": "The user has not the role.",
    "404": "There is no such thing.",
    "405": "There is another method here.",
    "409": "The operation, or the contract, refuses; the sentence says why and what to do.",
    "413": "The body is too large.",
    "421": "The name in Host does not lead to this hub.",
    "503": "The node does not run, or the ledger is not open yet.",
}


def make_document(version: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of a hub."""
    used = [
        Failed, *(r.gives for r in READS), *(a.takes for a in ACTS.values()),
        *(a.gives for a in ACTS.values()),
    ]  # fmt: skip
    schemas, components = msgspec.json.schema_components(
        used, ref_template="#/components/schemas/{name}"
    )
    for act in ACTS.values():
        _bound(components[act.takes.__name__])
    by_type = dict(zip(map(repr, used), schemas, strict=True))
    paths: dict[str, Any] = {}
    for read in READS:
        paths[f"{ROOT}{read.path}"] = {"get": _describe_read(read, by_type)}
    for act in ACTS.values():
        paths[f"{ROOT}/acts/{act.name}"] = {"post": _describe_act(act, by_type)}
    paths[f"{ROOT}{DOWNLOADS}"] = {"get": _describe_download(by_type)}
    paths[f"{ROOT}/openapi.json"] = {
        "get": {
            "operationId": "openapi", "summary": "This document.",
            "responses": {"200": _answer("The document.", {"type": "object"}),
                          **_failures(by_type)},
        }
    }  # fmt: skip
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "swarmhub",
            "version": version,
            "description": "One hospital's hub. Reads are for every user; an act needs its role.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _bound(schema: dict[str, Any]) -> None:
    """Say of arguments what is refused: other keys, and numbers that not every program keeps."""
    schema["additionalProperties"] = False
    for kind in schema["properties"].values():
        if kind.get("type") == "integer":
            kind |= {"minimum": 0, "maximum": MOST_WHOLE}


def _describe_read(read: Read, by_type: dict[str, Any]) -> dict[str, Any]:
    in_path = set(re.findall(r"{(\w+)}", read.path))
    kinds = get_type_hints(read.takes)
    parameters = []
    for field in fields(read.takes):
        whole = {"type": "integer", "minimum": 0, "maximum": MOST_WHOLE}
        schema: dict[str, Any] = whole if kinds[field.name] is int else {"type": "string"}
        if field.name == "page":
            schema = {**schema, "minimum": 1}
        needed = field.default is MISSING
        parameters.append({
            "name": field.name, "in": "path" if field.name in in_path else "query",
            "required": needed, "schema": schema,
        })  # fmt: skip
    return {
        "operationId": read.name, "summary": f"As 'swarmhub {read.command}' shows.",
        "parameters": parameters,
        "responses": {"200": _answer("Found.", by_type[repr(read.gives)], read.media),
                      **_failures(by_type)},
    }  # fmt: skip


def _describe_act(act: Act, by_type: dict[str, Any]) -> dict[str, Any]:
    body = {"required": True, "content": {"application/json": {"schema": by_type[repr(act.takes)]}}}
    return {
        "operationId": act.name, "summary": f"As 'swarmhub {act.command}' does.",
        "description": f"Needs the role '{act.role}'.", "requestBody": body,
        "responses": {"200": _answer("Done.", by_type[repr(act.gives)]), **_failures(by_type)},
    }  # fmt: skip


def _describe_download(by_type: dict[str, Any]) -> dict[str, Any]:
    parameter = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    file = {"type": "string", "contentMediaType": MEDIA}
    return {
        "operationId": "download", "summary": "The zip file that an act has named, once.",
        "description": f"Needs the role '{ROLE}'.", "parameters": [parameter],
        "responses": {"200": _answer("The file.", file, MEDIA), **_failures(by_type)},
    }  # fmt: skip


def _answer(description: str, schema: Any, media: str = JSON) -> dict[str, Any]:
    return {"description": description, "content": {media: {"schema": schema}}}


def _failures(by_type: dict[str, Any]) -> dict[str, Any]:
    return {code: _answer(said, by_type[repr(Failed)]) for code, said in FAILURES.items()}
