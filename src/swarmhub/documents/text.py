"""Text of others, as people may safely see it."""

from __future__ import annotations

KEPT = "\n\t"


def is_text(data: bytes) -> bool:
    """Return whether bytes are UTF-8 without NUL."""
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def escape_text(text: str) -> str:
    """Return a text with every character that cannot be seen as an escape: one that turns the
    direction of writing shows other code than what runs, others move a terminal's cursor."""
    text = text.replace("\r\n", "\n")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in KEPT else _escape(c) for c in text)


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"
