"""The model card says what a clinician has to know, in plain words."""

from dataclasses import replace

import pytest
from model_tools import DIAGNOSIS, ORIGIN, model_of, park, wide_design
from outcome_tools import DEATHS, GLUCOSE, SEXES, STAGES, cox_for, model_for

from swarmhub.contract.records import Inputs
from swarmhub.models.card import write_card


@pytest.fixture
def exported(tmp_path):
    return park(tmp_path)[0]


def test_the_card_says_that_it_is_not_for_care(exported):
    card = write_card(exported, "m")
    assert "It is no medical device: do not use it for the care of patients." in card
    assert "- Decisions on the care of a patient." in card
    assert card.count("\n## ") == 6


def test_the_card_says_units_names_and_transforms():
    block = Inputs("olink", unit="NPX", namespace="uniprot", transform="log2")
    model = model_of(wide_design(3), replace(DIAGNOSIS, inputs=(block,)))
    card = write_card(model.exported, "m")
    assert (
        "The block 'olink' is in NPX, named as in uniprot, taken as the logarithm to base 2" in card
    )


def test_a_card_of_many_columns_names_the_first(exported):
    card = write_card(model_of(wide_design(100)).exported, "m")
    assert "100 features of 100 columns" in card
    assert "- and 60 more, named in model.json" in card


def test_a_card_without_figures_says_so(exported):
    card = write_card(replace(exported, measures=()), "m")
    assert "No figures came with this model" in card


def test_a_card_without_contributors_says_so(exported):
    card = write_card(replace(exported, origin=replace(ORIGIN, contributors=())), "m")
    assert "the contributors are not recorded" in card


@pytest.mark.parametrize(("name", "said"), [("heart-1", "heart-1"), ("a`b $(rm)", "MODEL")])
def test_commands_in_the_card_can_be_copied(exported, name, said):
    assert f"swarmhub predict {said} --data NEW.csv --out scores.csv" in write_card(exported, name)


def test_a_card_of_classes_names_them_all():
    card = write_card(model_for(STAGES).exported, "m")
    assert "each of the 3 classes of the column 'stage' of a patient: 'I', 'II', 'III'." in card
    assert "120 rows of patients: 40 with 'I', 40 with 'II', 40 with 'III' (a" in card
    assert "Recipe `logistic` (softmax regression)" in card
    assert ".predict(frame).probabilities`" in card
    assert "(logistic regression)" in write_card(model_for(SEXES).exported, "m")


def test_a_card_of_a_continuous_outcome_says_its_unit_and_scale():
    card = write_card(model_for(GLUCOSE).exported, "m")
    assert "The value of the column 'glucose' of a patient, in mmol/l." in card
    assert "a mean of 5.5 mmol/l and a standard deviation of 1.25 mmol/l." in card
    assert "40 rows of patients (a patient" in card
    assert "Recipe `logistic` (ridge regression)" in card
    assert ".predict(frame).values`" in card
    assert "weight in training" not in card


def test_a_card_without_a_unit_has_no_gap():
    outcome = replace(GLUCOSE.outcome, unit="")
    card = write_card(model_for(replace(GLUCOSE, outcome=outcome)).exported, "m")
    assert "'glucose' of a patient. The training patients had a mean of 5.5 and" in card


def test_a_card_of_many_classes_lists_the_first():
    many = replace(STAGES.outcome, classes=tuple(f"c{k}" for k in range(60)))
    card = write_card(model_for(replace(STAGES, outcome=many)).exported, "m")
    assert "'c39' and 20 more. They add up" in card
    assert "40 with 'c39' and 20 more (a patient" in card


def test_the_card_says_event_horizon_and_limits():
    declaration = replace(DEATHS, outcome=replace(DEATHS.outcome, horizon="187.5"))
    card = write_card(cox_for(declaration).exported, "m")
    for said in (
        "column 'dead' of a patient is 'yes' by 180 days, counted as in the column 'days'.",
        "The study declares 187.5: this is the last time before it that the model knows.",
        "survival at 30 times up to 300 days",
        "80 rows of patients: 30 with the event, 50 without the event for as long as they were",
        "Recipe `cox` (Cox regression)", ".predict(frame).risk`", "has to be recalibrated",
    ):  # fmt: skip
        assert said in card
    assert "The study declares" not in write_card(cox_for().exported, "m")
