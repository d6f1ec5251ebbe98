"""Studies of one question, side by side."""

from types import SimpleNamespace

import pytest
from builders import HEART, Consortium, auc, spec_of

from swarmhub.contract.records import Declaration, Inputs, Outcome
from swarmhub.contract.transactions import Propose
from swarmhub.home.config import make_config
from swarmhub.operations.ledger_view import LedgerView
from swarmhub.operations.looks import Seen, look_at_studies
from swarmhub.operations.rounds import RoundBook
from swarmhub.operations.runs import compare_runs

ILL = Outcome("ill", positive=("yes",))


def declared(outcome=ILL, namespace=""):
    return Declaration(outcome, (Inputs("table", namespace=namespace),))


class Books(Consortium):
    """A consortium whose blocks a book of the first study hears."""

    def __init__(self, n):
        self.book = RoundBook(HEART, 0)
        super().__init__(n)

    def block(self, *txs):
        made = super().block(*txs)
        for committed in made:
            self.book.see(committed)
        return made


def compared(*others):
    c = Books(3)
    c.start(data=declared(), rounds=3)
    c.ready(1, 2, 3)
    c.settle()
    c.contribute(1, 2, 3)
    model = c.settle()
    for member, score in ((1, 900_000), (2, 600_000), (3, 600_000)):
        c.contribute(member, evaluations=(auc(model, score),))
    c.settle()
    for k, data in enumerate(others):
        c.ok(1, Propose(spec_of(name=f"other{k}", data=data)))
    record = SimpleNamespace(
        studies=lambda: [study.name for study in LedgerView(c, "").studies()],
        reasons=lambda study: {},
        settled=lambda study: c.book.rounds() if study == HEART else (),
        held=lambda study: (),
    )
    home = SimpleNamespace(config=make_config("h1", "h1.example:7000", "", "x"))
    seen = Seen(home, LedgerView(c, c.accounts[1].public), record)
    return compare_runs(seen, look_at_studies(seen))


@pytest.mark.parametrize(
    "other", [declared(Outcome("dead", positive=("yes",))), declared(namespace="olink"), None]
)
def test_another_outcome_or_another_kind_of_data_is_not_compared(other):
    assert compared(other) == ()


def test_two_studies_of_one_question_are_side_by_side():
    (question,) = compared(declared(), None)
    assert question.outcome == "'yes' in 'ill'; any other word means no"
    heart, other = question.runs
    assert (heart.line.name, other.line.name) == (HEART, "other0")
    assert (heart.metric, heart.score, heart.tested) == ("auc", 700_000, 300)
    assert (heart.rounds, heart.line.enrolled) == (2, ("h1", "h2", "h3"))
    assert heart.measured_by == ("h1", "h2", "h3")
    assert (other.score, other.tested, other.rounds) == (None, 0, 0)
