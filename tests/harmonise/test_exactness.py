"""Rows of `bench/exactness.py` stay below their limits; those without a library are skipped."""

import warnings

import pytest
from exactness import make_checks, print_part

pytestmark = pytest.mark.unit

# the others take 10 s each, and have their like in test_components.py and tests/recipes_linear
QUICK = (
    "moments", "correlations", "Welch's t", "least squares", "moderated t", "ComBat",
    "Kaplan-Meier", "log-rank", "Cox",
)  # fmt: skip


@pytest.fixture(scope="module")
def checks():
    return make_checks(100, 0)


@pytest.mark.parametrize("name", QUICK)
def test_no_row_of_the_table_is_above_its_limit(name, checks):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the libraries
        try:
            rows = list(checks[name]())
        except ImportError as error:
            pytest.skip(f"{error.name} is not installed")
    assert rows
    assert [row for row in rows if not row[2] <= row[3]] == []


def test_a_row_above_its_limit_is_counted(capsys):
    rows = [("b", "c", 2.0, 1.0), ("d", "c", float("nan"), 1.0), ("e", "c", 1.0, 1.0)]
    assert print_part("a", lambda: iter(rows)) == (2, 0)


def test_a_library_that_is_absent_is_named(capsys):
    def check():
        yield "b", "c", 0.0, 1.0
        raise ModuleNotFoundError("no", name="absent.part")

    assert print_part("a", check) == (0, 1)
    assert capsys.readouterr().out.splitlines()[-1].split() == [
        "a", "absent", "skipped:", "not", "installed",
    ]  # fmt: skip
