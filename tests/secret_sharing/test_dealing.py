"""A dealing recovers what was dealt, and a false one shows."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from dealers import deal_values, make_dealt, passes

from swarmhub import x25519
from swarmhub.errors import MaskError
from swarmhub.secret_sharing import (
    ORDER,
    PARTS,
    Dealing,
    Share,
    Terms,
    challenges,
    check_dealing,
    check_part,
    check_share,
    deal,
    dealing_bytes,
    make_seed,
    pair_key_of,
    recover_secret,
)
from swarmhub.secret_sharing import dealing as parts
from swarmhub.secret_sharing import edwards as e

DEALT = make_dealt()


@pytest.mark.parametrize(("members", "threshold"), [(3, 2), (3, 3), (4, 3), (7, 5), (16, 11)])
def test_a_dealing_passes_and_recovers_both_secrets(members, threshold):
    dealt = make_dealt(members, members, threshold)
    check_dealing(dealt.terms, dealt.dealing)
    for member, share in dealt.shares.items():
        check_share(dealt.terms, dealt.dealing, member, share)
    late = dict(list(dealt.shares.items())[-threshold:])
    found = {p: recover_secret({m: s.value(p) for m, s in late.items()}, threshold) for p in PARTS}
    assert found["self"] == dealt.seed
    assert x25519.public_of(pair_key_of(found["pair"])) == dealt.terms.public_key


@pytest.mark.parametrize("seed", range(6))
def test_a_recovered_key_is_the_clamped_private_key(seed):
    dealt = make_dealt(seed)
    values = {m: s.pair_value for m, s in dealt.shares.items()}
    clamped = int.from_bytes(dealt.key, "little") & (1 << 254) - 8 | 1 << 254
    assert pair_key_of(recover_secret(values, 3)) == clamped.to_bytes(32, "little")


def test_any_three_of_four_recover_the_same():
    for chosen in itertools.combinations(DEALT.shares, 3):
        assert recover_secret({m: DEALT.shares[m].self_value for m in chosen}, 3) == DEALT.seed


def is_refused(data: bytes) -> bool:
    """Whether an altered dealing fails for everybody, or for some recipient."""
    try:
        dealing = Dealing.from_bytes(data, 4, 3)
        check_dealing(DEALT.terms, dealing)
        for member, share in DEALT.shares.items():
            check_share(DEALT.terms, dealing, member, share)
    except MaskError:
        return True
    return False


def test_a_dealing_with_one_changed_byte_is_refused():
    data = DEALT.dealing.to_bytes()
    rng = random.Random(1)
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= rng.randrange(1, 256)
        assert is_refused(bytes(changed)), at
    assert not is_refused(data)


@pytest.mark.parametrize("part", PARTS)
def test_a_share_with_one_changed_byte_is_refused(part):
    value = DEALT.shares[2].value(part)
    for at in range(32):
        changed = bytearray(value)
        changed[at] ^= 1
        assert not passes(DEALT.terms, DEALT.dealing, 2, part, bytes(changed)), at


@pytest.mark.parametrize(
    "change", [{"context": b"study, round 2, member 1"}, {"recipients": (1, 2, 3, 5)},
               {"public_key": x25519.public_of(bytes(31) + b"A")}]
)  # fmt: skip
def test_a_dealing_belongs_to_its_terms(change):
    terms = replace(DEALT.terms, **change)
    with pytest.raises(MaskError):
        check_dealing(terms, DEALT.dealing)
    assert not passes(terms, DEALT.dealing, 2, "self", DEALT.shares[2].self_value)


def test_a_share_belongs_to_its_member_and_part():
    share = DEALT.shares[2]
    assert passes(DEALT.terms, DEALT.dealing, 2, "self", share.self_value)
    assert not passes(DEALT.terms, DEALT.dealing, 3, "self", share.self_value)
    assert not passes(DEALT.terms, DEALT.dealing, 2, "pair", share.self_value)
    with pytest.raises(MaskError, match="recipient of this dealing, got member 9"):
        check_part(DEALT.terms, DEALT.dealing, 9, "self", share.self_value)


def test_shares_off_the_polynomial_are_refused():
    values = {m: int.from_bytes(s.self_value, "little") for m, s in DEALT.shares.items()}
    values[2] += 1
    dealing = deal_values(DEALT, values)
    encoded = {m: (v % ORDER).to_bytes(32, "little") for m, v in values.items()}
    good = [m for m, v in encoded.items() if passes(DEALT.terms, dealing, m, "self", v)]
    assert good == [1, 2, 3]  # t at most: all that are accepted recover one secret


def test_blinding_off_a_polynomial_is_refused():
    values = {m: int.from_bytes(s.self_value, "little") for m, s in DEALT.shares.items()}
    dealing = deal_values(DEALT, values)
    passed = [passes(DEALT.terms, dealing, m, "self", DEALT.shares[m].self_value) for m in values]
    assert passed == [True, True, True, False]


def test_the_key_that_is_dealt_is_the_published_one(monkeypatch):
    false = int.from_bytes(make_dealt(1).key, "little") % ORDER
    monkeypatch.setattr(parts, "_signed_scalar", lambda terms, key: false)
    dealing, shares = deal(DEALT.terms, DEALT.seed, DEALT.key, bytes(32))
    check_share(DEALT.terms, dealing, 2, shares[2])
    with pytest.raises(MaskError, match="got one of another key"):
        check_dealing(DEALT.terms, dealing)


def test_a_key_with_a_small_order_part_recovers_all_the_same(monkeypatch):
    eighth = e.decode_point(
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "a point"
    )
    scalar = int.from_bytes(DEALT.key, "little") & (1 << 254) - 8 | 1 << 254
    point = e.add(e.multiply(scalar % ORDER, e.BASE), eighth)
    terms = replace(DEALT.terms, public_key=e.key_of_point(point))
    signed = -scalar % ORDER if e.encode_point(point)[-1] >> 7 else scalar % ORDER
    monkeypatch.setattr(parts, "_signed_scalar", lambda terms, key: signed)
    dealing, shares = deal(terms, DEALT.seed, DEALT.key, bytes(32))
    check_dealing(terms, dealing)
    key = pair_key_of(recover_secret({m: s.pair_value for m, s in shares.items()}, 3))
    other = make_dealt(1)
    theirs = x25519.shared_secret(other.key, terms.public_key)
    assert x25519.shared_secret(key, other.terms.public_key) == theirs


def test_a_dealing_is_a_function_of_its_arguments():
    again = make_dealt()
    assert (again.dealing, again.shares) == (DEALT.dealing, DEALT.shares)
    terms = replace(DEALT.terms, context=b"another")
    other, shares = deal(terms, DEALT.seed, DEALT.key, bytes(32))
    assert set(shares.values()).isdisjoint(DEALT.shares.values())
    assert other.proof != DEALT.dealing.proof


def test_a_key_that_is_not_the_published_one_is_not_dealt():
    with pytest.raises(MaskError, match="public key of the private key"):
        deal(DEALT.terms, DEALT.seed, bytes(32), bytes(32))


@pytest.mark.parametrize(
    ("seed", "key", "randomness"),
    [(b"\xff" * 32, DEALT.key, bytes(32)), (DEALT.seed, bytes(31), bytes(32)),
     (DEALT.seed, DEALT.key, bytes(31)), (bytes(31), DEALT.key, bytes(32))],
)  # fmt: skip
def test_bad_arguments_of_dealing_are_refused(seed, key, randomness):
    with pytest.raises(MaskError, match="Expected"):
        deal(DEALT.terms, seed, key, randomness)


@pytest.mark.parametrize(
    ("recipients", "threshold"),
    [((1, 2, 3), 1), ((1, 2, 3), 4), ((2, 1, 3), 2), ((1, 1, 2), 2), ((-1, 1, 2), 2),
     (tuple(range(513)), 300), ((True, 2, 3), 2), ((1, 2, 2**53), 2)],
)  # fmt: skip
def test_bad_terms_are_refused(recipients, threshold):
    with pytest.raises(MaskError, match="Expected"):
        Terms(b"", bytes(32), recipients, threshold)


@pytest.mark.parametrize(
    ("members", "threshold", "size"), [(3, 3, 344), (4, 3, 384), (16, 11, 1376)]
)
def test_a_dealing_has_one_length(members, threshold, size):
    data = make_dealt(0, members, threshold).dealing.to_bytes()
    assert len(data) == size == dealing_bytes(members, threshold)
    assert Dealing.from_bytes(data, members, threshold).to_bytes() == data
    for wrong in (data[:-1], data + b"\0"):
        with pytest.raises(MaskError, match=f"Expected {size} bytes of a dealing"):
            Dealing.from_bytes(wrong, members, threshold)


def test_a_share_has_one_spelling():
    data = DEALT.shares[1].to_bytes()
    assert Share.from_bytes(data) == DEALT.shares[1]
    for wrong in (data[:-1], data + b"\0", b"\xff" * 64):
        with pytest.raises(MaskError, match="share"):
            Share.from_bytes(wrong)


def test_a_dealing_to_other_numbers_of_members_is_refused():
    with pytest.raises(MaskError, match="dealing to 5 members"):
        check_dealing(replace(DEALT.terms, recipients=(1, 2, 3, 4, 5)), DEALT.dealing)


def test_a_part_that_does_not_exist_is_refused():
    with pytest.raises(MaskError, match="self or pair"):
        DEALT.shares[1].value("both")


def test_seeds_are_elements():
    assert make_seed(b"\xff" * 64) != make_seed(bytes(64)) == bytes(32)
    with pytest.raises(MaskError, match="64 random bytes, got 32"):
        make_seed(bytes(32))


def test_a_challenge_depends_on_all_that_was_fixed_before():
    one, two = DEALT.dealing.commitments
    proof = DEALT.dealing.proof
    variants = [(DEALT.terms, proof, (one, two)), (DEALT.terms, bytes(32), (one, two)),
                (replace(DEALT.terms, context=b""), proof, (one, two)),
                (replace(DEALT.terms, threshold=2), proof, (one, two))]  # fmt: skip
    for at in range(4):
        changed = (*one[:at], bytes(20), *one[at + 1 :])
        variants += [(DEALT.terms, proof, (changed, two)), (DEALT.terms, proof, (two, changed))]
    found = [factor for variant in variants for factor in challenges(*variant)]
    assert len(set(found)) == len(found) == 2 * len(variants)


def test_a_commitment_depends_on_all_its_fields():
    first = (bytes(32), "self", 1, 5, 6)
    variants = [first, (b"\1" * 32, *first[1:]), (bytes(32), "pair", 1, 5, 6),
                (bytes(32), "self", 2, 5, 6), (bytes(32), "self", 1, 6, 6),
                (bytes(32), "self", 1, 5, 7)]  # fmt: skip
    found = {parts._commit(*variant) for variant in variants}
    assert len(found) == len(variants)
    assert {len(commitment) for commitment in found} == {20}
