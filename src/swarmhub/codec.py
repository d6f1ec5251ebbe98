"""Canonical JSON and strict records.

Canonical form: RFC 8785 restricted to what a ledger needs: objects with sorted string keys, arrays,
strings, integers within ±(2^53 - 1), true, false, null. No floats: an auditor on another platform
must get the same bytes. Decoding is strict: the bytes must be exactly the canonical encoding of
their content, keys must be known, types must match.

Records are frozen dataclasses. `pack(record)` gives bytes, `unpack(cls, bytes)` gives the record
back or raises `Malformed` with the path of the offending value and, for an unknown key, the nearest
valid one. A field at its default is not packed: a field that a later version adds, with a default,
changes neither the bytes nor the digest of older records.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import hashlib
import json
import re
import types
import typing
from typing import Any, TypeVar

from swarmhub.errors import Malformed

MAX_INT = 2**53 - 1  # RFC 8785: integers that every JSON reader represents exactly
MAX_DEPTH = 16  # nesting beyond this is an attack, not a record
WRONG_KEY = "Every key of a JSON object is a string of characters to U+FFFF."
MAX_NESTED = 200_000  # brackets: each becomes an object of some 60 bytes
# A string of JSON; one that is never closed extends to the end, or each quote in it would begin
# another search for its end.
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
REMEMBERED = "_canonical"  # attribute in which a record caches its own text

T = TypeVar("T")
Json = Any


def encode(value: Json) -> bytes:
    """Return the canonical bytes of a JSON value (records may stand in it). Raises Malformed for
    floats, oversized integers, and anything else that could not be read back."""
    try:
        return _write(value, 0).encode("utf-8", "strict")
    except UnicodeEncodeError:
        raise Malformed("A string is not valid Unicode; send plain UTF-8.") from None


def _write(value: Json, depth: int) -> str:
    """Return the canonical text of a value, in one pass."""
    if isinstance(value, str):
        return json.encoder.encode_basestring(value)
    if value is None or value is True or value is False:
        return "null" if value is None else "true" if value else "false"
    if isinstance(value, int):
        if not -MAX_INT <= value <= MAX_INT:
            raise Malformed(f"The integer {str(value)[:30]} is outside ±(2^53 - 1).")
        return int.__repr__(value)
    if depth == MAX_DEPTH:
        raise Malformed(f"The JSON is nested deeper than {MAX_DEPTH} levels; flatten it.")
    if isinstance(value, dict):
        pairs = [f"{_write_key(k)}:{_write(value[k], depth + 1)}" for k in _in_order(value)]
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([_write(item, depth + 1) for item in value]) + "]"
    if is_record(value):
        return _write_record(value, depth)
    raise Malformed(f"A {type(value).__name__} has no place in canonical JSON (integers only).")


def _in_order(value: dict[Any, Json]) -> list[str]:
    if all(isinstance(key, str) for key in value):
        return sorted(value)
    raise Malformed(WRONG_KEY)


def _write_key(key: str) -> str:
    if not key.isascii() and any(c > "\uffff" for c in key):
        raise Malformed(WRONG_KEY)  # its order by code point is not RFC 8785's by UTF-16 unit
    return json.encoder.encode_basestring(key)


def _write_record(record: Any, depth: int) -> str:
    """Return the canonical text of a record, cached (records are frozen): a record that grows by
    one item (a round by a contribution) costs that item, not all of them again."""
    cls: Any = type(record)
    memory = vars(record)
    text: str | None = memory.get(REMEMBERED)
    if text is None:
        pairs = [
            f'"{name}":{_write(value, depth + 1)}'
            for name, default in _defaults(cls)
            if (value := memory[name]) is not default
            and (value != default or type(value) is not type(default))
        ]
        memory[REMEMBERED] = text = "{" + ",".join(pairs) + "}"
    return text


def _no_float(text: str) -> Json:
    raise Malformed(f"The number {text[:30]} is not an integer; canonical JSON has integers only.")


def _bounded_int(text: str) -> int:
    if len(text) > 17:
        raise Malformed(f"The integer {text[:30]} is outside ±(2^53 - 1).")
    return int(text)


def decode(data: bytes, limit_bytes: int = 1 << 20, limit_values: int = MAX_NESTED) -> Json:
    """Return the JSON value of canonical bytes; raises Malformed for anything but the canonical
    form."""
    value = parse(data, limit_bytes, limit_values)
    if encode(value) != data:
        raise Malformed("The JSON is not in canonical form (sorted keys, no spaces).")
    return value


def parse(data: bytes, limit_bytes: int = 1 << 20, limit_values: int = MAX_NESTED) -> Json:
    """Parse JSON written by a person or a local process: integers only, any spacing. `limit_values`
    is how many brackets may be opened (outside of strings)."""
    if len(data) > limit_bytes:
        raise Malformed(f"Expected at most {limit_bytes} bytes of JSON, got {len(data)}.")
    if _count_brackets(data) > limit_values < _count_brackets(STRING.sub(b"", data)):
        raise Malformed("The JSON has too many nested values.")
    try:
        return json.loads(
            data.decode("utf-8", "strict"),
            parse_float=_no_float,
            parse_int=_bounded_int,
            parse_constant=_no_float,
        )
    except Malformed:
        raise
    except (ValueError, RecursionError) as error:
        raise Malformed(f"Expected JSON, got bytes that do not parse ({error}).") from None


def _count_brackets(data: bytes) -> int:
    return data.count(b"[") + data.count(b"{")


def digest(*parts: bytes) -> str:
    """Return the sha256 over the parts, each preceded by its length (8 bytes, big-endian); 64 hex
    digits."""
    h = hashlib.sha256()
    for part in parts:
        h.update(len(part).to_bytes(8, "big"))
        h.update(part)
    return h.hexdigest()


def is_digest(text: str) -> bool:
    """Return whether the text is 64 lower-case hex digits."""
    return len(text) == 64 and not text.strip("0123456789abcdef")


# records


def to_json(record: Any) -> Json:
    """Return the JSON value of a dataclass record (nested records, tuples and dicts included)."""
    if is_record(record):
        cls: Any = type(record)
        return {name: to_json(getattr(record, name)) for name, _, _ in _fields(cls)}
    if isinstance(record, tuple | list):
        return [to_json(item) for item in record]
    if isinstance(record, dict):
        return {key: to_json(item) for key, item in record.items()}
    return record


def to_sparse_json(record: Any) -> Json:
    """Return the JSON value of a record as it is packed, without the fields at their default: what
    another version of swarmhub may read, or what is hashed."""
    return json.loads(pack(record))


def pack(record: Any) -> bytes:
    """Return the canonical bytes of a record. Raises Malformed for values that could not be read
    back."""
    return encode(record)


def unpack(cls: type[T], data: bytes, limit_bytes: int = 1 << 20) -> T:
    """Return the record of canonical bytes: those that `pack` gives for it, and no others."""
    found = from_json(cls, parse(data, limit_bytes))
    if pack(found) != data:
        raise Malformed(
            f"{cls.__name__} is not in canonical form (sorted keys, no spaces, no field at its "
            "default)."
        )
    return found


def from_json(cls: type[T], value: Json, where: str = "") -> T:
    """Return a record of class `cls` from a JSON value; Malformed names the offending path."""
    return typing.cast(T, _read(cls, value, where or cls.__name__))


def is_record(value: object) -> bool:
    """Return whether the value is a dataclass instance."""
    return hasattr(type(value), "__dataclass_fields__")


@functools.cache
def _defaults(cls: type) -> tuple[tuple[str, Any], ...]:
    """Return the names of a record's fields, sorted, with their defaults (or
    dataclasses.MISSING)."""
    found = {}
    for f in dataclasses.fields(cls):
        makes = f.default_factory
        found[f.name] = f.default if makes is dataclasses.MISSING else makes()
    return tuple(sorted(found.items()))


@functools.cache
def _fields(cls: type) -> tuple[tuple[str, Any, bool], ...]:
    hints = typing.get_type_hints(cls)
    missing = dataclasses.MISSING
    return tuple(
        (f.name, hints[f.name], f.default is missing and f.default_factory is missing)
        for f in dataclasses.fields(cls)
    )


def _shown(key: str) -> str:
    """Return a hostile key for a sentence: short, and on one line."""
    return key if key.isidentifier() and len(key) <= 60 else ascii(key[:60])


def _said(value: Json) -> str:
    try:
        text = json.dumps(value, ensure_ascii=True, default=str)
    except RecursionError:
        text = "something nested too deeply"
    return text if len(text) <= 60 else text[:57] + "..."


def _read(kind: Any, value: Json, where: str) -> Any:
    if kind is str or kind is int or kind is bool:
        if type(value) is not kind:
            raise Malformed(f"{where}: expected {kind.__name__}, got {_said(value)}.")
        if isinstance(value, int) and not -MAX_INT <= value <= MAX_INT:
            raise Malformed(f"{where}: the integer is outside ±(2^53 - 1).")
        return value
    if dataclasses.is_dataclass(kind):
        return _read_record(kind, value, where)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        if not isinstance(value, list):
            raise Malformed(f"{where}: expected a list, got {_said(value)}.")
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_read(args[0], item, f"{where}[{i}]") for i, item in enumerate(value))
        if len(value) != len(args):
            raise Malformed(f"{where}: expected {len(args)} items, got {len(value)}.")
        pairs = zip(args, value, strict=True)
        return tuple(_read(a, item, f"{where}[{i}]") for i, (a, item) in enumerate(pairs))
    if origin is dict:
        if not isinstance(value, dict):
            raise Malformed(f"{where}: expected an object, got {_said(value)}.")
        return {str(k): _read(args[1], v, f"{where}.{_shown(k)}") for k, v in value.items()}
    if origin is types.UnionType or origin is typing.Union:  # only `X | None` occurs
        inner = next(a for a in args if a is not type(None))
        return None if value is None else _read(inner, value, where)
    if origin is typing.Literal:
        if value not in args:
            raise Malformed(f"{where}: expected one of {', '.join(args)}, got {_said(value)}.")
        return value
    raise TypeError(f"codec does not know {kind!r}")


def _read_record(cls: Any, value: Json, where: str) -> Any:
    if not isinstance(value, dict):
        raise Malformed(f"{where}: expected an object, got {_said(value)}.")
    fields = _fields(cls)
    names = [name for name, _, _ in fields]
    for key in value:
        if key not in names:
            near = difflib.get_close_matches(key, names, 1, 0.5)
            hint = f"did you mean '{near[0]}'?" if near else f"valid keys: {', '.join(names)}."
            raise Malformed(f"{where}: unknown key {key[:60]!r}; {hint}")
    found = {}
    for name, kind, required in fields:
        if name in value:
            found[name] = _read(kind, value[name], f"{where}.{name}")
        elif required:
            raise Malformed(f"{where}: the key '{name}' is missing.")
    return cls(**found)
