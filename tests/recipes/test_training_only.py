"""Arrays that only training needs are named, so that an exported model has none of them."""

from swarmhub.recipes.linear.training import TRAINING_ONLY, Training


def test_every_array_is_of_the_model_or_of_training_only():
    names = set(Training.cold(3, (5, 5), 0.1).initial())
    assert names - TRAINING_ONLY == {"bias", "weight"}
    assert names >= TRAINING_ONLY
