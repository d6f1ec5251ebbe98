"""A hospital's statistics of its training rows: the one document that leaves before any training.

It says how many rows there are, how many of each class (or the mean, the deviations and the coarse
histogram of a measured outcome), and per column the count, the mean, the sum
of squared deviations, a coarse histogram and the covariance with the outcome (numbers, `numbers`)
or the frequency of each category (words). It never holds a row or a free text, and nothing in it is
about fewer than `min_count` patients:

- a numeric column with values of fewer patients is published as if it had none: the mean of one
  value is that value;
- a column of codes (at most 10 distinct values, whole numbers or each of them in two rows on
  average, as 0 and 1) is withheld as a whole if one of them
  belongs to fewer patients: count, mean and variance would tell how many. `withheld` says how many
  rows are known here but not published;
- a bin of the histogram with fewer patients is merged with its neighbour;
- the covariance with the outcome is published if each class has as many patients with a value;
- a category of fewer patients is not published, nor is the one that its number would follow from;
  a column of words with as many values as patients, with dates, record numbers or more than 50
  distinct values is free text, and none of its values is published.

Counts of rows by class are published as they are; they are needed to balance the classes.

The documents are merged (`swarmhub.merge.documents`), and every hospital derives the same `Design`
from the merged bytes (`design`).
"""

from __future__ import annotations

import json

import numpy as np

from swarmhub.codec import Json
from swarmhub.data.dataset import Dataset
from swarmhub.data.frames import Words
from swarmhub.data.identifiers import why_text
from swarmhub.data.numbers import summarise_numbers, summarise_outcome
from swarmhub.data.people import People
from swarmhub.errors import BadInput

MIN_COUNT = 5  # patients; the usual smallest cell in published hospital statistics
MAX_CATEGORIES = 50  # distinct words at one hospital; coded variables have fewer, names more


def statistics_of(dataset: Dataset, min_count: int = MIN_COUNT) -> bytes:
    """Return the statistics document of a dataset's rows, canonical JSON; see the module for its
    content, `merge.documents` for its form.

    Give it training rows only. Raises BadInput if the dataset has no outcome.
    """
    if dataset.y is None:
        raise BadInput("Statistics need the outcome; name its column when reading the table.")
    people = People.of(dataset)
    columns = {name: _write(c) for name, c in summarise_numbers(dataset, people, min_count)}
    for name, words in dataset.categories.items():
        columns[name] = _write(_summarise_words(words, people, min_count))
    inside = ",".join(f"{_write(name)}:{columns[name]}" for name in sorted(columns))
    labels = _write(_count_labels(dataset))
    measured = dataset.y if not dataset.has_classes else dataset.time
    outcome = ""
    if measured is not None:
        outcome = f'"outcome":{_write(summarise_outcome(measured, people, min_count))},'
    return f'{{"columns":{{{inside}}},"labels":{labels},{outcome}"rows":{dataset.rows}}}'.encode()


def _write(value: Json) -> str:
    """Return canonical JSON as of `codec`, whose own writer takes a second for 20,000 columns."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _count_labels(dataset: Dataset) -> dict[str, int]:
    """Return the rows of each class; none for a measured outcome."""
    if not dataset.has_classes:
        return {}
    assert dataset.y is not None
    labels, counts = np.unique(dataset.y, return_counts=True)
    by_label = {f"{value:g}": int(n) for value, n in zip(labels, counts, strict=True)}
    return {"0": 0, "1": 0} | by_label


def _summarise_words(words: Words, people: People, least: int) -> Json:
    counts = words.counts()
    known = sum(counts.values())
    published: dict[str, int] = {}
    here = people[words.known]
    is_free = len(counts) > MAX_CATEGORIES or (len(counts) > 1 and len(counts) >= here.count())
    if not is_free and not why_text(words):
        by_word = here.count_by_code(words.codes[words.known], len(words.words))
        place = {word: k for k, word in enumerate(words.words)}
        published = {w: n for w, n in counts.items() if by_word[place[w]] >= least}
        hidden = [place[w] for w in counts if w not in published]
        if hidden and published and not people[np.isin(words.codes, hidden)].has(least):
            del published[min(published, key=lambda w: (published[w], w))]
    return {
        "kind": "text", "count": known, "missing": len(words) - known, "categories": published,
    }  # fmt: skip
