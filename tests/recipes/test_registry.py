"""Recipes by name: those of the package, and one that another package brings."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from swarmhub.contract.records import Declaration, Outcome, Spec, StartModel
from swarmhub.errors import BadInput
from swarmhub.models.architecture import need_architecture
from swarmhub.recipes import plan, registry


@pytest.fixture(autouse=True)
def _forget() -> None:
    registry._load.cache_clear()


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package with two recipes, one of which is broken."""
    (tmp_path / "broken_recipe.py").write_text("KINDS = ()\n")
    info = tmp_path / "strange_recipes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strange-recipes\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[swarmhub.recipes]\nstrange = strange_recipe\nbroken = broken_recipe\n"
        "absent = no_such_module\nlogistic = broken_recipe\n"
    )
    for path in (tmp_path, Path(__file__).parent):
        monkeypatch.syspath_prepend(str(path))
    for name in ("strange_recipe", "broken_recipe"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def terms(**options: str) -> Spec:
    return Spec("x", title="X", data=Declaration(Outcome("y", positive=("1",))), options=options)


def test_the_first_recipe_of_an_outcome_is_its_default() -> None:
    assert [registry.find_default(k) for k in ("binary", "classes", "continuous")] == [
        "logistic"
    ] * 3
    assert registry.find_default("time_to_event") == "cox"


@pytest.mark.usefixtures("other")
def test_a_recipe_of_another_package_writes_the_stages() -> None:
    made = plan.complete(terms(model="strange", depth="3"))
    assert [stage.name for stage in made.stages] == [
        "statistics", "initial", "training", "evaluation",
    ]  # fmt: skip
    assert made.stages[2].max_rounds == 7
    assert [b.array for b in made.stages[-1].bounds] == [
        b.array for b in plan.complete(terms(left_out="no")).stages[-1].bounds
    ]
    assert need_architecture("strange").kinds == ("binary", "classes", "continuous")


@pytest.mark.usefixtures("other")
def test_what_a_recipe_does_not_know_is_said() -> None:
    for options, expected in (
        ({"model": "strange", "depth": "4"}, "options.depth to be 2 or 3"),
        ({"model": "strange", "penalty": "1"}, "options out of model, depth"),
        ({"model": "broken"}, "strange-recipes lacks OPTIONS, SCORED"),
        ({"model": "absent"}, "strange-recipes cannot be loaded: ModuleNotFoundError"),
        ({"model": "nothing"}, "logistic, .*strange.*installed at every hospital"),
    ):
        with pytest.raises(BadInput, match=expected):
            plan.complete(terms(**options))


@pytest.mark.usefixtures("other")
def test_no_package_takes_a_name_of_ours() -> None:
    assert registry.find_recipe("logistic").__name__ == "swarmhub.recipes.logistic"  # type: ignore[attr-defined]
    assert registry.list_recipes().count("logistic") == 1


def test_each_outcome_has_the_recipes_that_are_named_for_it() -> None:
    spec = terms(model="cox")
    with pytest.raises(BadInput, match="the model logistic or mlp or elastic_net"):
        plan.complete(spec)
    numbers = replace(spec, data=Declaration(Outcome("y", "continuous")), options={"model": "mlp"})
    with pytest.raises(
        BadInput,
        match="'continuous' the model logistic or elastic_net or trees or fedavg or deep or",
    ):
        plan.complete(numbers)


def test_a_recipe_makes_its_own_start() -> None:
    spec = replace(terms(), start_from=StartModel("lung", "d" * 64))
    with pytest.raises(BadInput, match="Expected no start_from in a study over declared data"):
        plan.complete(spec)
