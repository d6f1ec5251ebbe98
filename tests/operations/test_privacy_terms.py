"""The privacy of terms: TOML to records and back, what cannot be, and what it means in words."""

import tomllib
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from swarmhub.cli.app import app
from swarmhub.contract.records import Privacy
from swarmhub.errors import BadInput
from swarmhub.examples.new_study import draft_example
from swarmhub.operations.new_study import new_study
from swarmhub.operations.privacy_numbers import CLIP, read_quantity, write_quantity
from swarmhub.operations.privacy_terms import (
    Numbers,
    choose_privacy,
    set_privacy,
    write_privacy,
)
from swarmhub.operations.privacy_words import say_privacy
from swarmhub.operations.studies import parse_spec

pytestmark = pytest.mark.unit

HEAD = 'name = "s"\nmin_peers = 3\nrounds = 2\n'
MASKED = Privacy(masked=True)


def read(privacy):
    return parse_spec(HEAD + privacy, "the terms").privacy


@pytest.mark.parametrize(
    ("text", "millionths"),
    [
        ("10.0", 10_000_000), ("10", 10_000_000), ("0.1", 100_000), ("0.000001", 1),
        ("1e-6", 1), ("2.5e0", 2_500_000), ("999999.999999", 999_999_999_999),
        ("1000000", 1_000_000_000_000), ("8.10", 8_100_000),
    ],
)  # fmt: skip
def test_a_clip_is_read_and_written_exactly(text, millionths):
    assert read(f"[privacy]\nmasked = true\nclip = {text}\n").clip_millionths == millionths
    assert read_quantity(CLIP, write_quantity(CLIP, millionths)) == millionths


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        ("0", "above 0 and up to 1000000: no parameter moves further"),
        ("-1.5", "above 0"),
        ("1000000.000001", "up to 1000000"),
        ("0.0000001", "in steps of 0.000001"),
        ("10.00000000000000000001", "in steps of 0.000001"),
        ("nan", "as a number above 0"),
        ("inf", "as a number above 0"),
        ("1e400", "as a number above 0"),
        ("true", "as a number above 0"),
        ("[1.0]", "as a number above 0"),
        ("1979-05-27", "as a number above 0"),
        ('"wide"', "as a number above 0"),
    ],
)
def test_a_clip_that_cannot_be_gets_one_sentence(clip, expected):
    with pytest.raises(BadInput, match=expected) as found:
        read(f"[privacy]\nmasked = true\nclip = {clip}\n")
    assert "\n" not in str(found.value)


def test_a_word_is_short_for_its_table():
    assert read('privacy = "plain"\n') == Privacy()
    assert read('privacy = "masked"\n') == MASKED == read("privacy.masked = true\n")
    for wrong, expected in (
        ('privacy = "secret"\n', "privacy plain or masked or dp or masked,dp, got 'secret'"),
        ("[privacy]\nmaskd = true\n", "masked"),
        ("privacy = 3\n", "privacy"),
        ("[privacy]\nclip = 1.0\nclip_millionths = 5\n", "got both"),
    ):
        with pytest.raises(BadInput, match=expected):
            read(wrong)


@pytest.mark.parametrize("colluders", [1, 3])
def test_what_is_written_is_read_again(colluders):
    privacy = Privacy(True, colluders, 1_234_567)
    assert read(write_privacy(privacy)) == privacy
    assert write_privacy(Privacy()) == ""


TEXTS = (
    HEAD,
    HEAD.replace("\n", "\r\n"),
    HEAD + "# the end",
    HEAD + '[privacy]\nmasked = true\nclip = 3.0\n\n[metric]\nname = "loss"\n',
    HEAD + 'privacy = "plain"\n[metric]\nname = "loss"\n',
    "privacy.masked = true\nprivacy.clip = 2.0\n" + HEAD,
)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("privacy", [Privacy(), MASKED, Privacy(True, 2, 5)])
def test_terms_get_another_privacy_and_keep_the_rest(text, privacy):
    before = parse_spec(text, "the terms")
    after = parse_spec(set_privacy(text, privacy), "the terms")
    assert after == replace(before, privacy=privacy)


def test_a_choice_keeps_colluders_and_the_clip_that_it_does_not_name():
    text = HEAD + "[privacy]\nmasked = true\ncolluders = 2\nclip = 3.0\n"
    chosen = parse_spec(choose_privacy(text, "masked", Numbers(" ")), "the terms").privacy
    assert chosen == Privacy(True, 2, 3_000_000)
    chosen = parse_spec(choose_privacy(text, "masked", Numbers("0.5")), "the terms").privacy
    assert chosen == Privacy(True, 2, 500_000)
    for mode, clip in (("loud", ""), ("masked", "0"), ("masked", "a lot")):
        with pytest.raises(BadInput):
            choose_privacy(text, mode, Numbers(clip))


@pytest.mark.parametrize("text", ["name = ", 'title = """\n[privacy]\n"""\n', "privacy = {\n"])
def test_text_that_only_a_person_can_change_is_left_alone(text):
    with pytest.raises(BadInput, match=r"by hand|Expected TOML"):
        set_privacy(text, MASKED)


# drafts and words


def test_a_draft_is_masked_if_it_is_asked_for(tmp_path):
    out = tmp_path / "study.toml"
    done = CliRunner().invoke(app, ["study", "new", "--privacy", "masked", "--out", str(out)])
    assert done.exit_code == 0, done.output
    spec = parse_spec(out.read_text(), "the draft")
    assert (spec.privacy, spec.stages[2].until) == (MASKED, None)
    wrong = CliRunner().invoke(app, ["study", "new", "--privacy", "x", "--out", str(out)])
    assert isinstance(wrong.exception, BadInput)


def test_drafts_are_plain_by_default():
    for made in (new_study(name="mine"), draft_example("heart")):
        assert "privacy" not in tomllib.loads(made.text)


def test_words_say_what_is_hidden_and_what_is_not():
    assert [subject for subject, _ in say_privacy(Privacy())] == ["privacy"]
    said = dict(say_privacy(Privacy(True, 1, 2_500_000)))
    assert "no hospital's own part, unless two or more of them show" in said["privacy"]
    assert "at least 3 hospitals" in said["privacy"]
    assert "more than 2.5 in a round" in said["privacy"]
    for words in ("statistics", "number of training rows", "every sum", "every merged model"):
        assert words in said["not hidden"]
    assert "contribution of each" in " ".join(s for _, s in say_privacy(Privacy(True)))
    said = dict(say_privacy(Privacy(True, 3)))
    assert "unless more than 3 of them" in said["privacy"]
    assert "at least 5 hospitals" in said["privacy"]
