"""The rounds of a study that settle sums, in words."""

from dataclasses import replace

import pytest
from builders import HEART, digest

from swarmhub.contract.records import Model, Share, Spec, Stage, Study, Until
from swarmhub.operations.rounds import SettledRound
from swarmhub.operations.studies import StudyShown
from swarmhub.operations.sum_terms import SUM_COLUMNS, list_sums, say_sums
from swarmhub.operations.terms import say_history

STAGES = (
    Stage("statistics", "describe"),
    Stage("newton", "sum", 5, until=Until("slope", 7)),
    Stage("begin", "initial"),
    Stage("learn", "train", 2),
    Stage("counts", "evaluate"),
)
SPEC = Spec(HEART, stages=STAGES)


def settled(number, stage, turn, members, met=False):
    shares = tuple(Share(m, 100, digest("own")) for m in members)
    kind = next(s.kind for s in STAGES if s.name == stage)
    model = Model(
        HEART, number, kind, digest(f"r{number}"), 34_000, digest(stage), "", "", "", 1, 0, 0,
        shares, (), stage, turn, met,
    )  # fmt: skip
    return SettledRound(model, 0, (), None)


def shown(*rounds, arrays=None):
    names = {m: f"h{m}" for m in (1, 2, 3)}
    study = Study(HEART, "", 1)
    made = StudyShown(study, SPEC, None, names, (1, 2, 3), 2, 0, rounds=rounds)
    return replace(made, arrays=arrays or {})


def row(*rounds, arrays=None):
    (found,) = say_sums(shown(*rounds, arrays=arrays))
    return dict(zip(SUM_COLUMNS, found, strict=True))


def test_a_stage_of_sums_has_one_row_with_its_members():
    rounds = (settled(2, "newton", 1, (1, 2, 3)), settled(3, "newton", 2, (1, 3)))
    assert row(*rounds, arrays={digest("newton"): 12}) == {
        "stage": "newton",
        "rounds": "1 to 2",
        "sites": "h1, h2 (1 of 2 rounds), h3",
        "added up": "arrays of numbers, as the trainers make them",
        "result": "12 arrays, 34 kB",
        "test": "does not hold yet",
    }


@pytest.mark.parametrize(
    ("turn", "met", "said"),
    [(2, True, "holds"), (5, False, "does not hold"), (4, False, "does not hold yet")],
)
def test_the_test_of_a_stage_is_said(turn, met, said):
    assert row(settled(2, "newton", turn, (1,), met))["test"] == said


def test_the_size_is_said_if_the_arrays_are_not_known_here():
    assert row(settled(2, "newton", 1, (1,)))["result"] == "sums, 34 kB"


def test_a_statistics_document_is_named():
    found = row(settled(1, "statistics", 1, (1, 2)))
    assert (found["added up"], found["result"]) == ("statistics of tables", "a document, 34 kB")
    assert found["test"] == "none"


def test_a_round_is_in_one_table_only():
    rounds = [settled(1, "statistics", 1, (1,)), settled(2, "newton", 1, (1,)),
              settled(3, "begin", 1, ()), settled(4, "learn", 1, (1,)),
              settled(5, "counts", 1, (1,))]  # fmt: skip
    assert list(list_sums(shown(*rounds))) == ["statistics", "newton", "counts"]
    assert say_history(shown(*rounds)) == []  # none has metrics here
