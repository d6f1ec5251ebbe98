"""The stages of recipes in words, for people that decide on a study: no names of arrays.

A recipe may have `WORDS`, its stages' words by name. They are given only if the stages of the terms
are exactly those that the recipe makes: terms that list other stages may have trainers of their
own, of which nobody here can say what they send.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from swarmhub.contract.records import MergeRule, Spec
from swarmhub.contract.stages import find_stage
from swarmhub.data.schema import Schema
from swarmhub.recipes import plan
from swarmhub.recipes.kinds.kind import kind_of
from swarmhub.recipes.registry import Recipe, find_recipe


@dataclass(frozen=True)
class StageWords:
    """A stage in words: its purpose, and what each hospital sends ("" if other lines say it)."""

    does: str
    sends: str = ""


WORDS: dict[str, StageWords] = {  # of stages that several recipes have
    plan.STATISTICS: StageWords(
        "each hospital adds up its columns; the model's inputs follow from the sums of all"
    ),
    plan.START: StageWords("one hospital's untrained model is the start"),
    plan.TRAINING: StageWords("each hospital trains the model further, and the results are merged"),
}
OF_DP = StageWords(
    "each hospital takes one step over its patients, each with a bounded part; its node adds "
    "noise, and the results are merged"
)
MADE = StageWords("each hospital makes the model out of these sums, the same one everywhere")
WITHOUT = "a model without each hospital is trained, to show how well it does where it is new"
OF_LEFT_OUT = "; of this model and of the one without this hospital"


def find_words(spec: Spec) -> Mapping[str, StageWords]:
    """Return the words of a study's stages, by their names; nothing for terms with stages that
    their recipe does not make, or of a recipe that is not installed here."""
    if spec.data is None or not spec.stages:
        return {}
    try:
        recipe = find_recipe(plan.get_model(spec))
        made = plan.make_stages(_without_stages(spec), Schema.of(spec.data))
    except Exception:  # another package's code, with the terms of another hospital
        return {}
    if made != spec.stages:
        return {}
    own: Mapping[str, StageWords] = getattr(recipe, "WORDS", {})
    if spec.privacy.dp is not None:
        own = {**own, plan.TRAINING: OF_DP}
    if find_stage(spec, plan.FIT) is not None:
        own = {**own, plan.TRAINING: MADE}
    return {**WORDS, **own, plan.EVALUATION: say_evaluation(spec, recipe)}


def say_evaluation(spec: Spec, recipe: Recipe) -> StageWords:
    """Return the words of the evaluation."""
    models = OF_LEFT_OUT if "left-out" in recipe.SCORED and plan.wants_left_out(spec) else ""
    subgroups = spec.data is not None and spec.data.subgroups and plan.get_kind(spec) == "binary"
    return StageWords(
        "each hospital measures the model on the patients that it has set aside",
        f"{kind_of(plan.get_kind(spec)).SENT}{models}"
        f"{'; the same counts for each subgroup' if subgroups else ''}",
    )


def _without_stages(spec: Spec) -> Spec:
    """Return terms as their proposer wrote them, before the stages were written out."""
    training = find_stage(spec, plan.TRAINING)
    merge = training.rule if training else MergeRule()
    longest = find_stage(spec, plan.FIT) or training
    rounds = longest.max_rounds if longest else 0
    return replace(spec, stages=(), rounds=rounds, merge=merge)
