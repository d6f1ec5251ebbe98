"""Trees of fixed depth as they grow, for several models side by side.

A tree of depth D has nodes 0 .. 2^D - 2, level by level: 2 k + 1 and 2 k + 2 are below node k, left
if a row's bin is at most the node's cut. It has 2^D leaves from left to right. All rows of a node
that is not split go left; its value is that of its leftmost leaf.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BadInput
from swarmhub.recipes.trees.cells import Array, Whole
from swarmhub.recipes.trees.splits import Splits

AGREED = ("feature", "cut", "leaf", "stand")  # arrays that are equal at all hospitals


@dataclass(frozen=True, eq=False)
class Forest:
    """M models of T trees for each of e outputs: feature and cut (M, T, e, 2^D - 1), leaf values
    (M, T, e, 2^D); the tree and the level that grow. All is grown once `tree` is T."""

    feature: Whole
    cut: Whole
    leaf: Array
    tree: int = 0
    level: int = 0

    @classmethod
    def start(cls, models: int, trees: int, outputs: int, depth: int, bins: int) -> Forest:
        """Return trees without any split, whose leaves are 0."""
        nodes = np.zeros((models, trees, outputs, (1 << depth) - 1), dtype=np.int64)
        return cls(nodes, nodes + (bins - 1), np.zeros((models, trees, outputs, 1 << depth)))

    @property
    def trees(self) -> int:
        """Number of trees, T."""
        return int(self.leaf.shape[1])

    @property
    def depth(self) -> int:
        """Levels of a tree, D."""
        return int(self.leaf.shape[3]).bit_length() - 1

    @property
    def is_grown(self) -> bool:
        """Whether all trees are there."""
        return self.tree >= self.trees

    @property
    def is_last(self) -> bool:
        """Whether no round follows the one in which this level is grown."""
        return self.tree * self.depth + self.level >= self.trees * self.depth - 1

    def walk(self, model: int, tree: int, levels: int, bins: Whole) -> Whole:
        """Return the place of rows within a level, (e, n), for each output; bins (n, p)."""
        every = np.arange(len(bins))
        found = np.zeros((self.leaf.shape[2], len(bins)), dtype=np.int64)
        for output, place in enumerate(found):
            feature, cut = self.feature[model, tree, output], self.cut[model, tree, output]
            for level in range(levels):
                node = place + ((1 << level) - 1)
                place += place + (bins[every, feature[node]] > cut[node])
        return found

    def value(self, model: int, tree: int, bins: Whole) -> Array:
        """Return what a tree adds to the margins of rows, (e, n)."""
        leaves = self.walk(model, tree, self.depth, bins)
        return np.take_along_axis(self.leaf[model, tree], leaves, axis=1)

    def grow(self, splits: Splits, rate: float) -> Forest:
        """Return the trees with the splits of this level's nodes, (M, e, 2^level), and the values
        of their sides; the next tree follows if none is split, or the last level is done."""
        feature, cut, leaf = self.feature.copy(), self.cut.copy(), self.leaf.copy()
        nodes = slice((1 << self.level) - 1, (2 << self.level) - 1)
        feature[:, self.tree, :, nodes] = splits.feature
        cut[:, self.tree, :, nodes] = splits.cut
        width = 1 << (self.depth - self.level - 1)  # leaves below each side
        sides = leaf[:, self.tree, :, ::width]  # the leftmost of them
        values = (rate * splits.values).reshape(sides.shape)
        sides[...] = np.where(np.repeat(splits.has_rows, 2, axis=-1), values, sides)
        is_done = self.level + 1 >= self.depth or not splits.is_split.any()
        tree, level = (self.tree + 1, 0) if is_done else (self.tree, self.level + 1)
        return replace(self, feature=feature, cut=cut, leaf=leaf, tree=tree, level=level)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays of AGREED."""
        stand = np.array([self.tree, self.level], dtype=np.int64)
        return {"feature": self.feature, "cut": self.cut, "leaf": self.leaf, "stand": stand}

    def read(self, arrays: Mapping[str, npt.NDArray[Any]], features: int, bins: int) -> Forest:
        """Return trees of the same form out of settled arrays. Raises BadInput if they are none."""
        found = {name: np.asarray(arrays[name]) for name in AGREED}
        wanted = self.to_arrays()
        is_like = all(
            (a.shape, a.dtype) == (wanted[n].shape, wanted[n].dtype) for n, a in found.items()
        )
        tree, level = found["stand"].tolist() if is_like else (0, 0)
        feature, cut = found["feature"], found["cut"]
        is_inside = is_like and bool(
            ((feature >= 0) & (feature < features) & (cut >= 0) & (cut < bins)).all()
            and np.isfinite(found["leaf"]).all()
        )
        if not is_inside or not (0 <= tree <= self.trees and 0 <= level < self.depth):
            raise BadInput(
                f"Expected {self.trees} trees of depth {self.depth} over {features} features, got "
                "other arrays; start the trainer again."
            )
        return Forest(feature, cut, found["leaf"], tree, level)
