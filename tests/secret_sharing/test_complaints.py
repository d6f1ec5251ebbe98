"""A sealed share opens for its recipient alone, and nonsense can be proven."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from dealers import make_dealt

from swarmhub import x25519
from swarmhub.errors import MaskError
from swarmhub.privacy import open_share, seal_share
from swarmhub.secret_sharing import (
    ORDER,
    Channel,
    Complaint,
    complain,
    is_justified,
    sealing,
)
from swarmhub.secret_sharing import edwards as e

DEALT = make_dealt()
DEALER, RECIPIENT = random.Random(1).randbytes(32), random.Random(2).randbytes(32)
CHANNEL = Channel(
    DEALT.terms, DEALT.dealing, 2, x25519.public_of(DEALER), x25519.public_of(RECIPIENT)
)
SEALED = seal_share(CHANNEL, DEALER, DEALT.shares[2])
NONSENSE = seal_share(CHANNEL, DEALER, DEALT.shares[3])
ORDER_8 = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")


def test_a_sealed_share_opens_for_its_recipient():
    assert len(SEALED) == 64
    assert open_share(CHANNEL, RECIPIENT, SEALED) == DEALT.shares[2]
    assert seal_share(CHANNEL, DEALER, DEALT.shares[2]) == SEALED


def test_a_sealed_share_with_one_changed_byte_is_refused():
    for at in range(64):
        changed = bytearray(SEALED)
        changed[at] ^= 1
        with pytest.raises(MaskError):
            open_share(CHANNEL, RECIPIENT, bytes(changed))


@pytest.mark.parametrize("length", [0, 63, 65])
def test_a_sealed_share_has_one_length(length):
    with pytest.raises(MaskError, match="64 bytes of a sealed share"):
        open_share(CHANNEL, RECIPIENT, bytes(length))


@pytest.mark.parametrize(
    "change", [{"recipient": 3}, {"dealing": make_dealt(1).dealing},
               {"terms": replace(DEALT.terms, context=b"")},
               {"recipient_key": x25519.public_of(bytes(32))}]
)  # fmt: skip
def test_no_two_channels_have_one_pad(change):
    secret = x25519.shared_secret(RECIPIENT, CHANNEL.dealer_key)
    assert x25519.shared_secret(DEALER, CHANNEL.recipient_key) == secret
    assert replace(CHANNEL, **change).digest() != CHANNEL.digest()


def test_another_private_key_opens_nothing():
    with pytest.raises(MaskError):
        open_share(CHANNEL, DEALER, SEALED)


@pytest.mark.parametrize("seed", range(4))
def test_a_complaint_about_nonsense_is_justified(seed):
    complaint = complain(CHANNEL, RECIPIENT, random.Random(seed).randbytes(32))
    complaint = Complaint.from_bytes(complaint.to_bytes())
    assert is_justified(CHANNEL, NONSENSE, complaint)
    assert is_justified(CHANNEL, bytes(64), complaint)
    assert is_justified(CHANNEL, b"\xff" * 64, complaint)


def test_a_complaint_about_a_right_share_is_not_justified():
    assert not is_justified(CHANNEL, SEALED, complain(CHANNEL, RECIPIENT, bytes(32)))


def test_a_complaint_shows_the_secret_of_the_two_keys():
    point = complain(CHANNEL, RECIPIENT, bytes(32)).point
    secret = x25519.shared_secret(RECIPIENT, CHANNEL.dealer_key)
    assert e.key_of_point(e.decode_point(point, "a point")) == secret


def forgeries() -> list[Complaint]:
    """Complaints with another secret, or without a proof of the right one."""
    true = complain(CHANNEL, RECIPIENT, bytes(32))
    point = e.decode_point(true.point, "a point")
    twisted = e.encode_point(e.add(point, e.decode_point(ORDER_8, "a point")))
    return [
        replace(true, point=e.encode_point(e.BASE)),
        replace(true, point=e.encode_point(e.negate(point))),
        replace(true, point=twisted),
        replace(true, response=(true.response + 1) % ORDER),
        replace(true, challenge=(true.challenge + 1) % ORDER),
        complain(replace(CHANNEL, recipient=3), RECIPIENT, bytes(32)),
    ]


@pytest.mark.parametrize("number", range(6))
def test_a_false_complaint_is_refused(number):
    with pytest.raises(MaskError, match="secret of the two keys"):
        is_justified(CHANNEL, SEALED, forgeries()[number])


def test_a_part_of_small_order_frames_no_dealer():
    eighth = e.decode_point(ORDER_8, "a point")
    point = e.point_of_key(CHANNEL.dealer_key, "a key")
    dealer_key = e.key_of_point(e.add(point, eighth))
    channel = replace(CHANNEL, dealer_key=dealer_key)
    secret = x25519.shared_secret(RECIPIENT, dealer_key)
    shown = e.decode_point(complain(channel, RECIPIENT, bytes(32)).point, "a point")
    assert e.key_of_point(shown) == secret


def prove_twisted(nonce: int) -> Complaint:
    """A proof for the secret plus a point of order 8, by the recipient."""
    scalar = e.scalar_of_key(RECIPIENT)[0]
    dealer = e.clear(e.point_of_key(CHANNEL.dealer_key, "a key"))
    twisted = e.add(e.multiply(scalar, dealer), e.decode_point(ORDER_8, "a point"))
    point = e.encode_point(twisted)
    images = [e.multiply(nonce, base) for base in (e.BASE, dealer)]
    factor = sealing._challenge(CHANNEL, point, images)
    return Complaint(point, factor, (nonce + factor * scalar) % ORDER)


def test_a_secret_with_a_small_order_part_frames_nobody():
    proofs = (prove_twisted(nonce) for nonce in range(1, 200))
    lucky = next(p for p in proofs if p.challenge % 8 == 0)  # 8 divides: the part has no effect
    assert not is_justified(CHANNEL, SEALED, lucky)


@pytest.mark.parametrize("data", [bytes(95), bytes(97), b"\xff" * 96])
def test_a_complaint_has_one_spelling(data):
    with pytest.raises(MaskError, match="complaint"):
        Complaint.from_bytes(data)


def test_a_member_that_got_no_share_cannot_complain():
    stranger = replace(CHANNEL, recipient=9)
    with pytest.raises(MaskError, match="got member 9"):
        is_justified(stranger, SEALED, complain(stranger, RECIPIENT, bytes(32)))


def test_only_the_recipient_complains():
    with pytest.raises(MaskError, match="recipient's sealing key"):
        complain(CHANNEL, DEALER, bytes(32))
    with pytest.raises(MaskError, match="32 random bytes"):
        complain(CHANNEL, RECIPIENT, b"")
