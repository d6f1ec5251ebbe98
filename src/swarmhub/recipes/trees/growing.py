"""The trees of a study, a level in each round of a `sum` stage.

A round adds, for each node of the level that grows, each feature and each bin, the rows'
gradients and curvatures and their number. The best splits follow from the sums; all trees so far
travel with them as arrays that are equal at all hospitals (`forest.AGREED`), so that a trainer that
comes late goes on from the newest sums. With several outputs a tree of each grows in the same
round. Several models may grow side by side: the first one of all hospitals, and one without each.

A cell leaves with `least` patients or more: within a node and a feature, neighbouring bins are
merged (`cells`), and a node with fewer patients at this hospital adds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.contract.records import Bound, Stage, Until
from swarmhub.contract.round.kinds import SUM
from swarmhub.errors import BadInput
from swarmhub.recipes.fixed import range_of
from swarmhub.recipes.linear.losses import Loss
from swarmhub.recipes.trees.cells import Array, Whole, group_cells
from swarmhub.recipes.trees.forest import AGREED, Forest
from swarmhub.recipes.trees.slopes import BITS, MOST, find_slopes, weigh_classes
from swarmhub.recipes.trees.splits import find_splits

Arrays = dict[str, npt.NDArray[Any]]
Sums = Mapping[str, npt.NDArray[Any]]

MOVING = "moving"  # 0 in the last round
MAX_BYTES = 32 << 20  # of one hospital's arrays in a round
MAX_ROWS = 2**40  # of a cell
MAX_LEAF = 1 << 12  # of a value of a leaf, in a masked study
AT_ONCE = 1_000_000  # cells of rows that are added in one piece


@dataclass(frozen=True)
class Terms:
    """What all hospitals grow: trees of a depth, with the step `rate`, over features in so many
    bins, for a loss; `least` patients of a cell."""

    trees: int
    depth: int
    rate: float
    features: int
    bins: int
    loss: Loss
    least: int = 1

    def need_size(self, models: int) -> None:
        """Raise BadInput if the arrays of a round are too large."""
        size = self.count_bytes(models)
        if size > MAX_BYTES:
            raise BadInput(
                f"Expected arrays of up to {MAX_BYTES >> 20} MB in a round, got "
                f"{size / 2**20:.1f} MB for {self.features} features x {self.bins} bins x "
                f"{1 << (self.depth - 1)} nodes x {self.loss.outputs} outputs and {self.trees} "
                "trees; choose fewer columns, or a smaller options.depth or options.trees."
            )

    def count_bytes(self, models: int) -> int:
        """Return the size of a round's arrays at most."""
        nodes = 1 << (self.depth - 1)
        cells = 3 * nodes * self.features * self.bins
        return 8 * models * self.loss.outputs * (cells + 6 * nodes * self.trees)


def make_stage(name: str, trees: int, depth: int, masked: bool = False) -> Stage:
    """Return the stage in which the trees grow; `masked`: all arrays are whole numbers of steps."""
    bounds = (
        Bound("gradient", -MOST, MOST, BITS), Bound("curvature", 0, MOST, BITS),
        Bound("rows", 0, MAX_ROWS), Bound(MOVING, 0, 1),
        *((range_of("leaf", MAX_LEAF),) if masked else ()),
    )  # fmt: skip
    return Stage(name, SUM, trees * depth, until=Until(MOVING, 0), bounds=bounds, agreed=AGREED)


@dataclass(frozen=True, eq=False)
class Rows:
    """A hospital's rows: bins (n, p), outcomes y (n,), and counted (n,), 1 for a row that counts as
    a patient."""

    bins: Whole
    y: Array
    counted: Array


