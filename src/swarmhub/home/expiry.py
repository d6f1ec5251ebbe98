"""The end of this hospital's certificate, in time for its operator."""

from __future__ import annotations

from swarmhub import keys
from swarmhub.home.home import Home

NOTICE_DAYS = 30


def find_expiry(home: Home) -> str:
    """Return a sentence if the certificate has expired or soon will, with what to do; else "".
    Raises OSError or ValueError if it cannot be read."""
    days = keys.days_left(home.certificate_path.read_text())
    replace = "replace it with 'swarmhub consortium rotate-key tls'"
    if days < 0:
        return (
            "The certificate of this hospital has expired, and the other members refuse its "
            f"connections; {replace}."
        )
    if days < NOTICE_DAYS:
        return (
            f"The certificate of this hospital expires in {days} days, and then the other members "
            f"refuse its connections; {replace}."
        )
    return ""
