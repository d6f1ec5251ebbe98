"""A study in words: its terms, and what each site brought to each round."""

import typing
from dataclasses import replace

import pytest
from builders import HEART, Consortium, auc
from test_contract_shards import collecting

from swarmhub.contract.consortium.thresholds import compute_min_peers
from swarmhub.contract.events import StudyProposed
from swarmhub.contract.records import (
    Bound,
    Declaration,
    Evaluation,
    Inputs,
    MergeRule,
    Outcome,
    Pseudobulk,
    Spec,
    Stage,
    StartModel,
    Until,
)
from swarmhub.contract.records.declaration import Levels, Scale
from swarmhub.contract.transactions import Finish, Poke, Refuse, Start
from swarmhub.operations import kept_rounds, stage_terms, studies, terms
from swarmhub.operations.data_terms import say_data, say_outcome
from swarmhub.operations.ledger_client import LedgerClient
from swarmhub.operations.reasons import ReasonBook
from swarmhub.operations.rounds import RoundBook
from swarmhub.operations.wire_words import say_shards


class Recorded(Consortium):
    """A consortium in memory that shows its blocks to a book."""

    def __init__(self, n, last=0):
        self.book, self.kept = RoundBook(HEART, last), []
        super().__init__(n)

    def block(self, *txs):
        made = super().block(*txs)
        for committed in made:
            self.book.see(committed)
        self.kept += made
        return made

    def begin(self, **spec):
        self.start(**spec)
        self.ready(*self.chain.active)
        self.settle()


def said(consortium):
    return dict(
        terms.say_terms(
            studies.look_at_study(LedgerClient(consortium, consortium.accounts[1]), HEART)
        )
    )


def test_a_round_has_what_each_site_brought():
    c = Recorded(2)
    c.begin()
    own = c.contribution(1).digest
    c.contribute(1, evaluations=(Evaluation(own, 100, {"loss": 300_000}),))
    c.contribute(2)
    model = c.settle()
    c.contribute(1, evaluations=(auc(model, 900_000, 40),))
    c.contribute(2, evaluations=(auc(model, 700_000, 20),))
    c.settle()
    trained = next(r for r in c.book.rounds() if r.model.digest == model)
    one, two = trained.sites
    assert (one.member, one.weight, one.own.metrics) == (1, 100, {"loss": 300_000})
    assert (one.merged.metrics, one.merged.samples) == ({"auc": 900_000}, 40)
    assert (two.own, two.merged.samples) == (None, 20)
    assert (trained.mean.samples, trained.mean.metrics) == (60, {"auc": 833_333})


def test_metrics_of_a_void_contribution_are_not_shown():
    from swarmhub.contract.transactions import Retract

    c = Recorded(2)
    c.begin()
    own = c.contribution(1).digest
    c.contribute(1, evaluations=(Evaluation(own, 100, {"loss": 300_000}),))
    c.ok(1, Retract(c.ref()))
    c.contribute(1, 2)
    c.settle()
    assert c.book.rounds()[-1].sites[0].own is None


def test_a_last_round_is_measured_by_the_evaluation_after_it():
    c = Recorded(2)
    c.begin(rounds=1)
    c.contribute(1, 2)
    model = c.settle()
    for member in (1, 2):
        c.contribute(member, evaluations=(auc(model, 800_000),))
    assert c.study().status == "finished"
    assert c.book.rounds()[-1].mean.metrics == {"auc": 800_000}


def test_a_book_keeps_the_newest_rounds():
    c = Recorded(2, last=2)
    c.begin(rounds=4)
    for _ in range(3):
        c.play()
    assert [r.model.number for r in c.book.rounds()] == [3, 4]


class Kept:
    """The blocks of a ledger of many machines, as a read_client has them."""

    def __init__(self, blocks):
        self.blocks, self.tip, self.read = blocks, blocks[-1].block.header, 0
        self.lowest = self.tip.height

    def kept(self, start, stop):
        found = [b for b in self.blocks if start <= b.height < stop]
        self.read += len(found)
        self.lowest = min(self.lowest, start)
        return found


@pytest.mark.parametrize("last", [0, 1, 3, 100])
def test_the_newest_rounds_are_read_from_the_end(monkeypatch, last):
    monkeypatch.setattr(kept_rounds, "PAGE", 7)
    c = Recorded(2)
    c.begin(rounds=8)
    for _ in range(6):
        c.play()
    ledger, book = Kept(c.kept), RoundBook(HEART, last)
    kept_rounds.read_kept(ledger, book.see, c.study(), last)
    assert book.rounds() == c.book.rounds()[-last:]
    if last == 1:
        assert ledger.read < len(c.kept)


