"""What a person types wrongly: one line that says what was expected, exit code 2, nothing lost."""

import sys

import pytest

from swarmhub import cli
from swarmhub.home.home import Home

SPEC = 'name = "heart"\nrounds = 3\nmin_peers = 1\n'


@pytest.fixture
def typed(capsys, monkeypatch):
    """Run a command in this process; returns (exit code, stdout, stderr)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["swarmhub", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def sentence(typed):
    def run(*arguments):
        code, _, said = typed(*arguments)
        assert code == 2, said
        (line,) = said.splitlines()
        return line

    return run


@pytest.fixture
def home(tmp_path, typed):
    made = tmp_path / "home"
    init = ["init", "--name", "A", "--address", "127.0.0.1:7999"]
    assert typed(*init, "--home", made)[0] == 0
    assert typed("consortium", "found", "solo", "--home", made)[0] == 0
    return made


WRONG = [
    (["init"], "Missing option '--name'"),
    (["init", "--name", "  "], "1 to 60 letters, digits and spaces, for a name; got '  '"),
    (["init", "--name", "A", "--address", "::1:7400"], "Expected an IPv6 address in brackets"),
    (["init", "--name", "A", "--address", "2001:db8::1"], "as [fd00::1]:7400, for an address; got"),
    (["init", "--name", "A", "--address", "[zz]:7400"], "Expected an IPv6 address in brackets"),
    (["init", "--name", "A", "--address", "http://h:80"], "Expected host:port; a host is"),
    (["init", "--name", "A", "--address", ""], "Expected host:port with a port of"),
    (["init", "--name", "A", "--address", "h:1", "--behind", "r:2"], "got both; leave one out"),
    (["init", "--name", "A", "--ledger", ""], "Expected --ledger cometbft or the path"),
    (["init", "--name", "A", "--address", "h:65535", "--ledger", "cometbft"], "below 65535"),
    (["study", "enrol", "x", "--samples", "1.5"], "Expected a whole number of at least 1"),
    (["study", "enrol", "x", "--samples", "3", "--foo"], "No such option: --foo"),
    (["study", "shwo"], "No such command 'shwo'"),
    (["demo", "--rounds", "x"], "Expected a whole number from 1 to 1000, got 'x'"),
    (["train", "table", "x"], "Missing option '--data'"),
    (["up", "--foo"], "Unrecognized arguments: --foo. See 'swarmhub up --help'"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG, ids=[" ".join(w[0]) for w in WRONG])
def test_what_is_typed_wrongly_is_one_line(sentence, tmp_path, arguments, words):
    takes_home = arguments[0] not in ("demo", "train", "up") and arguments[1:2] != ["shwo"]
    home = ["--home", tmp_path / "none"] if takes_home else []
    assert words in sentence(*arguments, *home)
    assert not (tmp_path / "none").exists()


def test_a_blank_name_of_a_consortium_is_one_line(sentence, tmp_path, typed):
    made = tmp_path / "made"
    typed("init", "--name", "A", "--home", made)
    said = sentence("consortium", "found", " ", "--home", made)
    assert "letters, digits and spaces, for a name" in said


def test_a_command_without_a_verb_shows_its_help(typed):
    code, shown, said = typed("study")
    assert (code, said) == (2, "")
    assert "approve" in shown


def test_a_cut_off_token_is_said_to_be_cut_off(typed, sentence, home):
    token = typed("consortium", "invite", "--home", home)[1].strip()
    for part in (token[:-30], token[:40], token + "x"):
        assert "damaged or cut off" in sentence("consortium", "apply", part, "--home", home)
    assert "it begins with swarmhub1." in sentence("consortium", "join", token[10:], "--home", home)


def test_a_token_that_a_mail_program_broke_is_read(typed, home, tmp_path):
    token = typed("consortium", "invite", "--home", home)[1].strip()
    broken = tmp_path / "token"
    broken.write_text("\ufeff" + token[:70] + "\r\n" + token[70:], encoding="utf-8")
    other = tmp_path / "other"
    typed("init", "--name", "B", "--home", other, "--ledger", home / "ledger.sqlite")
    assert typed("consortium", "apply", broken, "--home", other)[0] == 0


@pytest.mark.parametrize("what", ["card", "genesis"])
def test_a_file_of_another_kind_is_named(sentence, home, tmp_path, what):
    file = tmp_path / "file"
    file.write_text(SPEC)
    command = {"card": ["found", "x", "--founder", file], "genesis": ["accept", file]}[what]
    assert f"Expected a {what}" in (said := sentence("consortium", *command, "--home", home))
    assert str(file) in said


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("metric = 'auc'", "Spec.metric: expected an object"),
        ("[metric]\nnmae = 'x'", "unknown key 'nmae'; did you mean 'name'?"),
        ("rounds = 4", "Expected TOML"),
        ("expires_ms = 2026-03-01", "Spec.expires_ms: expected int"),
    ],
)
def test_a_typo_in_terms_is_one_line(sentence, home, tmp_path, line, words):
    (tmp_path / "spec.toml").write_text(SPEC + line)
    assert words in sentence("study", "propose", tmp_path / "spec.toml", "--home", home)


def test_a_homes_configuration_may_begin_with_a_mark(home):
    config = home / "node.toml"
    config.write_text(config.read_text(), encoding="utf-8-sig")
    assert Home.open(home).config.name == "A"


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('address = "127.0.0.1:7999"', 'address = "::1:7400"', "'address': Expected an IPv6"),
        ('listen = "127.0.0.1:7999"', 'listen = "x"', "'listen': Expected host:port"),
        ("format = 1\n", "", "got none"),
    ],
)
def test_a_homes_configuration_is_checked(sentence, home, before, after, words):
    config = home / "node.toml"
    config.write_text(config.read_text().replace(before, after))
    assert words in sentence("node", "card", "--home", home)
