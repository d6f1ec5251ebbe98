"""The error of a folder of evidence that is not as it was written."""

from __future__ import annotations

from swarmhub.errors import BadInput, plain


class Altered(BadInput):
    """The first record that does not hold: `file`, `record` (its line, from 1; 0: the file as a
    whole) and `why`."""

    def __init__(self, file: str, record: int, why: str) -> None:
        self.file, self.record, self.why = plain(file, 200), record, plain(why, 400)
        place = f"{self.file}, record {record}" if record else self.file
        super().__init__(f"{place}: {self.why}.")