@pytest.mark.parametrize("last", [0, 20])
def test_no_block_before_the_proposal_of_a_study_is_read(monkeypatch, last):
    monkeypatch.setattr(kept_rounds, "PAGE", 7)
    c = Recorded(2)
    for _ in range(50):
        c.act(1, Poke(""))
    c.begin(rounds=8)
    c.play()
    ledger, book = Kept(c.kept), RoundBook(HEART, last)
    kept_rounds.read_kept(ledger, book.see, c.study(), last)
    assert book.rounds() == c.book.rounds()
    proposed = next(b.height for b in c.kept for e in b.events if isinstance(e, StudyProposed))
    assert ledger.lowest > proposed - kept_rounds.PAGE


def test_a_refusal_is_found_however_many_rounds_follow(monkeypatch):
    monkeypatch.setattr(kept_rounds, "PAGE", 7)
    c = Recorded(3)
    c.propose(rounds=8)
    c.ok(3, Refuse(HEART, c.study().spec, "no ethics vote yet"))
    for member in (1, 2):
        c.enrol(member)
    c.ok(1, Start(HEART))
    c.ready(1, 2)
    for _ in range(6):
        c.play()
    book = ReasonBook(HEART)
    kept_rounds.read_kept(Kept(c.kept), book.see, c.study(), 1)
    assert book.reasons == {3: "no ethics vote yet"}


def test_a_reason_of_a_proposal_that_has_lapsed_is_not_the_next_ones():
    c = Recorded(3)
    c.propose()
    c.ok(3, Refuse(HEART, c.study().spec, "no ethics vote yet"))
    c.ok(1, Finish(HEART))
    c.propose()
    book = ReasonBook(HEART)
    for block in c.kept:
        book.see(block)
    assert book.reasons == {}


def test_who_refuses_is_shown_with_the_reason():
    c = Consortium(4)
    c.propose()
    for member in (2, 3):
        c.ok(member, Refuse(HEART, c.study().spec))
    shown = studies.look_at_study(LedgerClient(c, c.accounts[1]), HEART)
    shown = replace(shown, reasons={3: "no ethics vote yet"})
    assert dict(terms.say_terms(shown))["refused by"] == "h2, h3 (no ethics vote yet)"


def test_an_approval_that_lapses_is_shown_with_its_end():
    c = Consortium(3)
    c.propose(approvals_expire_ms=10 * 86_400_000)
    assert said(c)["approved by"].startswith("h1 (until 2023-11-24 22:13:20 UTC)")


def test_the_terms_name_everyone_who_has_answered():
    c = Consortium(4)
    c.propose(title="Who has it?", statistics=True, min_peers=2)
    for member in (1, 2, 3):
        c.enrol(member)
    found = said(c)
    assert found["question"] == "Who has it?"
    assert found["approved by"] == "h1, h2, h3"
    assert found["not answered"] == "h4"
    assert found["enrolled"] == "h1 (100 samples), h2 (100 samples), h3 (100 samples)"
    assert "none may lie, and 1 may be away" in found["contributions"]


def test_the_best_model_names_the_sites_that_chose_it():
    c = Recorded(3)
    c.begin(rounds=3)
    for members in ((1, 2), (1, 3)):
        base = c.round().base
        for m in (1, 2, 3):
            c.contribute(m, evaluations=(auc(base, 800_000),) if m in members else ())
        c.settle()
    shown = studies.look_at_study(LedgerClient(c, c.accounts[1]), HEART)
    line = dict(terms.say_results(shown))["best model so far"]
    assert line.endswith(
        "the mean over h1, h2; no model has been measured by all of h1, h2, h3 yet"
    )


def test_a_study_that_cannot_start_says_how_many_more_must_enrol():
    c = Consortium(4)
    c.propose(min_peers=3)
    assert "nobody is enrolled yet" in said(c)["contributions"]
    c.enrol(1)
    assert "1 enrolled, so 2 more must enrol" in said(c)["contributions"]


def test_the_minimum_shown_grows_with_the_enrolled():
    c = Consortium(7)
    c.propose(min_peers=3)
    for member in range(1, 8):
        c.enrol(member)
    words = said(c)["contributions"]
    assert "at least 5 in each round (min_peers = 3)" in words
    assert "with 7 enrolled 2 may lie, and 2 may be away" in words


