"""Around a transaction: chain, expiry, signature, replay; and what a block leaves behind."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from builders import HEART, Consortium, digest, key, merging, running
from hypothesis import given
from hypothesis import strategies as st

from swarmhub import codec, contract, keys
from swarmhub.contract.compact import shrink
from swarmhub.contract.envelope import MAX_TX_BYTES, read_transaction, write_text, write_transaction
from swarmhub.contract.events import Admitted, PowerChanged
from swarmhub.contract.refusals import Refusal
from swarmhub.contract.replay import BUCKET_MS, PREFIXES
from swarmhub.contract.state import Overlay, State
from swarmhub.contract.transactions import BODIES, Invite, Leave, Poke, Ready, Vote
from swarmhub.contract.versions import VERSIONS
from swarmhub.errors import Malformed
from swarmhub.types import BLOCK_DOMAIN, TX_DOMAIN

MINUTE_MS = 60_000

# the envelope


@given(text=st.text(max_size=20), number=st.integers(0, 2**53 - 1))
def test_what_is_signed_is_everything_but_the_signature(text, number):
    h1 = key("h1")
    data = write_transaction(Poke(text), text, number, h1.public, lambda m: h1.sign(TX_DOMAIN, m))
    envelope = json.loads(write_text(data))
    del envelope["signature"]
    assert read_transaction(data).signed == codec.encode(envelope)


def test_a_transaction_for_another_chain_is_refused():
    c = running()
    c.refused("BadValue", 1, Ready(HEART), chain="other-chain")


def test_a_transaction_is_good_until_its_expiry():
    c = running()
    c.ok(1, Ready(HEART), expires_ms=c.now_ms + 1)  # the block's time is a millisecond later
    c.refused("Expired", 2, Ready(HEART), expires_ms=c.now_ms)


def test_a_transaction_expires_within_the_horizon():
    c = Consortium(1, horizon_ms=5000)
    body = Invite(key("x").public, c.now_ms + 10_000)
    c.refused("BadValue", 1, body, expires_ms=c.now_ms + 10_000)
    c.ok(1, body, expires_ms=c.now_ms + 5000)


@pytest.mark.parametrize(
    "sign",
    [
        lambda data: "",
        lambda data: "00" * 64,
        lambda data: "zz" * 64,
        lambda data: key("h2").sign(TX_DOMAIN, data),
        lambda data: key("h1").sign(BLOCK_DOMAIN, data),
        lambda data: key("h1").sign(TX_DOMAIN, data + b" "),
    ],
    ids=["none", "zeros", "no hex", "another's", "another domain", "other bytes"],
)
def test_a_transaction_without_its_signers_signature_is_refused(sign):
    c = running()
    c.refused("BadValue", 1, Ready(HEART), sign=sign)


def test_the_same_transaction_does_nothing_twice():
    c = running(3)
    data = c.write(1, Poke(HEART))
    assert c.block(data)[0].results[0].ok
    before = c.app_hash
    assert c.block(data)[0].results[0].code == "AlreadyDone"
    assert [r.code for r in c.block(data, data)[0].results] == ["AlreadyDone"] * 2
    assert c.app_hash == before


def test_the_same_transaction_twice_in_a_block_counts_once():
    c = running(3)
    data = c.write(1, Poke(HEART))
    assert [r.code for r in c.block(data, data)[0].results] == ["ok", "AlreadyDone"]


def test_a_refused_transaction_may_come_again():
    c = running(3)
    data = c.write(1, Poke("lung"))
    assert [c.block(data)[0].results[0].code for _ in range(2)] == ["UnknownThing"] * 2


# replay protection


def seen(c):
    return sorted(p for p in c.state.values if p.split("/")[0] in PREFIXES)


def test_transactions_are_forgotten_when_they_could_not_be_replayed_any_more():
    c = running(3)
    c.idle(3_600_000 + 2 * MINUTE_MS)
    assert seen(c) == []
    expiry = c.now_ms + 90_000
    data = [c.write(1, Poke(HEART), expires_ms=expiry + i) for i in range(3)]
    c.block(*data)
    assert sum(p.startswith("seen/") for p in seen(c)) == 3
    while c.now_ms <= expiry:
        codes = {r.code for r in c.block(*data)[0].results}
        assert codes == {"AlreadyDone"}
        c.now_ms += 10_000
    c.idle(BUCKET_MS)
    assert seen(c) == []
    assert {r.code for r in c.block(*data)[0].results} == {"Expired"}


def test_a_chain_that_was_idle_for_years_forgets_at_once():
    c = running(3)
    c.ok(1, Poke(HEART), expires_ms=c.now_ms + 3_600_000)
    c.idle(10 * 365 * 86_400_000)
    assert seen(c) == []


def test_a_transaction_at_the_end_of_the_horizon_is_forgotten_too():
    c = Consortium(1, horizon_ms=90_500)
    c.idle(1000)
    c.ok(1, Invite(key("x").public, c.now_ms + 999), expires_ms=c.now_ms + 90_500)
    c.idle(86_400_000)
    assert seen(c) == []


# what a block leaves behind


def test_an_empty_block_leaves_the_app_hash_alone():
    c = merging(3)
    c.idle()
    before = c.app_hash
    c.idle()
    c.idle(1000)
    assert c.app_hash == before


def test_an_empty_block_leaves_the_app_hash_alone_an_hour_and_a_day_later():
    c = Consortium(3)
    c.idle(2 * 3_600_000)  # everything that was remembered is forgotten
    before = c.app_hash
    c.idle(3_600_000)
    c.idle(86_400_000)
    assert c.app_hash == before


def test_a_refused_transaction_leaves_the_app_hash_alone_an_hour_later():
    c = Consortium(3)
    before = c.app_hash
    c.now_ms += 3_600_000
    assert c.act(1, Poke(HEART)).code == "UnknownThing"
    assert c.app_hash == before


def test_equal_transactions_at_equal_times_give_equal_app_hashes_and_others_do_not():
    one, two, other = merging(3), merging(3), merging(3, rounds=3)
    assert one.app_hash == two.app_hash
    assert one.app_hash != other.app_hash


def test_validator_updates_are_the_last_of_each_key_in_order():
    events = (
        PowerChanged("b", 1),
        Admitted(1, "one"),
        PowerChanged("a", 1),
        PowerChanged("c", 0),
        PowerChanged("b", 0),  # it has never been one
        PowerChanged("c", 1),
        PowerChanged("c", 0),
    )
    assert contract.end_block(events) == (("a", 1), ("c", 0))


class Counting(Overlay):
    """An overlay that counts what is asked of it."""

    def __init__(self, below):
        super().__init__(below)
        self.reads = 0

    def get(self, path):
        self.reads += 1
        return super().get(path)


def cost_of(c, who, body):
    """Reads, writes and bytes written of a block with one transaction."""
    overlay = Counting(c.state)
    env = contract.Env(c.ledger.tip.height + 1, c.now_ms + 1, keys.verify)
    contract.begin_block(overlay, env)
    result = contract.apply(overlay, read_transaction(c.write(who, body)), env)
    assert result.ok, result
    return overlay.reads, len(overlay.writes), sum(len(v or b"") for v in overlay.writes.values())


def test_a_transaction_costs_the_same_after_many_rounds_motions_and_hours():
    young, old = merging(3, rounds=60), merging(3, rounds=60)
    for _ in range(50):
        old.play()
        old.idle(3_600_000)
    for i in range(10):
        motion = old.apply(f"n{i}")
        old.ok(1, Vote(motion, False))
    old.contribute(1, 2, 3)
    for c in (young, old):
        c.idle(2 * 3_600_000)
    costs = [cost_of(c, c.leader(), c.settlement(c.leader())) for c in (young, old)]
    assert costs[0][:2] == costs[1][:2]
    assert abs(costs[0][2] - costs[1][2]) < 100  # numbers have grown by a digit
    assert len(old.state.values) <= len(young.state.values) + 1


# decoding


def test_every_kind_of_transaction_has_a_rule():
    assert {cls for v in VERSIONS.values() for cls in v.rules} == set(BODIES.values())
    assert all(kind == cls.KIND for kind, cls in BODIES.items())


def test_what_is_read_is_what_was_written():
    c = merging(3)
    body = c.settlement(c.leader())
    data = c.write(c.leader(), body, expires_ms=5)
    tx = read_transaction(data)
    assert (tx.kind, tx.body, tx.expires_ms) == ("round.settle", body, 5)
    assert tx.signer == key(f"h{c.leader()}").public
    unsigned = json.loads(write_text(data))
    del unsigned["signature"]
    assert tx.signed == codec.encode(unsigned)


def test_the_signature_is_no_part_of_the_id():
    one = write_transaction(Leave(), "c", 1, key("h1").public, lambda data: "a")
    other = write_transaction(Leave(), "c", 1, key("h1").public, lambda data: "b")
    assert read_transaction(one).id == read_transaction(other).id


ENVELOPE = {
    "body": {"study": "s"}, "chain": "c", "expires_ms": 1, "kind": "round.ready", "signature": "",
    "signer": "",
}  # fmt: skip


@pytest.mark.parametrize(
    "envelope",
    [
        [],
        "transaction",
        {},
        {**ENVELOPE, "more": 1},
        {k: v for k, v in ENVELOPE.items() if k != "signer"},
        {**ENVELOPE, "chain": 1},
        {**ENVELOPE, "signature": None},
        {**ENVELOPE, "signer": []},
        {**ENVELOPE, "kind": {}},
        {**ENVELOPE, "kind": "round.nothing"},
        {**ENVELOPE, "expires_ms": "1"},
        {**ENVELOPE, "expires_ms": True},
        {**ENVELOPE, "body": []},
        {**ENVELOPE, "body": {}},
        {**ENVELOPE, "body": {"study": 1}},
        {**ENVELOPE, "body": {"study": "s", "more": 1}},
    ],
    ids=lambda e: str(e)[-40:],
)
def test_bytes_that_are_no_transaction_are_malformed(envelope):
    with pytest.raises(Malformed):
        read_transaction(shrink(codec.encode(envelope)))


def test_the_template_of_those_is_a_transaction():
    assert read_transaction(shrink(codec.encode(ENVELOPE))).body == Ready("s")


def test_a_transaction_has_a_largest_size():
    huge = shrink(codec.encode({**ENVELOPE, "body": {"study": "s" * MAX_TX_BYTES}}))
    with pytest.raises(Malformed):
        read_transaction(huge)


def test_a_transaction_in_another_form_of_json_is_malformed():
    with pytest.raises(Malformed):
        read_transaction(shrink(json.dumps(ENVELOPE).encode()))


# refusals


def test_every_refusal_is_one_sentence_with_a_code():
    assert sorted(cls.__name__ for cls in Refusal.__subclasses__()) == [
        "AlreadyDone",
        "BadValue",
        "BlockQuotaExceeded",
        "BudgetSpent",
        "Disputed",
        "Expired",
        "NotAMember",
        "NotAllowed",
        "StaleRound",
        "StateQuotaExceeded",
        "UnknownThing",
    ]
    c = running()
    for result in (
        c.act(key("stranger"), Leave()),
        c.act(1, Ready("lung")),
        c.act(1, Ready(HEART), expires_ms=1),
        c.act(1, Ready(HEART), chain="other"),
    ):
        assert result.message.endswith(".")
        assert "\n" not in result.message


def test_a_hostile_value_does_not_make_a_refusal_long():
    c = merging(3)
    long = "x" * 100_000
    for body in (Ready(long), Poke(long), c.settlement(1, ref=c.ref(phase=long))):
        assert len(c.act(1, body).message) < 1000


# purity


def test_the_contract_asks_nothing_of_the_interpreters_unicode_tables():
    """They differ between Python versions: members would compute different app hashes."""
    asked = {"isprintable", "isdecimal", "isdigit", "isnumeric", "isidentifier", "isalpha"}
    found = [
        f"{path.name}:{node.lineno} {node.attr}"
        for path in sorted(Path(contract.__file__).parent.glob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in asked
    ]
    assert found == []


def test_applying_changes_only_the_overlay():
    c = merging(3)
    before = dict(c.state.values)
    tx = read_transaction(c.write(c.leader(), c.settlement(c.leader())))
    assert contract.apply(Overlay(c.state), tx, contract.Env(9, c.now_ms, keys.verify)).ok
    assert c.state.values == before
    assert State(before).app_hash == c.app_hash
    assert c.app_hash != bytes.fromhex(digest("another"))
