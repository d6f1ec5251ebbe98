"""Privacy budgets shown: of a study, of this hospital by study and by data, and in a report."""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
from builders import HEART, initialised
from noisy_terms import make_budget, make_terms
from reports import reported

from swarmhub.contract.records import Privacy
from swarmhub.home import budget as home_budget
from swarmhub.home.config import Config
from swarmhub.operations.budgets import (
    list_data_rows,
    list_rows,
    look_at_budget,
    make_study_budget,
    say_limit,
    write_study_budget,
)
from swarmhub.operations.ledger_client import LedgerClient
from swarmhub.operations.report.page import render
from swarmhub.operations.studies import look_at_study
from swarmhub.operations.terms import say_terms
from swarmhub.privacy.accounting import compute_delta

pytestmark = pytest.mark.unit

DP = make_budget(3)
TERMS = make_terms(DP)


class Disk(SimpleNamespace):
    """A home with its settings and a folder."""

    def local_path(self, study):
        return self.root / "local" / study


def home(tmp_path, **config):
    return Disk(root=tmp_path, config=Config("h1", "", "", "", **config))


@pytest.fixture
def c():
    """A study in which members 1 and 2 have made one noisy step of three, and 3 none."""
    c = initialised(**TERMS)
    c.contribute(1, 2)
    return c


def test_members_steps_are_shown_with_the_terms(c):
    view = LedgerClient(c, c.accounts[1])
    said = [s for subject, s in say_terms(look_at_study(view, HEART)) if subject == "privacy spent"]
    assert [s.split(":")[0] for s in said] == sorted(view.names().values())
    assert "1 of 3 steps" in said[0]
    assert "0 of 3 steps, epsilon = 0 of 3" in said[2]


def test_a_budget_of_a_study_has_each_members_epsilon(c):
    shown = look_at_study(LedgerClient(c, c.accounts[1]), HEART)
    budget = make_study_budget(shown.spec, shown.spent, shown.names)
    tree = json.loads(write_study_budget(budget))
    assert (tree["epsilon"], tree["delta"], tree["steps"], tree["unit"]) == (3, 1e-5, 3, "patient")
    assert [s["steps"] for s in tree["spent"]][:3] == [1, 1, 0]
    epsilon = tree["spent"][0]["epsilon"]
    mu = 1 / tree["noise"]
    assert compute_delta(mu, epsilon) <= 1e-5 < compute_delta(mu, epsilon - 1e-6)
    plain = replace(shown.spec, privacy=Privacy())
    assert make_study_budget(plain, {}, {}) is None


def test_this_hospitals_steps_are_shown_by_study_and_by_data(c, tmp_path):
    here = home(tmp_path, budget_epsilon="5", budget_delta="1e-6")
    home_budget.note_use(here, HEART, "d" * 64)
    found = look_at_budget(here, LedgerClient(c, c.accounts[1]))
    (own,), (data,) = found.studies, found.data
    assert (own.steps, own.allowed, own.data) == (1, 3, ("d" * 64,))
    assert (data.data, data.studies) == ("d" * 64, (HEART,))
    assert data.epsilon > own.epsilon, "the limit's delta is smaller"
    assert "an epsilon of 5 at delta = 1e-06" in say_limit(found)
    assert list_rows(found)[0][2] == "1 of 3"
    assert list_data_rows(found)[0][3] == "5"


def test_with_a_limit_per_home_all_data_are_one(c, tmp_path):
    here = home(tmp_path, budget_epsilon="5", budget_per="home")
    home_budget.note_use(here, HEART, "d" * 64)
    found = look_at_budget(here, LedgerClient(c, c.accounts[1]))
    assert [row[0] for row in list_data_rows(found)] == ["all of this home"]


def test_without_a_step_or_a_limit_little_is_shown(c, tmp_path):
    found = look_at_budget(home(tmp_path), LedgerClient(c, c.accounts[3]))
    assert (found.limit, found.data, found.studies[0].steps) == (None, (), 0)
    assert "has set no limit" in say_limit(found)


def test_a_report_of_a_study_with_noise_tells_no_counts(c):
    shown = look_at_study(LedgerClient(c, c.accounts[1]), HEART)
    budget = make_study_budget(shown.spec, shown.spent, shown.names)
    page = render(reported(budget=budget, is_private=True, counts={}))
    assert "Privacy budget: epsilon = 3 and delta = 1e-05 for each patient" in page
    assert "1 of 3" in page
    assert "how many have which outcome did not leave the hospitals" in page
    assert "in a study with noise no count of test patients leaves a hospital" in page


def test_an_epsilon_that_says_nothing_is_said_so(c):
    loud = replace(DP, noise_millionths=1)
    spec = replace(look_at_study(LedgerClient(c, c.accounts[1]), HEART).spec,
                   privacy=Privacy(dp=loud))  # fmt: skip
    budget = make_study_budget(spec, {1: 2}, {1: "h1"})
    assert budget.spent[0].epsilon is None
    assert "more than 100" in render(reported(budget=budget))
    assert not math.isnan(budget.noise)
