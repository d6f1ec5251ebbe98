"""A recipe as another package brings it (test_registry.py)."""

from swarmhub.models.architecture import ARCHITECTURES
from swarmhub.recipes import plan

KINDS = ("binary",)
OPTIONS = {"depth": ("2", "3")}
SCORED = ("swarm",)
ARCHITECTURE = ARCHITECTURES["logistic"]


def check(spec):
    """All is well."""


def make_stages(spec):
    """Return the stages."""
    return plan.make_training(spec, rounds=7)


def run(site):
    """Do nothing."""
