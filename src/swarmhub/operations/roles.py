"""The roles of a hospital's people, beside `viewer`, which all have."""

from __future__ import annotations

from typing import Literal, get_args

Role = Literal["viewer", "researcher", "owner", "administrator"]
ROLES: tuple[Role, ...] = get_args(Role)
