"""A first draft of terms: guessed from files, from an example, or annotated."""

import tomllib

import numpy as np
import pytest
from typer.testing import CliRunner

from swarmhub.cli.app import app
from swarmhub.data.heart import write_heart
from swarmhub.data.reading import Files
from swarmhub.errors import BadInput
from swarmhub.examples import NAMES
from swarmhub.examples.new_study import draft_example
from swarmhub.operations.data_check import check_data
from swarmhub.operations.new_study import new_study, slug, write_new
from swarmhub.operations.studies import parse_spec
from swarmhub.recipes.preparing import Sources

N = 60


def table(path, **columns):
    """A CSV of these columns."""
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(columns), *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def numbers(seed, low=0.0, high=10.0):
    values = np.random.default_rng(seed).uniform(low, high, N)
    return [f"{v:.2f}" for v in values]


def words(*given, seed=5):
    return [str(w) for w in np.random.default_rng(seed).choice(given, N)]


def draft(*paths, **how):
    """The draft of these files, which pass the check against it; and its declaration."""
    made = new_study(Files(tuple(paths)), **how)
    checked = check_data(parse_spec(made.text, "the draft"), Sources(Files(tuple(paths))))
    assert checked.is_usable, checked.findings
    assert made.is_usable
    return made, parse_spec(made.text, "the draft").data


# the outcome


def test_the_outcome_goes_by_name_and_its_words_say_what_is_yes(tmp_path):
    path = table(tmp_path / "aml.csv", age=numbers(1), diagnosis=words("control", "AML"),
                 sex=words("f", "m", seed=6))  # fmt: skip
    made, data = draft(path)
    o = data.outcome
    assert (o.column, o.kind, o.positive, o.negative) == (
        "diagnosis", "binary", ("AML",), ("control",),
    )  # fmt: skip
    assert made.guesses[0] == (
        "outcome", "the column 'diagnosis', by its name; 'AML' means yes, as the word says",
    )  # fmt: skip
    assert data.inputs[0].columns == ("age", "sex")


@pytest.mark.parametrize(
    ("values", "positive"),
    [(("0", "1"), "1"), (("1", "2"), "2"), (("no", "yes"), "yes"), (("alive", "dead"), "dead"),
     (("healthy", "AML"), "AML"), (("nein", "ja"), "ja")],
)  # fmt: skip
def test_the_word_for_yes(tmp_path, values, positive):
    _, data = draft(table(tmp_path / "t.csv", crp=numbers(1), outcome=words(*values)))
    assert data.outcome.positive == (positive,)


def test_of_two_words_that_say_nothing_the_rarer_one_is_yes(tmp_path):
    given = ["alpha"] * 40 + ["beta"] * 20
    made, data = draft(table(tmp_path / "t.csv", crp=numbers(1), group=given))
    assert data.outcome.positive == ("beta",)
    assert made.guesses[0][1].endswith("as the rarer word: check it")


def test_without_a_name_the_last_column_with_two_values_is_it(tmp_path):
    columns = {"a": words("x", "y"), "b": numbers(1), "c": words("u", "v", seed=8)}
    _, data = draft(table(tmp_path / "t.csv", **columns))
    assert data.outcome.column == "c"


def test_sex_is_rather_an_input(tmp_path):
    columns = {"flag": words("0", "1"), "crp": numbers(1), "sex": words("f", "m", seed=9)}
    _, data = draft(table(tmp_path / "t.csv", **columns))
    assert data.outcome.column == "flag"


def test_several_words_are_classes_and_many_numbers_a_measurement(tmp_path):
    _, data = draft(table(tmp_path / "t.csv", crp=numbers(1), label=words("AML", "ALL", "CLL")))
    assert (data.outcome.kind, data.outcome.classes) == ("classes", ("ALL", "AML", "CLL"))
    _, data = draft(table(tmp_path / "u.csv", crp=numbers(1), target=numbers(2)))
    assert (data.outcome.kind, data.outcome.column) == ("continuous", "target")


def test_an_event_with_a_time_is_a_time_to_it(tmp_path):
    columns = {"age": numbers(1, 20, 80), "os_days": numbers(2, 10, 900),
               "os_event": words("0", "1"), "followup_score": numbers(3)}  # fmt: skip
    made, data = draft(table(tmp_path / "t.csv", **columns))
    o = data.outcome
    assert (o.kind, o.time, o.positive) == ("time_to_event", "os_days", ("1",))
    assert "os_days" not in data.inputs[0].columns
    assert 'kind = "time_to_event"' in made.text


def test_the_outcome_may_be_named(tmp_path):
    path = table(tmp_path / "t.csv", diagnosis=words("a", "b"), crp=numbers(1))
    _, data = draft(path, outcome="crp")
    assert (data.outcome.column, data.outcome.kind) == ("crp", "continuous")
    with pytest.raises(BadInput, match="Expected the outcome among the columns of the files"):
        new_study(Files((path,)), outcome="nothing")


def test_files_without_an_outcome_are_refused_with_what_to_do(tmp_path):
    path = table(tmp_path / "t.csv", a=numbers(1), b=numbers(2))
    with pytest.raises(BadInput, match="found none; name it"):
        new_study(Files((path,)))


# the rest


def test_patients_with_several_rows_are_declared(tmp_path):
    who = [f"P{k // 2:03}" for k in range(N)]
    columns = {"patient_id": who, "crp": numbers(1), "outcome": ["yes", "yes", "no", "no"] * 15}
    made, data = draft(table(tmp_path / "t.csv", **columns))
    assert data.patient == "patient_id"
    assert "patient_id" not in data.inputs[0].columns
    assert not any("P0" in sentence for _, sentence in made.guesses)


