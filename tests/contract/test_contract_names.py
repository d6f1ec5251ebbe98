"""Names and addresses: which are accepted, and which two are taken for the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from builders import Consortium, card_of, genesis_of, key, spec_of
from hypothesis import given
from hypothesis import strategies as st

from swarmhub import contract, keys
from swarmhub.contract.names import (
    find_address_fault,
    find_name_fault,
    fold_address,
    fold_name,
    is_address,
)
from swarmhub.contract.refusals import BadValue
from swarmhub.contract.state import Overlay, State
from swarmhub.contract.transactions import Propose, Rotate
from swarmhub.errors import BadInput
from swarmhub.home.home import Home

ROOT = Path(__file__).resolve().parents[2]
GOOD = [
    "Charité", "Universitätsklinikum Gießen", "St. Mary's (Leeds)", "A&E 2/3", "Åse", "H3",
    "Клиника 1", "Ιπποκράτειο", "Ostra, Göteborg", "Klinik-Süd", "1",
]  # fmt: skip
ALIKE = [
    ("Mayo", "mayo"),
    ("Mayo", "MAYO"),
    ("Copa", "Сора"),  # Cyrillic all through
    ("OMH", "ΟΜΗ"),  # Greek
    ("Chirurgie", "Chlrurgle"),
    ("Hospital 1", "Hospital l"),
    ("Hospital 1", "HOSPITAL I"),
    ("Hospital 0", "Hospital O"),
    ("Charité", "Charite"),
    ("Gießen", "GIESSEN"),
    ("Klinik Süd", "Klinik-Süd"),
    ("St. Mary", "St Mary"),
]
NO_NAMES = {
    "nothing": "",
    "blank": "   ",
    "too long": "n" * 61,
    "space at the end": "Mayo ",
    "space before": " Mayo",
    "an option": "--help",
    "control character": "a\nb",
    "zero width": "Ma\u200byo",
    "right to left": "Ma\u202eyo",
    "no-break space": "Mayo\u00a0Clinic",
    "two scripts": "Mаyo",  # the a is Cyrillic
    "accent by itself": "Charite\u0301",
    "full width": "Ｍayo",
    "digit of another script": "Mayo ١",
    "emoji": "Mayo 🏥",
    "quote": 'Mayo "Clinic"',
    "markup": "x[/x]",
    "click letter": "Mayo ǀ",
    "Roman numeral": "Mayo Ⅰ",
}


def name_act(c, name, address="elsewhere.example:1"):
    """A hospital of this name applies; what becomes of it."""
    token = c.invite(1, "newcomer")
    card = card_of(name, key("newcomer"), address=address)
    return c.act(key("newcomer"), c.application(token, card))


@pytest.mark.parametrize("name", GOOD)
def test_a_name_has_letters_digits_and_some_punctuation(name):
    assert find_name_fault(name) == ""
    assert name_act(Consortium(2), name).ok


@pytest.mark.parametrize("name", NO_NAMES.values(), ids=NO_NAMES)
def test_what_is_no_name_is_refused_with_a_sentence(name):
    result = name_act(Consortium(2), name)
    assert (result.code, result.message[:17]) == ("BadValue", "'name': expected ")
    genesis = genesis_of(["h1"], name=name)
    env = contract.Env(0, genesis.time_ms, keys.verify)
    with pytest.raises(BadValue):
        contract.found(Overlay(State()), genesis, env)


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_names_that_look_alike_are_one(one, other):
    c = Consortium(2)
    assert fold_name(one) == fold_name(other)
    c.ok(1, Propose(spec_of()))  # whatever else happens
    c.admit(one)
    result = name_act(c, other)
    assert result.code == "AlreadyDone"
    assert result.message == (
        f"Already done: a member is named {one!r}; choose a name that looks different."
    )


@pytest.mark.parametrize(
    ("one", "other"), [("Hospital A", "Hospital B"), ("Ward 1", "Ward 2"), ("Bonn", "Born")]
)
def test_names_that_look_different_are_two(one, other):
    assert fold_name(one) != fold_name(other)


@given(st.text(max_size=70))
def test_every_text_is_a_name_or_has_a_fault_in_one_line(text):
    fault = find_name_fault(text)
    assert "\n" not in fault
    assert fault or fold_name(text)


def test_a_refusal_says_which_character_is_none_of_a_name():
    message = name_act(Consortium(2), "Ma\u200byo").message
    assert "not the character U+200B" in message
    assert "not Latin and Cyrillic ones together" in name_act(Consortium(2), "Mаyo").message


@pytest.mark.process
def test_the_letters_are_what_the_script_makes():
    script = [sys.executable, str(ROOT / "scripts" / "make_letters.py"), "--check"]
    assert subprocess.run(script, capture_output=True, text=True).returncode == 0


@pytest.mark.parametrize("name", ["", "  ", "--help", "Ma\u200byo", "Mаyo", "x[/x]"])
def test_a_home_does_not_take_a_name_that_the_contract_refuses(name, tmp_path):
    with pytest.raises(BadInput, match=", for a name; got"):
        Home.create(tmp_path / "h", name, "127.0.0.1:7401")
    assert not (tmp_path / "h").exists()


@pytest.mark.parametrize("address", ["fd00::1:7400", "a..b:80", "host:"])
def test_a_home_does_not_take_an_address_that_the_contract_refuses(address, tmp_path):
    with pytest.raises(BadInput, match=", for an address; got"):
        Home.create(tmp_path / "h", "Mayo", address)


def test_a_home_is_named_by_the_composed_letters(tmp_path):
    home = Home.create(tmp_path / "h", "Charite\u0301", "127.0.0.1:7401")
    assert home.config.name == "Charité"


@pytest.mark.parametrize("name", ["--help", "-", "-a", "a-", "a--", "ä", "a b", "A"])
def test_a_studys_name_begins_and_ends_with_a_letter_or_digit(name):
    said = Consortium(2).refused("BadValue", 1, Propose(spec_of(name=name))).message
    assert "with a letter or digit at both ends" in said
    Consortium(2).ok(1, Propose(spec_of(name="a-1")))


# addresses

BAD_ADDRESSES = {
    "an empty label": "a..b:80",
    "a dot at the end": "host.:80",
    "a dot before": ".host:80",
    "a long label": "h" * 64 + ".example:80",
    "IPv6 without brackets": "fd00::1:7400",
    "IPv6 without a port": "fd00::1",
    "IPv6 with a zone": "[fe80::1%eth0]:80",
    "half a bracket": "[::1:80",
    "nothing in brackets": "[]:80",
    "two gaps": "[1::2::3]:80",
    "an umlaut": "klinik-süd.example:80",
    "a slash": "http://host:80",
    "another's user": "user@host:80",
}


@pytest.mark.parametrize("address", BAD_ADDRESSES.values(), ids=BAD_ADDRESSES)
def test_an_address_that_is_none_is_refused_with_a_sentence(address):
    result = name_act(Consortium(2), "newcomer", address)
    assert (result.code, result.message[:20]) == ("BadValue", "'address': expected ")


def test_an_ipv6_address_without_brackets_is_told_how_it_is_written():
    for address in ("fd00::1:7400", "fd00::1", "::1"):
        assert find_address_fault(address).endswith("as [fd00::1]:7400")
    assert is_address("[fd00::1]:7400")
    assert is_address("[1:2:3:4:5:6:7:8]:7400")


@pytest.mark.parametrize("address", ["h2.example:7000", "H2.Example:7000", "h2.example:07000"])
def test_two_members_have_no_address_in_common(address):
    c = Consortium(2)
    result = name_act(c, "newcomer", address)
    assert result.message == ("Already done: member 2 is at h2.example:7000; give another address.")
    c.refused("AlreadyDone", 1, Rotate(*c.rotated(1, by=key("h1"), address=address)))


def test_a_ledgers_address_is_no_other_members_either():
    c = Consortium(2)
    c.ok(1, Rotate(*c.rotated(1, by=key("h1"), ledger=f"{'ab' * 20}@one:1")))
    taken = {"ledger": f"{'cd' * 20}@ONE:1"}, {"address": "one:1"}
    for changes in taken:
        c.refused("AlreadyDone", 2, Rotate(*c.rotated(2, **changes)))


def test_members_may_stand_behind_the_same_relay():
    c = Consortium(2)
    for member in (1, 2):
        card, proof = c.rotated(
            member,
            by=key(f"h{member}"),
            address="@relay.example:80",
            ledger=f"{'ab' * 19}{member:02}@-",
        )
        c.ok(member, Rotate(card, proof))


def test_spellings_of_one_ipv6_address_are_one():
    spellings = ("[::1]:80", "[0:0:0:0:0:0:0:1]:80", "[::0001]:080", "[0::1]:80")
    assert {fold_address(a) for a in spellings} == {("0:0:0:0:0:0:0:1", 80)}
    assert fold_address("[::A]:1") == fold_address("[0:0::a]:1") != fold_address("[a::]:1")
