"""Bodies of members' requests, parsed."""

from __future__ import annotations

from swarmhub import codec
from swarmhub.errors import Malformed
from swarmhub.merge.audit import MAX_STRETCHES
from swarmhub.protocol import ReceiptCame
from swarmhub.types import MemberId

MAX_BODY_BYTES = 64 * 1024
BODY_S = 10.0  # for a body of at most MAX_BODY_BYTES


def read_starts(data: bytes, nbytes: int) -> list[int]:
    """Parse the requested starts of stretches within `nbytes`. Raises Malformed if they are
    invalid."""
    starts = codec.decode(data, MAX_BODY_BYTES)
    if not isinstance(starts, list) or not 0 < len(starts) <= MAX_STRETCHES:
        raise Malformed(f"Expected a list of 1 to {MAX_STRETCHES} places in a buffer.")
    if not all(type(at) is int and 0 <= at < nbytes for at in starts):
        raise Malformed(f"Expected places from 0 to {nbytes - 1} in a buffer.")
    return starts


def read_receipt(data: bytes, sender: MemberId) -> tuple[str, ReceiptCame]:
    """Parse a study's name and a receipt, which counts as the sender's regardless of its content.
    Raises Malformed if it is invalid."""
    body = codec.decode(data, MAX_BODY_BYTES)
    if not isinstance(body, dict):
        raise Malformed("Expected a receipt as a JSON object.")
    study = body.pop("study", "")
    if not isinstance(study, str):
        raise Malformed("Expected the study's name as text.")
    return study[:64], codec.from_json(ReceiptCame, {**body, "member": sender})


def read_light_request(data: bytes) -> tuple[str, int, int]:
    """Parse method, height and page of a newcomer's light client. Raises Malformed if they are
    invalid."""
    asked = codec.decode(data, MAX_BODY_BYTES)
    if not isinstance(asked, dict):
        raise Malformed("Expected a question as a JSON object.")
    method, height, page = (asked.get(k) for k in ("method", "height", "page"))
    if type(method) is not str or type(height) is not int or type(page) is not int:
        raise Malformed("Expected a method, a height and a page.")
    return method, height, page
