"""The image in a study's features: which of them are pixels, and where each lies.

The image reader names columns by row, column and channel, "px_003_012_0" (`data.readers.images`),
behind "block/" if the study has several blocks. The design leaves out pixels that do not vary; the
grid is the smallest box that has all others, and those that are left out are 0 in it, the mean of
every standardised feature. Rows, columns and channels come from merged statistics, hence from
others: a grid that is larger than any image that can be read is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.data.design import NUMBER, Source
from swarmhub.data.frames import Floats
from swarmhub.data.readers.images import MAX_PIXELS
from swarmhub.errors import BadInput

PIXEL = re.compile(r"(?:(.*)/)?px_(\d{3,6})_(\d{3,6})_(\d{1,3})", re.DOTALL | re.ASCII)
SMALLEST = 4  # pixels on a side: two poolings leave one

Places = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Grid:
    """An image of `height`, `width` and `channels`: `pixels` (k,) are the features that lie in it,
    at `places` (k,) of (channel, row, column) in C order, `others` (q,) are all other features."""

    height: int
    width: int
    channels: int
    pixels: Places
    places: Places
    others: Places

    @classmethod
    def of(cls, sources: Sequence[Source]) -> Grid:
        """Return the grid of a study's features. Raises BadInput if they have no image, several, or
        one that is too large or too small."""
        found = [PIXEL.fullmatch(s.column) if s.kind == NUMBER else None for s in sources]
        named = [(place, match) for place, match in enumerate(found) if match]
        if not named:
            raise BadInput(
                "Expected images for the model 'cnn' (columns px_ROW_COLUMN_CHANNEL, as folders of "
                "images and .npz files have them), got none that vary; choose another "
                "options.model."
            )
        blocks = sorted({match[1] or "" for _, match in named})
        if len(blocks) > 1:
            raise BadInput(
                f"Expected one block of images for the model 'cnn', got {len(blocks)}; exclude the "
                "pixels of the others."
            )
        at = np.array([[int(match[k]) for k in (4, 2, 3)] for _, match in named])
        at[:, 1:] -= at[:, 1:].min(axis=0)
        channels, height, width = (int(size) for size in at.max(axis=0) + 1)
        if channels * height * width > MAX_PIXELS or min(height, width) < SMALLEST:
            raise BadInput(
                f"Expected images of at least {SMALLEST} pixels on a side and at most {MAX_PIXELS} "
                f"numbers for the model 'cnn', got {height} x {width} x {channels}; resize them "
                "alike at all hospitals."
            )
        places = np.ravel_multi_index(tuple(at.T), (channels, height, width))
        if len(np.unique(places)) < len(places):
            raise BadInput("Expected each pixel once among the columns, got one twice.")
        others = [place for place, match in enumerate(found) if not match]
        return cls(
            height, width, channels, np.array([place for place, _ in named], dtype=np.int64),
            places.astype(np.int64), np.array(others, dtype=np.int64),
        )  # fmt: skip

    @property
    def size(self) -> int:
        """Numbers of an image."""
        return self.channels * self.height * self.width

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        return self.channels, self.height, self.width

    def lay_out(self, x: Floats) -> tuple[Floats, Floats]:
        """Return the images (n, c, h, w) and the other features (n, q) of rows x (n, p)."""
        flat = np.zeros((len(x), self.size))
        flat[:, self.places] = x[:, self.pixels]
        return flat.reshape(-1, *self.shape), x[:, self.others]

    def count_flat(self, convolutions: int, channels: int) -> int:
        """Return the outputs of so many convolutions with pooling, the last with these channels."""
        return channels * (self.height >> convolutions) * (self.width >> convolutions)