def test_identifiers_and_dates_are_no_inputs(tmp_path):
    columns = {"mrn": [f"{k:07}" for k in range(N)], "visit_date": ["2024-01-02"] * N,
               "crp": numbers(1), "outcome": words("yes", "no")}  # fmt: skip
    _, data = draft(table(tmp_path / "t.csv", **columns))
    assert data.inputs[0].columns == ("crp",)


def test_words_for_not_known_and_limits_are_declared(tmp_path):
    crp, il6 = numbers(1), numbers(2)
    crp[3], il6[5], il6[6] = "n.d.", "<0.5", "unknown"
    _, data = draft(table(tmp_path / "t.csv", crp=crp, il6=il6, outcome=words("yes", "no")))
    assert set(data.missing_words) == {"n.d.", "unknown"}
    assert [block.below_limit for block in data.inputs] == ["half"]


def test_a_column_that_stops_the_hospital_is_excluded_with_the_reason(tmp_path):
    outcome = words("yes", "no")
    crp = numbers(1)
    crp[3] = "12,5"
    blasts = [90 if w == "yes" else 1 for w in outcome]
    columns = {"crp": [f'"{c}"' for c in crp], "age": numbers(2), "blasts": blasts}
    columns["relapse"] = outcome
    made, data = draft(table(tmp_path / "t.csv", **columns))
    assert set(data.exclude) == {"crp", "blasts"}
    assert data.inputs[0].columns == ("age",)
    assert '"blasts",  # alone tells the outcome' in made.text


def test_many_columns_with_one_beginning_are_a_pattern(tmp_path):
    genes = {f"HS_{k}": numbers(k) for k in range(70)}
    columns = {
        "age": numbers(99),
        **genes,
        "er": words("0", "1"),
        "outcome": words("a", "b", seed=11),
    }
    _, data = draft(table(tmp_path / "t.csv", **columns), outcome="er")
    assert [(b.name, b.columns) for b in data.inputs] == [
        ("others", ("age", "outcome")), ("HS", ("HS_*",)),
    ]  # fmt: skip


def test_a_matrix_beside_a_sheet_is_joined_by_its_samples(tmp_path):
    names = [f"S{k}" for k in range(N)]
    sheet = table(
        tmp_path / "sheet.csv", sample=names, age=numbers(1), diagnosis=words("AML", "no")
    )
    proteins = {f"P{k:05}": numbers(k) for k in range(80)}
    matrix = table(tmp_path / "proteins.csv", sample=names, **proteins)
    _, data = draft(sheet, matrix)
    assert data.sample == "sample"
    assert {b.name for b in data.inputs} == {"others", "P"}


def test_the_draft_shows_no_count_of_patients(tmp_path):
    path = table(tmp_path / "t.csv", crp=numbers(1), outcome=words("yes", "no"))
    made, _ = draft(path)
    assert str(N) not in made.text.replace("15_552", "").replace("1_830_297_600_000", "")


def test_the_heart_data_make_a_study(tmp_path):
    made, data = draft(write_heart(tmp_path)["Cleveland"])
    assert (made.name, data.outcome.column, data.outcome.positive) == ("cleveland", "label", ("1",))
    assert "thalach" in data.inputs[0].columns


@pytest.mark.parametrize("name", ['say "hi"', "back\\slash", "ünïcödé", "# no comment", "a]b"])
def test_odd_names_of_columns_are_quoted(tmp_path, name):
    header = '"' + name.replace('"', '""') + '",outcome'
    rows = [f"{a},{b}" for a, b in zip(numbers(1), words("yes", "no"), strict=True)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    _, data = draft(path)
    assert data.inputs[0].columns == (name,)


# without files


def test_an_annotated_draft_can_be_read():
    made = new_study()
    assert parse_spec(made.text, "x").data.outcome.column == "outcome"
    commented = [line[2:] for line in made.text.splitlines() if line.startswith("# ")]
    assert any(line.startswith("approvals_expire_ms") for line in commented)


@pytest.mark.parametrize("name", NAMES)
def test_each_example_is_a_draft(name):
    made = draft_example(name, "our-own")
    assert parse_spec(made.text, "x").name == "our-own"
    assert tomllib.loads(made.text)["title"].endswith("?")


@pytest.mark.parametrize(
    ("file", "name"),
    [("Heart data (v2).csv", "heart-data-v2"), ("Ärzte.csv", "rzte"), (".csv", "my-study"),
     ("x" * 60, "x" * 40)],
)  # fmt: skip
def test_a_study_is_named_like_the_file(file, name):
    assert slug(file) == name


def test_a_name_that_no_study_has_is_refused():
    with pytest.raises(BadInput, match="Expected a study's name"):
        new_study(name="My Study")


def test_a_file_is_never_overwritten(tmp_path):
    out = tmp_path / "study.toml"
    write_new(new_study(), out)
    before = out.read_text()
    with pytest.raises(BadInput, match="is there already"):
        write_new(new_study(name="another"), out)
    assert out.read_text() == before
    with pytest.raises(BadInput, match="Cannot write"):
        write_new(new_study(), tmp_path / "no" / "study.toml")


def test_the_command_writes_what_the_check_takes(tmp_path):
    path = table(tmp_path / "aml.csv", crp=numbers(1), diagnosis=words("AML", "no"))
    out, run = tmp_path / "study.toml", CliRunner().invoke
    done = run(app, ["study", "new", "--from", str(path), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "swarmhub study propose" in done.output
    checked = run(app, ["data", "check", str(path), "--study", str(out), "--json"])
    assert checked.exit_code == 0, checked.output
    again = run(app, ["study", "new", "--example", "heart", "--out", str(out)])
    assert again.exit_code != 0
