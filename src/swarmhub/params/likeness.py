"""Differences between two models' layouts, in one sentence for a person."""

from __future__ import annotations

from collections.abc import Sequence

from swarmhub.errors import plain
from swarmhub.params.layout import Layout, Meaning, Tensor

SHOWN = 8  # labels of a list that are shown whole; of a longer one, from the first difference on
SHOWN_LETTERS = 40  # of each


MODELS = ("models", "build the same model at every site")
ARRAYS = ("contributions", "send the same arrays at every site")


def describe_difference(
    mine: Layout, theirs: Layout, here: str, there: str, kind: tuple[str, str] = MODELS
) -> str:
    """Return the first difference between two layouts, "" if they are equal. `here` and `there` say
    to which model each belongs: "this model", "the model of Hospital 2". `kind`: what they are, and
    what to do.

    Text of either may come from a peer: it is cut, and made printable."""
    found = _meanings(mine, theirs) or _tensors(mine, theirs)
    if found is None:
        return ""
    what, ours, others = found
    things, advice = kind
    return f"The {things} differ in {what}: {here} has {ours}, {there} has {others}; {advice}."


def _meanings(mine: Layout, theirs: Layout) -> tuple[str, str, str] | None:
    ours, others = _by_name(mine.meanings), _by_name(theirs.meanings)
    for name in sorted({*ours, *others}):
        a, b = ours.get(name), others.get(name)
        if a != b:
            return _shown(name), *_show_labels(a, b)
    return None


def _by_name(meanings: Sequence[Meaning]) -> dict[str, tuple[str, ...]]:
    return {m.name: m.labels for m in meanings}


def _show_labels(a: Sequence[str] | None, b: Sequence[str] | None) -> tuple[str, str]:
    """Return both lists whole if they are short, else from the first place in which they differ."""
    first = 0
    if a is not None and b is not None and max(len(a), len(b)) > SHOWN:
        pairs = zip(a, b, strict=False)
        first = next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))
    return _show_list(a, first), _show_list(b, first)


def _show_list(labels: Sequence[str] | None, first: int) -> str:
    if labels is None:
        return "none"
    shown = ", ".join(_shown(label) for label in labels[first : first + SHOWN])
    before = f"{len(labels)} of them, from place {first + 1} on: " if first else ""
    return f"{before}{shown or 'no more'}{', …' if len(labels) > first + SHOWN else ''}"


def _tensors(mine: Layout, theirs: Layout) -> tuple[str, str, str] | None:
    ours, others = {t.name: t for t in mine.tensors}, {t.name: t for t in theirs.tensors}
    for name in sorted({*ours, *others}):
        a, b = ours.get(name), others.get(name)
        if a != b:
            return f"the array {_shown(name)}", _show(a), _show(b)
    return None


def _show(tensor: Tensor | None) -> str:
    if tensor is None:
        return "none of this name"
    return f"{tensor.dtype} of shape {list(tensor.shape)}"


def _shown(text: str) -> str:
    return plain(text, SHOWN_LETTERS)
