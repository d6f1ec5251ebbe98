"""No sum of floats by Python's own `sum` if members must agree on it.

From Python 3.12 on, `sum` of floats carries a correction along and gives other bits than 3.11 does.
`math.fsum` is exact everywhere; `merge.arithmetic.tree_sum` has a stated order.
"""

import ast
from pathlib import Path

import pytest

import swarmhub

SOURCE = Path(swarmhub.__file__).parent
# The contract needs no entry: it has no floats at all, which `test_layers.py` checks.
PACKAGES = ("merge", "params", "protocol", "data", "recipes", "codec.py", "merkle.py")

# What is summed, and the reason why it is of integers; a sum of ones or lengths needs none.
INTEGERS = {
    "weights": "weights of the ledger",
    "inputs.weights": "weights of the ledger",
    "(c.weight for c in r.contributions)": "weights of the ledger",
    "(t.count for t in layout.tensors)": "numbers of values",
    "(bool(POINT.fullmatch(c)) for c in known)": "numbers of cells",
    "(bool(WHOLE.fullmatch(c)) for c in known)": "numbers of cells",
    "labels.values()": "numbers of rows, checked when the document is read",
    "categories.values()": "numbers of rows, checked when the document is read",
    "counts.values()": "numbers of rows",
    "(n for word, n in counts.items() if DATE.fullmatch(word))": "numbers of rows",
    "(n for word, n in words.counts().items() if word not in categories)": "numbers of rows",
    "(counts[word] for word in twice)": "numbers of rows",
    "(n for _, n in found)": "numbers of values",
    "bins.values()": "numbers of rows",
    "theirs.values()": "numbers of rows",
    "found.values()": "numbers of rows, checked when the document is read",
    "best": "places in a list",
    "part": "numbers of rows",
    "mine": "numbers of rows",
    "theirs": "numbers of rows",
    "rows.values()": "numbers of rows",
    "rows": "numbers of rows",
    "class_rows": "numbers of rows",
    "self.design.class_rows": "numbers of rows",
}


def sums():
    """Each call of the builtin in those packages: (place, what is summed)."""
    for package in PACKAGES:
        place = SOURCE / package
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            yield from sums_in(path.read_text(), str(path.relative_to(SOURCE)))


def sums_in(text, name):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sum", "builtins.sum"):
            yield f"{name}:{node.lineno}", node.args[0]


def is_count(summed):
    """Whether it counts by itself: comparisons, lengths and whole numbers."""
    one = summed.elt if isinstance(summed, ast.GeneratorExp | ast.ListComp) else None
    is_length = isinstance(one, ast.Call) and ast.unparse(one.func) == "len"
    is_one = isinstance(one, ast.Constant) and type(one.value) is int
    return isinstance(one, ast.Compare) or is_length or is_one


def unproven(found):
    return [
        (place, ast.unparse(summed))
        for place, summed in found
        if not is_count(summed) and ast.unparse(summed) not in INTEGERS
    ]


def test_sums_that_members_agree_on_are_of_integers():
    found = list(sums())
    assert len(found) > 8
    assert unproven(found) == [], "use math.fsum or tree_sum, or say in INTEGERS why it is of ints"


def test_every_reason_is_of_a_sum_that_is_there():
    assert set(INTEGERS) <= {ast.unparse(summed) for _, summed in sums()}


@pytest.mark.parametrize(
    ("line", "is_refused"),
    [
        ("sum(x)", True),
        ("sum(a * b for a, b in c)", True),
        ("builtins.sum([0.1] * 3)", True),
        ("sum(len(x) for x in y)", False),
        ("sum(x == 1 for x in y)", False),
        ("math.fsum(x)", False),
    ],
)
def test_a_sum_of_what_may_be_floats_is_refused(line, is_refused):
    assert bool(unproven(sums_in(line, "x.py"))) == is_refused
