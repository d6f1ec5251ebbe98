"""A hospital's own checks before it approves or enrols: its limit, features and patients."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace

import pytest
from builders import HEART, Consortium, spec_of
from noisy_terms import make_budget, make_terms

from swarmhub.contract.records import Privacy
from swarmhub.contract.transactions import Amend, Approve, Enrol, Propose
from swarmhub.data.heart import LABEL, describe
from swarmhub.data.schema import declare_label
from swarmhub.errors import BadInput
from swarmhub.home.config import Config
from swarmhub.operations.ledger_client import LedgerClient
from swarmhub.operations.privacy_consent import (
    count_features,
    need_consent,
    need_few_features,
)

pytestmark = pytest.mark.unit

DP = make_budget(5)
TERMS = make_terms(DP)
WIDE = {**TERMS, "data": describe(declare_label(LABEL))}


def home(**config):
    return SimpleNamespace(config=Config("h1", "", "", "", **config))


def view(c):
    return LedgerClient(c, c.accounts[1])


def proposed(**terms):
    c = Consortium(4)
    c.propose(**terms)
    return c


@pytest.mark.parametrize(
    "make",
    [Propose, Amend, lambda s: Approve(s.name, "a" * 64), lambda s: Enrol(s.name, "a" * 64, 9)],
)
def test_terms_with_too_little_noise_are_never_signed(make):
    less = replace(DP, noise_millionths=DP.noise_millionths // 2)
    terms = TERMS | {"privacy": Privacy(dp=less)}
    c = proposed(**terms)
    with pytest.raises(BadInput, match=r"within epsilon = 3.0 .* gives epsilon = [67]\."):
        asyncio.run(view(c).submit(make(spec_of(**terms))))


def test_a_study_beyond_the_limit_of_the_hospital_is_not_approved():
    c = proposed(**TERMS)
    need_consent(home(), view(c), HEART, False)
    need_consent(home(budget_epsilon="3.001"), view(c), HEART, False)
    with pytest.raises(BadInput, match=r"at most 2\.9 .* 5 steps of 'heart' give 3; refuse"):
        need_consent(home(budget_epsilon="2.9"), view(c), HEART, False)


def test_a_limit_per_home_counts_other_studies_that_are_approved():
    c = proposed(**TERMS)
    c.ok(1, Propose(spec_of(name="lung", **TERMS)))  # its proposer approves it
    need_consent(home(budget_epsilon="4"), view(c), HEART, False)
    with pytest.raises(BadInput, match=r"'heart' beside lung give 4\.[0-9]+"):
        need_consent(home(budget_epsilon="4", budget_per="home"), view(c), HEART, False)


def test_more_features_than_patients_need_a_word_of_the_hospital():
    spec = spec_of(**WIDE)
    features = count_features(spec)
    assert features == 15, "8 numbers and 7 words, of which the terms tell"
    need_few_features(spec, features)
    with pytest.raises(BadInput, match=r"15 features, .* at most 14 patients.*--accept-utility"):
        need_few_features(spec, 14)
    need_few_features(spec_of(rounds=5), 1)


def test_an_approval_looks_at_the_samples_that_were_declared():
    c = proposed(**WIDE)
    need_consent(home(), view(c), HEART, False)  # nothing is known yet
    c.ok(1, Enrol(HEART, c.study().spec, 5))
    with pytest.raises(BadInput, match="at most 5 patients"):
        need_consent(home(), view(c), HEART, False)
    need_consent(home(), view(c), HEART, True)
