"""Terms with a privacy budget for tests."""

from dataclasses import replace

from swarmhub.contract.records import DifferentialPrivacy, Privacy, Stage
from swarmhub.operations.privacy_budget import compute_least_noise


def make_budget(steps):
    """Epsilon 3 for so many steps, with the least noise that suffices."""
    dp = DifferentialPrivacy(3_000_000, 10_000_000, 1_000_000, 0, steps)
    return replace(dp, noise_millionths=compute_least_noise(dp))


def make_terms(dp):
    """The fields of a study with as many rounds of training as the budget has steps."""
    stages = (Stage("start", "initial"), Stage("training", "train", dp.steps))
    return {"privacy": Privacy(dp=dp), "stages": stages, "rounds": 0}