@pytest.mark.parametrize(
    ("least", "enrolled", "needed"),
    [(3, 3, 3), (3, 4, 3), (2, 4, 3), (3, 7, 5), (6, 7, 6), (1, 0, 1)],
)
def test_the_honest_outnumber_the_liars_of_any_minimum(least, enrolled, needed):
    assert compute_min_peers(least, enrolled) == needed


def test_what_leaves_the_hospital_is_said_of_each_kind():
    c = Consortium(2)
    c.propose(statistics=True)
    leaving = terms.say_leaving(studies.look_at_study(LedgerClient(c, c.accounts[1]), HEART))
    for words in ("parameters after training", "a coarse histogram", "category names", "metrics"):
        assert any(words in sentence for sentence in leaving)
    c.propose(name="plain")
    shown = studies.look_at_study(LedgerClient(c, c.accounts[1]), "plain")
    assert not any("statistics document" in sentence for sentence in terms.say_leaving(shown))


@pytest.mark.parametrize(
    ("record", "field", "words"),
    [
        (MergeRule, "name", stage_terms.RULES), (Spec, "audit", terms.AUDITS),
        (Spec, "optimizer", terms.OPTIMIZERS),
    ],
)  # fmt: skip
def test_every_choice_of_the_terms_has_its_words(record, field, words):
    assert set(typing.get_args(typing.get_type_hints(record)[field])) == set(words)


@pytest.mark.parametrize(
    ("cap", "words"),
    [(1000, "samples"), (600, "more than 60 %"), (333, "more than 33.3 %; 3 or fewer count alike")],
)
def test_a_cap_on_weights_is_said(cap, words):
    said = stage_terms.say_rule(MergeRule("weighted_mean", max_share_permille=cap))
    assert said.endswith(words)


DECLARED = Declaration(
    Outcome("diagnosis", positive=("AML",), negative=("control",)),
    inputs=(Inputs("proteins", ("P*",), "uniprot", "au", "log2", "0.5", "half", {"P1": "3"},
                   12_000),),
    sample="sample", patient="who", batch="plate", exclude=("num",), harmless=("tau",),
    subgroups=("sex",), missing_words=("nd",), missing="mean + indicator", max_missing="0.45",
    min_count=7, test_fraction="0.25", threshold="0.4",
    pseudobulk=Pseudobulk("proteins", "type", ("B",), 6),
    scales=(Scale(("P1",), "55", "10"),), levels=(Levels("site", ("left", "right")),),
)  # fmt: skip
FULL = Spec(
    HEART, 7, 3, "a title", True, 61_000, 62_000, 5_000_000, MergeRule("trimmed_mean", 150),
    sync_every="33 batches", optimizer="keep", keep_local=("head.*",), max_bytes=77_000,
    expires_ms=1_772_373_909_000, approvals_expire_ms=15_552_000_000, layout="a" * 64,
    code="b" * 64, data_schema="ten columns", ethics="c" * 64, seed=4711, options={"model": "mlp"},
    required=(1,), data=DECLARED, start_from=StartModel("lung", "d" * 64), wire="int8", shards=3,
)  # fmt: skip
STAGED = replace(FULL, rounds=0, statistics=False, merge=MergeRule(), stages=(
    Stage("newton", "sum", 20, members=(1,), until=Until("slope", 7), agreed=("at",),
          bounds=(Bound("slope", -5, 6, 30),)),
    Stage("begin", "initial"),
    Stage("learn", "train", 4, MergeRule("coordinate_median")),
))  # fmt: skip
SPOKEN = {
    "title": "a title", "rounds": "7 of training", "min_peers": "min_peers = 3",
    "statistics": "merges statistics", "quorum_grace_ms": "1 min 1 s",
    "leader_timeout_ms": "1 min 2 s", "transfer_bytes_per_s": "5 MB a second",
    "merge": "without the 15 %", "metric": "highest mean 'auc'", "audit": "secretly chosen",
    "privacy": "plain", "sync_every": "33 batches", "optimizer": "goes on",
    "keep_local": "'head.*'", "max_bytes": "77 kB", "expires_ms": "2026-03-01 14:05:09 UTC",
    "approvals_expire_ms": "each holds for 180 d",
    "layout": "a" * 64, "code": "b" * 64, "data_schema": "ten columns", "ethics": "c" * 64,
    "seed": "4711", "start_from": f"'lung' that its members have released, {'d' * 64}",
     "options": "model = mlp", "required": "never without h1", "wire": "wire = int8",
    "shards": "each for a part: up to 3",
    "data": "'AML' in 'diagnosis'; 'control' mean no",
}  # fmt: skip
SPOKEN_OF_STAGES = {
    "stages": "1. 'newton'", "name": "'newton'", "kind": "arrays of the hospitals are added",
    "max_rounds": "up to 20 rounds", "rule": "coordinate_median: median of each number",
    "members": "only at h1", "until": "over as soon as its test holds",
    "bounds": "'slope' from -5 to 6 in steps of 2^-30", "agreed": "equal at all: 'at'",
}  # fmt: skip


