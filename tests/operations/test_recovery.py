"""What a survivor signs is checked before: a restart's file from another hospital is hostile."""

import dataclasses
import json

import pytest

from swarmhub import codec
from swarmhub.clock import wall_clock_ms
from swarmhub.contract import State
from swarmhub.contract.records import ForkGenesis, InheritedState
from swarmhub.errors import BadInput
from swarmhub.home.home import COMETBFT, Home
from swarmhub.home.ledgers import found_ledger
from swarmhub.operations.ledger_client import make_genesis
from swarmhub.operations.recovery import restart


@pytest.fixture
def homes(tmp_path):
    """Three hospitals whose ledger has block 0 only."""
    found = [
        Home.create(tmp_path / name, name, f"127.0.0.1:{7400 + 10 * i}", ledger=COMETBFT)
        for i, name in enumerate("ABC")
    ]
    genesis = make_genesis("Hearts", [h.card() for h in found])
    genesis = dataclasses.replace(genesis, time_ms=wall_clock_ms() - 60_000)
    for home in found:
        found_ledger(home, genesis)
    return found


def test_the_last_signature_begins_the_new_chain_at_whoever_types_it(homes, tmp_path):
    file = tmp_path / "restart.json"
    one = restart(homes[0], file, ["C"])
    assert (one.signed, one.missing, one.begun) == (("A",), ("B",), False)
    two = restart(homes[1], file, [])
    assert (two.missing, two.begun, two.ahead) == ((), True, 0)
    again = restart(homes[0], file, [])
    assert again.begun
    assert again.chain == two.chain
    assert (homes[0].root / "ledger.new").exists() is False
    with pytest.raises(BadInput, match="goes on from"):
        restart(homes[0], file, [])


def change(file, edit):
    value = json.loads(file.read_text())
    edit(value)
    file.write_text(json.dumps(value))


def another_state(value):
    state = {"x": "y"}
    value["inherits"]["state"] = json.dumps(state)
    value["inherits"]["app_hash"] = State({k: v.encode() for k, v in state.items()}).app_hash.hex()
    value["inherits"]["height"] = 7


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda v: v.update(time_ms=1 << 51), "check the clock"),
        (lambda v: v.update(time_ms=1), "check the clock"),
        (another_state, "cannot be used"),
        (lambda v: v["inherits"].update(state="{}"), "cannot be used"),
        (lambda v: v["inherits"].update(state="[" * 99), "cannot be used"),
        (lambda v: v["inherits"].update(survivors=[1, 9]), "cannot be used"),
        (lambda v: v["inherits"].update(signatures=[]), "damaged"),
        (lambda v: v["inherits"].update(chain="x"), "goes on from x"),
        (lambda v: v["inherits"].update(height=-1), "write it here instead"),
        (lambda v: v.pop("inherits"), "another genesis"),
        (lambda v: v.update(inherits=7), "expected an object"),
    ],
)
def test_a_file_that_was_tampered_with_is_one_sentence_and_not_signed(
    homes, tmp_path, edit, sentence
):
    file = tmp_path / "restart.json"
    restart(homes[0], file, ["C"])
    change(file, edit)
    before = file.read_bytes()
    with pytest.raises(BadInput, match=sentence):
        restart(homes[1], file, [])
    assert file.read_bytes() == before


def test_who_is_left_out_or_unknown_is_told_so(homes, tmp_path):
    file = tmp_path / "restart.json"
    with pytest.raises(BadInput, match="--without"):
        restart(homes[0], file, [])
    with pytest.raises(BadInput, match="Expected names of members"):
        restart(homes[0], file, ["Z"])
    restart(homes[0], file, ["C"])
    with pytest.raises(BadInput, match="does not count 'C'"):
        restart(homes[2], file, [])


def test_a_crash_between_the_two_names_is_made_good(homes, tmp_path):
    file = tmp_path / "restart.json"
    restart(homes[0], file, ["C"])
    restart(homes[1], file, [])
    home = homes[1]
    home.engine_path.rename(home.root / "ledger.new")  # as if the second name had not come
    with pytest.raises(BadInput, match="goes on from"):
        restart(home, file, [])
    assert home.engine_path.exists()


def test_the_records_are_read_as_they_are_written(homes, tmp_path):
    file = tmp_path / "restart.json"
    restart(homes[0], file, ["C"])
    found = codec.from_json(ForkGenesis, codec.parse(file.read_bytes(), 1 << 24))
    assert isinstance(found.inherits, InheritedState)
    assert found.inherits.survivors == (1, 2)
