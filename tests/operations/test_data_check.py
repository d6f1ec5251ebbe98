"""A data check as a page and as a command: what would leave, byte for byte, and exit codes."""

import json

import numpy as np
import pytest
from html_tags import Tags
from swarm import swarmhub

from swarmhub.data.reading import Files
from swarmhub.errors import BadInput
from swarmhub.operations.data_check import check_data
from swarmhub.operations.data_page import list_leaving, say_verdict, write_check
from swarmhub.operations.studies import read_spec
from swarmhub.recipes.preparing import Sources

pytestmark = pytest.mark.unit

STUDY = """
name = "aml"
min_peers = 2
rounds = 5

[metric]
name = "auc"
goal = "max"

[data]
patient = "person"

[data.outcome]
column = "relapse"
positive = "yes"
negative = "no"
"""


def write_files(folder, cell="1.5"):
    """A study's terms, and a table of 40 patients; `cell` is one of its numbers."""
    (folder / "study.toml").write_text(STUDY)
    rng = np.random.default_rng(3)
    rows = ["person,relapse,crp,sex"]
    for k in range(40):
        crp = cell if k == 20 else f"{rng.normal():.3f}"
        rows.append(f"P{k:03},{'yes' if k % 2 else 'no'},{crp},{'f' if k % 3 else 'm'}")
    (folder / "own<b>.csv").write_text("\n".join(rows) + "\n")
    return folder / "study.toml", folder / "own<b>.csv"


def check(folder, cell="1.5"):
    terms, table = write_files(folder, cell)
    return check_data(read_spec(terms), Sources(Files((table,))))


def test_the_page_has_the_document_byte_for_byte_and_each_column_in_words(tmp_path):
    found = check(tmp_path)
    write_check(found, tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text()
    tags = Tags(page)
    assert (tags.wrong, tags.open) == ([], [])
    assert not tags.seen & {"script", "link", "img", "iframe", "b"}
    assert found.document in page.replace("&#34;", '"')
    assert found.sha256 in page
    assert "P020" not in page
    leaving = {row.name: row for row in list_leaving(found.document)}
    assert set(leaving) == {"crp", "sex"}
    assert leaving["crp"].published == found.training_rows
    assert leaving["sex"].content.startswith("rows by category: f: ")
    assert say_verdict(found).startswith("These files can be used")


def test_an_error_is_the_first_sentence_and_nothing_would_leave(tmp_path):
    found = check(tmp_path, "<5")
    write_check(found, tmp_path / "check.html")
    page = (tmp_path / "check.html").read_text()
    assert not found.is_usable
    assert "cannot take part with these files: 1 error has to be mended" in page
    assert "line 22" in page
    assert "What would leave" not in page


def test_a_page_needs_a_folder_and_a_name_of_html(tmp_path):
    found = check(tmp_path)
    for path, what in ((tmp_path / "a.txt", "an .html file"), (tmp_path / "b/c.html", "no folder")):
        with pytest.raises(BadInput, match=what):
            write_check(found, path)


@pytest.mark.process
def test_the_command_ends_with_2_and_writes_the_page_all_the_same(tmp_path):
    terms, table = write_files(tmp_path, "<5")
    page = tmp_path / "check.html"
    done = swarmhub("data", "check", table, "--study", terms, "--page", page)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert '<h3 class="error">' in page.read_text()
    terms, table = write_files(tmp_path)
    done = swarmhub("data", "check", table, "--study", terms, "--page", page, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["document"] in page.read_text().replace("&#34;", '"')
