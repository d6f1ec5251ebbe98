"""The merged statistics without this hospital's own: what the other hospitals have."""

from __future__ import annotations

import math
from dataclasses import dataclass

from swarmhub.codec import Json
from swarmhub.data.design import read_statistics


@dataclass(frozen=True)
class Others:
    """The merged statistics without this hospital's own."""

    merged: Json
    own: Json

    @classmethod
    def of(cls, merged: bytes, own: bytes) -> Others:
        """Return the statistics of the other hospitals."""
        return cls(read_statistics(merged), read_statistics(own))

    def column(self, name: str) -> dict[str, Json] | None:
        """Return a numeric column's entry in the merge, if there is one."""
        found = self.merged["columns"].get(name)
        return found if found is not None and found["kind"] == "numeric" else None

    def bins(self, name: str) -> dict[int, int]:
        """Return the other hospitals' values of a numeric column by bin."""
        column, mine = self.column(name), self.own["columns"].get(name, {})
        if column is None:
            return {}
        own = mine.get("bins", {})
        left = {int(b): n - own.get(b, 0) for b, n in column["bins"].items()}
        return {b: n for b, n in left.items() if n > 0}

    def effect(self, name: str) -> float:
        """Return the standardised covariance of a column with the outcome at the other hospitals:
        a sum of co-deviations, in standard deviations of the column; 0 if it is not known."""
        column = self.column(name)
        if column is None or not column["count"]:
            return 0.0
        mine = self.own["columns"].get(name, {})
        if mine.get("kind") != "numeric":
            mine = {}
        sd = math.sqrt(float.fromhex(column["m2"]) / column["count"])
        return _without(column, mine) / sd if sd > 0 else 0.0


def _without(merged: Json, own: Json) -> float:
    """Return the sum of co-deviations of the merge without one hospital's (Chan's update,
    undone)."""
    n, k = merged["pairs"], own.get("pairs", 0)
    xy = float.fromhex(merged["xy"])
    if not k or n <= k:
        return xy if not k else 0.0
    rest = n - k
    x, y = float.fromhex(merged["x"]), float.fromhex(merged["y"])
    ox, oy = float.fromhex(own["x"]), float.fromhex(own["y"])
    rx, ry = (n * x - k * ox) / rest, (n * y - k * oy) / rest
    left: float = xy - float.fromhex(own["xy"]) - (ox - rx) * (oy - ry) * (rest * k / n)
    return left
