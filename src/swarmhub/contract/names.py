"""Names and addresses: which are valid, and which two count as the same.

Names are read by people, so two that look alike are one: they are compared without case, accents,
punctuation, and with letters and digits that look alike folded into one. The table of letters ships
with the contract (`letters`); `unicodedata` differs between Python versions, and members would
disagree about a block.
"""

from __future__ import annotations

from swarmhub.contract.letters import LETTERS
from swarmhub.contract.refusals import BadValue

MAX_NAME = 60
DIGITS = "0123456789"
PUNCTUATION = " -'.,&()/"
ALLOWED = f"Latin, Greek or Cyrillic letters, digits, spaces and {PUNCTUATION[1:]}"
SCRIPT_OF = {c: script for script, folds in LETTERS.items() for cs in folds.values() for c in cs}
FOLDED = {
    **{c: folded for folds in LETTERS.values() for folded, cs in folds.items() for c in cs},
    **{d: d for d in DIGITS},
    "0": "o",
    "1": "l",
}
STUDY_NAME = "1 to 40 of a-z, 0-9 and '-', with a letter or digit at both ends"
MAX_METRIC_NAME = 40  # bytes: a contribution has up to 32 of them
METRIC_SIGNS = " !#$%&'()*+,-./:;<=>?@[]^_`{|}~"  # \" and \\ take four bytes each in the state
METRIC_NAME = (
    f"a name of 1 to {MAX_METRIC_NAME} bytes: Latin, Greek or Cyrillic letters, digits, spaces and "
    'signs but not " or \\'
)
MAX_REASON = 500  # bytes
REASON = f"at most {MAX_REASON} bytes of printable text on one line"
# Characters that are invisible or change how the text around them is read: controls, separators of
# lines, marks of direction, of no width, private ones, surrogates. Not from `unicodedata`: see
# above.
UNPRINTABLE = (
    (0x00, 0x1F), (0x7F, 0x9F), (0xAD, 0xAD), (0x61C, 0x61C), (0x180B, 0x180F), (0x200B, 0x200F),
    (0x2028, 0x202E), (0x2060, 0x206F), (0xD800, 0xF8FF), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFF0, 0xFFFF), (0xE0000, 0x10FFFF),
)  # fmt: skip
MAX_HOST = 253
MAX_LABEL = 63
LABEL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
HEX = frozenset("0123456789abcdefABCDEF")
MAX_RELAYS = 4


def check_name(text: str) -> None:
    """Refuse a text that cannot be a name."""
    name_fault = find_name_fault(text)
    if name_fault:
        raise BadValue("name", name_fault, text)


def find_name_fault(text: str) -> str:
    """Return what a name should have and this text does not; "" if it is a name."""
    if not 0 < len(text) <= MAX_NAME or not text.strip():
        return f"1 to {MAX_NAME} letters, digits and spaces"
    for c in text:
        if c not in FOLDED and c not in PUNCTUATION:
            return f"{ALLOWED} (not the character U+{ord(c):04X}; write é as one character)"
    scripts = [script for script in LETTERS if any(SCRIPT_OF.get(c) == script for c in text)]
    if len(scripts) > 1:
        return f"letters of one script, not {' and '.join(scripts)} ones together"
    if text[0] not in FOLDED or (text[-1] not in FOLDED and text[-1] not in ".)"):
        return "a letter or digit at its beginning and its end"
    return ""


def is_metric_name(text: str) -> bool:
    """Return whether a text can name a metric (METRIC_NAME says what can)."""
    good = all(c in FOLDED or c in METRIC_SIGNS for c in text)
    return good and 0 < len(text.encode()) <= MAX_METRIC_NAME


def check_reason(text: str) -> None:
    """Refuse a text that cannot be a reason (REASON says what can); "" states none."""
    if len(text) > MAX_REASON or not is_printable(text) or len(text.encode()) > MAX_REASON:
        raise BadValue("reason", REASON, text)


def is_printable(text: str) -> bool:
    """Return whether people see all characters of a text as they are."""
    return not any(low <= ord(c) <= high for c in text for low, high in UNPRINTABLE)


def fold_name(text: str) -> str:
    """Return the form in which a name is compared; equal for names that look alike."""
    words = "".join(" " if c in PUNCTUATION else FOLDED.get(c, c) for c in text)
    return " ".join(words.split())


def find_address_fault(text: str) -> str:
    """Return what host:port should have and this text does not; "" if it is an address."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not is_port(port):
        if text.count(":") > 1 and is_ipv6(text):
            return "an IPv6 address in brackets and a port, as [fd00::1]:7400"
        return "host:port with a port of 1 to 65535"
    if host[0] == "[" and host[-1] == "]" and is_ipv6(host[1:-1]):
        return ""
    if host[0] == "[" or (":" in host and set(host) <= HEX | {":"}):
        return "an IPv6 address in brackets and a port, as [fd00::1]:7400"
    labels = host.split(".")
    if len(host) > MAX_HOST or not all(0 < len(x) <= MAX_LABEL and set(x) <= LABEL for x in labels):
        return f"host:port; a host is 1 to {MAX_LABEL} letters, digits and - between its dots"
    return ""


def is_address(text: str) -> bool:
    """Return whether a text is host:port, with a host name, an IPv4 address, or an IPv6 address in
    brackets."""
    return not find_address_fault(text)


def is_behind_relays(text: str) -> bool:
    """Return whether a text is @host:port of one to MAX_RELAYS relays, with commas between."""
    relays = text[1:].split(",")
    return text[:1] == "@" and len(relays) <= MAX_RELAYS and all(is_address(r) for r in relays)


def fold_address(text: str) -> tuple[str, int]:
    """Return the host and port as which an address is compared: equal ones lead to the same
    endpoint."""
    host, _, port = text.rpartition(":")
    if host[0] == "[":
        left, gap, right = host[1:-1].lower().partition("::")
        before, after = ([f"{int(g, 16):x}" for g in s.split(":") if g] for s in (left, right))
        middle = ["0"] * (8 - len(before) - len(after)) if gap else []
        host = ":".join([*before, *middle, *after])
    return "".join(LOWER.get(c, c) for c in host), int(port)


LOWER = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz", strict=True))


def is_ipv6(text: str) -> bool:
    """Return whether a text is eight groups of hex digits, or fewer with one "::"."""
    halves = text.split("::")
    groups = [g for half in halves if half for g in half.split(":")]
    if not all(0 < len(g) <= 4 and set(g) <= HEX for g in groups):
        return False
    return len(groups) == 8 if len(halves) == 1 else len(halves) == 2 and len(groups) < 8


def is_port(text: str) -> bool:
    """Return whether a text is 1 to 65535 in plain digits."""
    digits = 0 < len(text) <= 5 and all(c in DIGITS for c in text)
    return digits and 0 < int(text) < 65536


def is_study_name(text: str) -> bool:
    """Return whether a text is 1 to 40 of a-z, 0-9 and '-', with no '-' at either end (it would be
    read as an option)."""
    allowed = "abcdefghijklmnopqrstuvwxyz0123456789-"
    inner = 0 < len(text) <= 40 and all(c in allowed for c in text)
    return inner and text[0] != "-" and text[-1] != "-"