def test_every_part_of_the_terms_is_said():
    """A field that is added to the terms must be said to those who approve it."""
    c = Consortium(4)
    c.propose()
    shown = studies.StudyShown(c.study(), FULL, None, {1: "h1"}, (1,), 3, 0)
    text = " ".join(sentence for _, sentence in terms.say_terms(shown))
    assert {name for name, words in SPOKEN.items() if words not in text} == set()
    assert {*SPOKEN, "name", "stages"} == set(Spec.__dataclass_fields__)


@pytest.mark.parametrize(("terms", "said"), [
    ({}, "as many as members take part; 7 now"), ({"shards": 3}, "up to 3; 2 now"),
    ({"shards": 1}, "one in each round"), ({"merge": MergeRule("geometric_median")}, ""),
])  # fmt: skip
def test_the_leaders_of_a_large_model_are_counted(terms, said):
    c = collecting(**terms)
    (words,) = [words for _, words in say_shards(c.spec(), c.study())] or [""]
    assert words.endswith(said)
    assert bool(words) == bool(said)


SPOKEN_OF_DATA = {
    "outcome": "'AML' in 'diagnosis'", "inputs": "block 'proteins': 'P*'; names of uniprot; in au; "
    "counts of a row scaled to 12,000; raised to 0.5 at least; log2; values below the limit",
    "sample": "joined by 'sample'",
    "patient": "same value in 'who'", "batch": "by 'plate'", "exclude": "'num'",
    "harmless": "almost alone: 'tau'", "subgroups": "apart, too: 'sex'",
    "missing_words": "'nd' mean 'not known'", "missing": "mean + indicator", "max_missing": "45%",
    "min_count": "fewer than 7 patients", "test_fraction": "25% of the patients",
    "threshold": "probability of 0.4",
    "scales": "mean (standard deviation): 'P1' 55 (10)",
    "levels": "the words of 'site': 'left', 'right'",
    "pseudobulk": "for each patient and each type in 'type', 'B' only; a sum of fewer",
}  # fmt: skip


def test_every_part_of_the_declared_data_is_said():
    text = " ".join(sentence for _, sentence in say_data(DECLARED))
    assert {name for name, words in SPOKEN_OF_DATA.items() if words not in text} == set()
    assert {*SPOKEN_OF_DATA} == set(Declaration.__dataclass_fields__)


@pytest.mark.parametrize(
    ("outcome", "said"),
    [
        (Outcome("y", "classes", classes=("a", "b")), "one of 'a', 'b' in 'y'"),
        (Outcome("age", "continuous", unit="years"), "a number, 'age' in years"),
        (
            Outcome(
                "dead", "time_to_event", positive=("yes",), time="days", unit="d", horizon="365"
            ),
            "time 'days' (d) until 'yes' in 'dead'; any other word means no, at 365",
        ),
    ],
)
def test_every_kind_of_outcome_is_said(outcome, said):
    assert say_outcome(outcome) == said


def test_every_part_of_a_stage_is_said():
    c = Consortium(4)
    c.propose()
    shown = studies.StudyShown(c.study(), STAGED, None, {1: "h1"}, (1,), 3, 0)
    text = " ".join(sentence for _, sentence in terms.say_terms(shown))
    assert {name for name, words in SPOKEN_OF_STAGES.items() if words not in text} == set()
    assert {*SPOKEN_OF_STAGES} - {"stages"} == set(Stage.__dataclass_fields__)
    assert "own arrays of numbers, as the trainer makes them (at most 77 kB)" in text
    (arrays,) = stage_terms.say_arrays(STAGED)
    assert "no element of 'slope' is larger than 7 steps" in arrays
