"""What the data check says of an outcome that is measured, or a time."""

import numpy as np
import pytest

from swarmhub.contract.records import Declaration, Outcome, Spec
from swarmhub.data.check.merged import check_merged
from swarmhub.data.findings import Findings
from swarmhub.data.reading import Files
from swarmhub.data.schema import Schema
from swarmhub.errors import BadInput
from swarmhub.merge.documents import merge_statistics
from swarmhub.recipes.designing import make_design
from swarmhub.recipes.preparing import Sources, prepare

pytestmark = pytest.mark.unit
AGE = Declaration(Outcome("age", "continuous", unit="years"), test_fraction="0")
RELAPSE = Declaration(
    Outcome("relapse", "time_to_event", positive=("1",), time="days", unit="days"),
    test_fraction="0",
)


def table(path, seed, factor=1.0, **columns):
    rng = np.random.default_rng(seed)
    crp = rng.normal(5, 1, 60)
    found = {
        "age": (50 + 5 * (crp - 5) + rng.normal(0, 8, 60)) * factor,
        "crp": crp, "days": np.ceil(rng.exponential(400, 60) * factor + 1),
        "relapse": rng.integers(0, 2, 60),
    } | {name: make(rng, crp) for name, make in columns.items()}  # fmt: skip
    rows = [",".join(f"{v:.6g}" for v in row) for row in zip(*found.values(), strict=True)]
    path.write_text(",".join(found) + "\n" + "\n".join(rows) + "\n")
    return path


def check(declaration, path):
    found = Findings(strict=False)
    prepared = prepare(Spec("s", data=declaration), Sources(Files((path,))), found)
    return prepared, {f.topic: f for f in found.found}


def unit_of(declaration, tmp_path, factor):
    """What the first hospital hears of its outcome's unit."""
    paths = [table(tmp_path / f"{k}.csv", k, factor if k == 1 else 1.0) for k in (1, 2, 3)]
    made = [check(declaration, path)[0] for path in paths]
    merged = merge_statistics({k: p.statistics for k, p in enumerate(made, 1)})
    schema, found = Schema.of(declaration), Findings(strict=False)
    design = make_design(merged, declaration, schema)
    check_merged(made[0].training, design, schema, (merged, made[0].statistics), found)
    return [f.sentence for f in found.found if f.topic == "unit of the outcome"]


@pytest.mark.parametrize(("declaration", "column"), [(AGE, "age"), (RELAPSE, "days")])
def test_an_outcome_in_another_unit_is_said(declaration, column, tmp_path):
    assert unit_of(declaration, tmp_path, 1.0) == []
    (sentence,) = unit_of(declaration, tmp_path, 1 / 30)
    assert sentence.startswith(f"Column '{column}' has a mean of ")


def test_a_sound_outcome_is_described(tmp_path):
    found = check(AGE, table(tmp_path / "a.csv", 1))[1]
    assert found["the outcome"].sentence.startswith("Column 'age': mean 49.32, ")
    assert not {"far outcome", "the outcome does not vary", "defines the outcome"} & set(found)
    assert (
        "of 60 rows have the event" in check(RELAPSE, tmp_path / "a.csv")[1]["the outcome"].sentence
    )


def test_a_copy_of_the_outcome_is_refused(tmp_path):
    path = table(tmp_path / "a.csv", 1)
    lines = [line.split(",") for line in path.read_text().splitlines()]
    lines[0].append("months")
    for line in lines[1:]:
        line.append(str(round(12 * float(line[0]))))
    path.write_text("\n".join(",".join(line) for line in lines) + "\n")
    with pytest.raises(BadInput, match="'months' follows the outcome"):
        prepare(Spec("s", data=AGE), Sources(Files((path,))), Findings(strict=True))


def test_a_code_among_the_outcomes_is_said(tmp_path):
    path = table(tmp_path / "a.csv", 1)
    lines = path.read_text().splitlines()
    lines[5] = "-999" + lines[5][lines[5].index(",") :]
    path.write_text("\n".join(lines) + "\n")
    assert "far outcome" in check(AGE, path)[1]
