"""The page about the architecture names the packages and functions that there are."""

import re
from pathlib import Path

import pytest
from test_layers import LEVELS

import swarmhub

SOURCE = Path(swarmhub.__file__).parent
PAGE = (Path(__file__).parents[2] / "docs" / "architecture.md").read_text("utf-8")
ROWS = re.findall(r"(?m)^\| .* \| `([\w/]+\.py)` \| `(\w+)`[\w`, ]* \|$", PAGE)
FILES = re.findall(r"`([\w/]+(?:\.py|/))`", PAGE.partition("## Where to look")[2])


def test_the_architecture_page_lists_every_package():
    listed = re.findall(r"(?m)^### (.+)$", PAGE)
    found = {p.stem for p in SOURCE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    packages = [name for line in listed for name in line.split(", ")]
    assert sorted(packages) == sorted(found - {"__init__", "__main__"})


def test_the_architecture_page_has_the_layers_of_the_tests():
    assert [line.split(", ") for line in re.findall(r"(?m)^### (.+)$", PAGE)] == LEVELS


@pytest.mark.parametrize(("file", "function"), ROWS)
def test_the_path_of_a_round_names_a_function(file, function):
    assert re.search(rf"(?m)^ *(async )?def {function}\(", (SOURCE / file).read_text("utf-8"))


def test_the_paths_of_rounds_are_whole():
    tables = [part.partition("\n\n")[0] for part in PAGE.split("| step |")[1:]]
    assert len(ROWS) == sum(table.count("\n| ") for table in tables)


@pytest.mark.parametrize("file", FILES)
def test_where_to_look_names_a_file(file):
    assert (SOURCE / file).exists()
