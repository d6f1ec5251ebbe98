"""Stories: each file has a schedule and, behind a line of dashes, how it goes. Its heading says
what is to be seen, and the lines `# shown by: ...` what of the story shows it.

REWRITE=1 pytest tests/sim/test_scenarios.py     writes the stories anew; review the difference
"""

import os
import re
from pathlib import Path

import pytest

from swarmhub.sim import parse_schedule, run_schedule

FILES = sorted((Path(__file__).parents[1] / "scenarios").glob("*.txt"))
LINE = "-" * 20 + "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_story_goes_as_it_is_written(path):
    schedule, _, expected = path.read_text().partition(LINE)
    report = run_schedule(parse_schedule(schedule))
    assert parse_schedule(path.read_text()) == parse_schedule(schedule), (
        "a story is no part of its schedule"
    )
    assert not report.broken, "\n".join([*report.story, *report.broken])
    story = "\n".join(report.story) + "\n"
    for words in re.findall("(?m)^# shown by: (.+)$", schedule):
        assert words in story, "the heading says more than the story"
    if os.environ.get("REWRITE"):
        path.write_text(schedule + LINE + story)
    else:
        assert story == expected
