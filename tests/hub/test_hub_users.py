"""Users, links, sessions: what proves who somebody is, and for how long."""

import json

import pytest

from swarmhub.errors import BadInput, HomeError
from swarmhub.hub.auth import links as links_module
from swarmhub.hub.auth.links import Links
from swarmhub.hub.auth.sessions import ATTEMPTS, IDLE_MS, LIFE_MS, WITHIN_MS, Attempts, Sessions
from swarmhub.hub.auth.users import HERE, OPERATOR, Users
from swarmhub.hub.process import say_link

WORDS = "correct horse battery"


class Clock:
    def __init__(self):
        self.ms = 1_700_000_000_000

    def __call__(self):
        return self.ms


@pytest.fixture
def users(tmp_path):
    found = Users(tmp_path / "users.json")
    found.add("anna", ("owner",))
    return found


def test_a_passphrase_is_kept_as_its_hash_and_checked(users, tmp_path):
    users.set_passphrase("anna", WORDS)
    text = (tmp_path / "users.json").read_text()
    assert WORDS not in text
    assert (tmp_path / "users.json").stat().st_mode & 0o777 == 0o600
    assert users.check("anna", WORDS).name == "anna"
    for name, given in (("anna", WORDS + "x"), ("anna", ""), ("nobody", WORDS), (HERE, WORDS)):
        assert users.check(name, given) is None


def test_a_link_is_printed_with_its_time_and_its_person():
    hours = f"within {links_module.LIFE_MS // 3_600_000} hours"
    assert say_link() == (
        f"works once, {hours}, for the person that started this node, with all roles; "
        "'swarmhub hub open' makes another"
    )
    assert say_link("anna") == (
        f"works once, {hours}, for 'anna' alone; 'swarmhub hub user link anna' makes another"
    )


def test_without_a_passphrase_nothing_is_right(users):
    for given in ("", "0", "00" * 64):
        assert users.check("anna", given) is None


def test_roles_are_what_was_given(users):
    anna = users.add("anna", ("viewer", "researcher"))
    assert anna.roles == ("researcher",)
    assert [anna.may(r) for r in ("viewer", "researcher", "owner", "administrator")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert all(OPERATOR.may(r) for r in ("viewer", "researcher", "owner", "administrator"))


@pytest.mark.parametrize("name", ["", HERE, "a b", "../x", "x" * 65, "-x", "é"])
def test_names_that_cannot_be_are_refused(users, name):
    with pytest.raises(BadInput, match="Expected a user's name"):
        users.add(name, ())


def test_short_passphrases_are_refused(users):
    with pytest.raises(BadInput, match="12 to 200 characters, got 5"):
        users.set_passphrase("anna", "short")


def test_a_token_is_of_its_user_until_the_user_is_removed(users, tmp_path):
    token = users.add_token("anna")
    assert token not in (tmp_path / "users.json").read_text()
    assert users.find_by_token(token).name == "anna"
    assert users.find_by_token(token + "x") is None
    assert users.find_by_token("") is None
    users.remove("anna")
    assert users.find_by_token(token) is None


def test_a_damaged_file_is_said_to_be_so(users, tmp_path):
    (tmp_path / "users.json").write_text('[{"name": 3}]')
    with pytest.raises(HomeError, match="cannot be read"):
        users.all()


def test_a_link_works_once_and_not_for_ever(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(links_module, "wall_clock_ms", clock)
    links = Links(tmp_path / "links")
    secret = links.make("anna")
    assert secret not in str(sorted((tmp_path / "links").iterdir()))
    assert links.use(secret) == "anna"
    assert links.use(secret) == ""
    late = links.make("anna")
    clock.ms += links_module.LIFE_MS + 1
    assert links.use(late) == ""
    for strange in ("", "..", "../../users.json", "x" * 5000, "\x00"):
        assert links.use(strange) == ""


def test_a_session_ends_when_it_is_idle_or_old():
    clock = Clock()
    sessions = Sessions(clock)
    cookie = sessions.begin("anna")
    clock.ms += IDLE_MS
    assert sessions.find(cookie).user == "anna"
    clock.ms += IDLE_MS + 1
    assert sessions.find(cookie) is None
    cookie = sessions.begin("anna")
    for _ in range(LIFE_MS // IDLE_MS):
        clock.ms += IDLE_MS
        sessions.find(cookie)
    clock.ms += 1
    assert sessions.find(cookie) is None


def test_all_sessions_of_a_user_can_be_ended():
    sessions = Sessions()
    mine, other = sessions.begin("anna"), sessions.begin("ben")
    sessions.end_all("anna")
    assert sessions.find(mine) is None
    assert sessions.find(other).user == "ben"


def test_attempts_that_fail_are_limited_for_a_while():
    clock = Clock()
    attempts = Attempts(clock)
    for _ in range(ATTEMPTS):
        assert not attempts.are_too_many("name anna", "address 1")
        attempts.note("name anna", "address 1")
    assert attempts.are_too_many("name anna", "address 2")
    assert attempts.are_too_many("name ben", "address 1")
    assert not attempts.are_too_many("name ben", "address 2")
    clock.ms += WITHIN_MS + 1
    assert not attempts.are_too_many("name anna", "address 1")


def test_the_file_is_json_for_people(users, tmp_path):
    assert json.loads((tmp_path / "users.json").read_text())[0]["roles"] == ["owner"]