@dataclass(eq=False)
class Growth:
    """Models that grow at a hospital. class_rows (M, c): rows of each class that each of M models
    sees in all; `own` is the model that does not see this hospital's rows, 0 if there is none."""

    terms: Terms
    class_rows: npt.NDArray[Any]
    rows: Rows
    own: int = 0
    _margins: Array = field(init=False)  # (M, e, n) of the first `_known` trees
    _known: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        t, label = self.terms, self.rows.y.astype(np.int64)
        t.need_size(len(self.class_rows))
        if not t.loss.has_classes:
            label = np.zeros(len(label), dtype=np.int64)
        self._weights = np.stack([weigh_classes(c, t.loss)[label] for c in self.class_rows])
        self._margins = np.zeros((len(self.class_rows), t.loss.outputs, len(label)))

    @property
    def start(self) -> Forest:
        """The trees before the first round."""
        t = self.terms
        return Forest.start(len(self.class_rows), t.trees, t.loss.outputs, t.depth, t.bins)

    def arrays(self, sums: Sums | None) -> Arrays:
        """Return this hospital's arrays for the next round; `sums` are the newest settled ones,
        None before the first."""
        return self.add_level(self.advance(sums))

    def add_level(self, forest: Forest) -> Arrays:
        """Return this hospital's arrays for the level that grows."""
        t, level = self.terms, 0 if forest.is_grown else forest.level
        shape = (len(self.class_rows), t.loss.outputs, 1 << level, t.features, t.bins)
        gradient, curvature, rows = np.zeros((3, *shape))
        for model in range(shape[0] * (not forest.is_grown)):
            if model == 0 or model != self.own:
                found = self._add_up(forest, model)
                gradient[model], curvature[model], rows[model] = found
        moving = np.array([not (forest.is_grown or forest.is_last)], dtype=np.int64)
        return forest.to_arrays() | {
            "gradient": gradient, "curvature": curvature, "rows": rows.astype(np.int64),
            MOVING: moving,
        }  # fmt: skip

    def advance(self, sums: Sums | None) -> Forest:
        """Return the trees that follow from settled sums."""
        if sums is None:
            return self.start
        forest = self.start.read(sums, self.terms.features, self.terms.bins)
        if forest.is_grown:
            return forest
        gradient, curvature, rows = (
            sums[name].astype(np.float64) for name in ("gradient", "curvature", "rows")
        )
        splits = find_splits(gradient, curvature, rows, self.terms.least)
        return forest.grow(splits, self.terms.rate)

    def _add_up(self, forest: Forest, model: int) -> Array:
        """Return the sums of gradients, curvatures and rows by node, feature and bin, (3, e, nodes,
        p, B), of the level that grows."""
        t, margins = self.terms, self._margins_of(forest)[model]
        slopes = find_slopes(t.loss, self.rows.y, margins, self._weights[model])
        nodes = forest.walk(model, forest.tree, forest.level, self.rows.bins)
        found = np.zeros((3, t.loss.outputs, 1 << forest.level, t.features, t.bins))
        ones = np.ones(len(self.rows.y))
        for k in range(t.loss.outputs):
            values = [slopes[0][k], slopes[1][k], ones]
            if t.least > 1:
                values.append(self.rows.counted)
            cells = add_cells(self.rows.bins, nodes[k], values, found.shape[2:])
            if t.least > 1:
                groups = group_cells(cells[3], t.least)
                cells = np.stack([groups.merge(v) for v in cells[:3]])
            found[:, k] = cells
        return found

    def _margins_of(self, forest: Forest) -> Array:
        """Return the margins of all trees that are done, (M, e, n)."""
        if forest.tree < self._known:
            self._margins[:], self._known = 0.0, 0
        for tree in range(self._known, forest.tree):
            for model, margins in enumerate(self._margins):
                margins += forest.value(model, tree, self.rows.bins)
        self._known = forest.tree
        return self._margins


def add_cells(
    bins: Whole, node: Whole, values: list[Array], shape: tuple[int, ...]
) -> npt.NDArray[np.float64]:
    """Return sums of values (n,) by node, feature and bin, (values, nodes, p, B) with `shape` =
    (nodes, p, B); bins (n, p), node (n,)."""
    nodes, features, width = shape
    found = np.zeros((len(values), *shape))
    step = max(1, AT_ONCE // max(1, len(node)))
    for first in range(0, features, step):
        part = bins[:, first : first + step]
        wide = part.shape[1]
        cell = (node[:, None] * wide + np.arange(wide)) * width + part
        for k, value in enumerate(values):
            each = np.repeat(value, wide)
            added = np.bincount(cell.ravel(), each, minlength=nodes * wide * width)
            found[k, :, first : first + wide] = added.reshape(nodes, wide, width)
    return found


def grow_alone(growth: Growth) -> Forest:
    """Return the trees of one place's rows."""
    forest = growth.start
    while not forest.is_grown:
        forest = growth.advance(growth.add_level(forest))
    return forest
