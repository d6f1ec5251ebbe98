"""Format, lint, types and documentation are part of the tests."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


pytestmark = pytest.mark.unit  # it may start processes


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "format", "--check"],
        ["ruff", "check"],
        ["mypy"],
        ["mypy", "--config-file", "bench/mypy.ini"],
        ["mypy", "--config-file", "tests/mypy.ini"],
        ["mkdocs", "build", "--strict", "--quiet", "--site-dir", "SITE"],
    ],
    ids=["format", "lint", "types", "types of bench", "types of tests", "docs"],
)
def test_the_project_is_in_order(command, tmp_path):
    arguments = [a.replace("SITE", str(tmp_path / "site")) for a in command]
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("script", ["make_messages.py", "check_language.py"])
def test_what_is_generated_or_counted_is_in_order(script):
    command = [sys.executable, str(ROOT / "scripts" / script), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
