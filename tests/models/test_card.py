"""The model card says what a clinician has to know, in plain words."""

from dataclasses import replace

import pytest
from model_tools import DIAGNOSIS, ORIGIN, model_of, park, wide_design

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
