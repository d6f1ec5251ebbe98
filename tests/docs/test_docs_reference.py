"""The reference pages name everything that there is, and the generated ones are current."""

import dataclasses
import functools
import importlib.util
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import swarmhub
from swarmhub import errors
from swarmhub.contract import records, refusals, transactions
from swarmhub.contract.consortium import thresholds
from swarmhub.contract.round import kinds
from swarmhub.demo.compare import Scores
from swarmhub.demo.outcome import Outcome, Takeover
from swarmhub.protocol import Timeouts
from swarmhub.sim import event_checks, invariants, mask_checks, run_record, settlements

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SCRIPT = ROOT / "scripts" / "make_reference.py"


def read(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def table_row(page: str, first: str) -> list[str]:
    """Cells of the table row whose first cell is `first`."""
    for line in read(page).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and cells[0] == first:
            return cells
    pytest.fail(f"{page} has no row {first!r}")


def make_reference():
    spec = importlib.util.spec_from_file_location("make_reference", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_reference"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.process
def test_generated_pages_are_current():
    done = subprocess.run(
        [sys.executable, SCRIPT, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_is_in_the_reference():
    page = read("reference/cli.md")
    commands = list(make_reference().commands())
    assert len(commands) > 20
    assert [c for c in commands if f"# {c}\n" not in page] == []


def test_every_public_name_of_the_package_is_in_the_reference():
    page = read("reference/python.md")
    assert [name for name in swarmhub.__all__ if f"`{name}`" not in page] == []
    for cls in (swarmhub.Swarm, swarmhub.SwarmRound):
        public = [n for n, f in vars(cls).items() if n[0] != "_" and inspect.isfunction(f)]
        assert [n for n in public if not re.search(rf"(?m)^### \w+\.{n}$", page)] == []
    fields = [f.name for f in dataclasses.fields(swarmhub.SwarmRound) if f.name[0] != "_"]
    assert [n for n in fields if f"| `{n}` |" not in page] == []


def test_every_transaction_kind_and_its_fields_are_in_the_reference():
    page = read("reference/contract.md")
    for kind, cls in transactions.BODIES.items():
        section = page.partition(f"### {kind}\n")[2].partition("\n###")[0]
        assert section, kind
        for field in dataclasses.fields(cls):
            assert f"| `{field.name}` |" in section, (kind, field.name)


def test_every_phase_is_in_the_reference():
    for name, kind in kinds.KINDS.items():
        row = table_row("reference/contract.md", f"`{name}`")
        assert row[1].split(" → ") == [f"`{p}`" for p in kind.phases]
        assert table_row("guides/round.md", f"`{name}`")[2].split(", ") == list(kind.phases)


def spec_keys(cls=records.Spec, prefix=""):
    for field in dataclasses.fields(cls):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if dataclasses.is_dataclass(default) and default is not dataclasses.MISSING:
            yield from spec_keys(type(default), f"{field.name}.")
        else:
            yield prefix + field.name, default


@pytest.mark.parametrize(("key", "default"), list(spec_keys()))
def test_every_key_of_a_spec_is_in_the_reference_with_its_default(key, default):
    said = table_row("reference/spec.md", f"`{key}`")[1]
    if default is dataclasses.MISSING:
        assert said == "required"
    else:
        value = list(default) if isinstance(default, tuple) else default
        assert said == f"`{json.dumps(value)}`"


def test_every_error_and_refusal_is_in_the_reference():
    page = read("reference/errors.md")
    for module, base in ((errors, errors.SwarmhubError), (refusals, refusals.Refusal)):
        for name, value in vars(module).items():
            if isinstance(value, type) and issubclass(value, base) and value is not base:
                assert re.search(rf"(?m)^(\W*|\| `){name}\b", page), name


@pytest.mark.parametrize("n", range(1, 8))
def test_the_table_of_thresholds_is_what_the_contract_computes(n):
    computed = [
        thresholds.compute_faults(n),
        thresholds.compute_quorum(n),
        thresholds.compute_witnesses(n, n),
        thresholds.compute_unavailable(n, n),
        thresholds.compute_receipts(n, n),
    ]
    assert table_row("guides/network.md", str(n))[1:6] == [str(value) for value in computed]


def test_the_invariants_in_the_guide_are_those_of_the_simulator():
    listed = re.findall(r"(?m)^    ([A-Z_]+) +(.+(?:\n {18}.+)*)", invariants.__doc__ or "")
    written = re.findall(r"(?m)^\| ([A-Z_]+) \| (.+) \|$", read("guides/faults.md"))
    assert dict(written) == {name: " ".join(text.split()) for name, text in listed}
    modules = (invariants, event_checks, mask_checks, run_record, settlements)
    source = "".join(map(inspect.getsource, modules))
    assert set(re.findall(r'_break\(\s*"([A-Z_]+)"', source)) == {name for name, _ in listed}


@functools.cache
def constants() -> dict[str, str]:
    """Every constant of the package that is a plain number, by name."""
    found = {}
    for path in (ROOT / "src" / "swarmhub").rglob("*.py"):
        for name, value in re.findall(
            r"(?m)^([A-Z][A-Z_]+) = ([0-9_.]+)\b", path.read_text("utf-8")
        ):
            found[name] = f"{float(value):.10g}"
    return found


def test_constants_in_the_guide_are_those_of_the_code():
    page = read("guides/round.md").partition("Fixed in the code:")[2]
    rows = re.findall(r"(?m)^\|[^|]*\| `([\w.]+)` \| (\d+) \|$", page)
    assert len(rows) > 10
    for name, value in rows:
        owner, _, field = name.rpartition(".")
        known = str(getattr(Timeouts(), field)) if owner == "Timeouts" else constants()[name]
        assert value == known, name


def test_defaults_of_times_in_the_guide_are_those_of_the_spec():
    for key in ("quorum_grace_ms", "leader_timeout_ms", "transfer_bytes_per_s"):
        default = str(records.Spec.__dataclass_fields__[key].default)
        assert f"| `{key}` | {default} |" in read("guides/round.md")


def test_the_readme_names_every_key_of_the_demos_json():
    outcome = Outcome(
        nodes=1, rounds=1, startup_s=0.0, total_s=0.0, lines=[],
        scores=Scores({"A": None}, None, None), model_digest="", model_folder=Path("m"),
        report=Path("r"), ledger=Path("l"), takeovers=[Takeover(1, 1, "A", "B", 0.1)], homes=[],
        patients=0,
    )  # fmt: skip
    found = outcome.to_json()
    wanted = {*found, *found["auc"], *found["takeovers"][0]}
    text = (ROOT / "README.md").read_text("utf-8").partition("The JSON object has the keys")[2]
    said = set(re.findall(r"`(\w+)`", text.partition("\n\n")[0]))
    assert said == wanted


def test_no_page_names_a_path_of_a_machine_or_loads_from_elsewhere():
    for page in [*DOCS.rglob("*.md"), *DOCS.rglob("*.svg"), *ROOT.glob("*.md")]:
        text = page.read_text("utf-8")
        assert not re.search(r"/(root|tmp|work|Users)/", text), page.name
        assert not re.search(r"<(script|link|iframe)|src=.https?:|!\[[^]]*\]\(http", text), (
            page.name
        )


def test_relative_links_lead_to_files():
    for page in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]:
        for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), (page.name, link)
