"""The stages of every recipe in words, without names of arrays."""

import re
from dataclasses import replace

import pytest

from swarmhub.contract.records import Declaration, MergeRule, Outcome, Spec
from swarmhub.contract.round.kinds import EVALUATE, SUM
from swarmhub.operations import stage_terms
from swarmhub.recipes.plan import complete
from swarmhub.recipes.registry import BUILT_IN, find_recipe
from swarmhub.recipes.words import find_words

OUTCOMES = {
    "binary": Outcome("ill", positive=("yes",)),
    "classes": Outcome("type", "classes", classes=("a", "b")),
    "continuous": Outcome("age", "continuous"),
    "time_to_event": Outcome("dead", "time_to_event", positive=("1",), time="days", horizon="365"),
}
CASES = [(name, kind) for name in BUILT_IN for kind in find_recipe(name).KINDS]


def terms(recipe, kind, **options):
    data = Declaration(OUTCOMES[kind], subgroups=("sex",))
    options = {"model": recipe, **options}
    return complete(Spec("park", rounds=5, min_peers=3, data=data, options=options))


def variants(recipe, kind):
    """Terms of a recipe with the first word of each option, then with the last one."""
    known = {o: words for o, words in find_recipe(recipe).OPTIONS.items() if words}
    yield terms(recipe, kind)
    last = {option: words[-1] for option, words in known.items()}
    if last.get("contribution") == "yes":
        last["left_out"] = "yes"
    yield terms(recipe, kind, **last)


def list_arrays(spec):
    return {
        name
        for s in spec.stages
        for name in (*(b.array for b in s.bounds), *s.agreed, *([s.until.array] if s.until else []))
    }


@pytest.mark.parametrize(("recipe", "kind"), CASES)
def test_no_stage_is_said_by_names_of_arrays(recipe, kind):
    for spec in variants(recipe, kind):
        lines = [*stage_terms.say_stages(spec, str), *stage_terms.say_leaving(spec, "1 kB")]
        text = " ".join(lines)
        quoted = set(re.findall(r"'([^' ]+)'", text))
        assert quoted <= {s.name for s in spec.stages}
        strange = {name for name in list_arrays(spec) if re.search(r"[/_]", name)}
        assert {name for name in strange if name in text} == set()


@pytest.mark.parametrize(("recipe", "kind"), CASES)
def test_every_stage_of_a_recipe_has_its_words(recipe, kind):
    for spec in variants(recipe, kind):
        words = find_words(spec)
        assert {s.name for s in spec.stages} <= words.keys()
        sums = [s.name for s in spec.stages if s.kind in (SUM, EVALUATE)]
        assert all(words[name].sends for name in sums)
        assert "as the trainer makes them" not in " ".join(stage_terms.say_leaving(spec, "1 kB"))


@pytest.mark.parametrize(("recipe", "kind"), CASES)
def test_all_arrays_that_the_terms_name_are_details(recipe, kind):
    spec = terms(recipe, kind)
    details = " ".join(stage_terms.say_arrays(spec))
    assert {name for name in list_arrays(spec) if f"'{name}'" not in details} == set()


def test_stages_that_the_recipe_does_not_make_have_no_words_of_its():
    spec = terms("logistic", "binary")
    first, *rest = spec.stages
    assert find_words(spec)
    assert find_words(replace(spec, stages=(first, *rest[:-1]))) == {}
    widened = replace(rest[0], max_rounds=99)
    assert find_words(replace(spec, stages=(first, widened, *rest[1:]))) == {}
    own = replace(spec, stages=(first, widened, *rest[1:]))
    assert "as the trainer makes them" in " ".join(stage_terms.say_leaving(own, "1 kB"))


def test_terms_of_a_recipe_that_is_not_here_have_general_words():
    spec = terms("logistic", "binary")
    gone = replace(spec, options={"model": "no such recipe"})
    assert find_words(gone) == {}
    assert "arrays of the hospitals are added" in stage_terms.say_stages(gone, str)[1]


def test_the_rounds_and_the_rule_of_the_terms_keep_the_words():
    spec = terms("deep", "binary")
    training = replace(spec.stages[2], max_rounds=77, rule=MergeRule("coordinate_median"))
    other = replace(spec, stages=(*spec.stages[:2], training, spec.stages[3]))
    assert find_words(other) == find_words(spec)
