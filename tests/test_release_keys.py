"""Signatures of release keys: good for key, domain and message alone, and read by other tools."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from swarmhub.keys import ReleaseKey, release_to_pem, verify_release

KEY, OTHER = ReleaseKey(7), ReleaseKey(8)


def test_a_release_signature_is_good_for_its_key_domain_and_message_alone():
    signature = KEY.sign("d", b"message")
    assert verify_release(KEY.public, "d", b"message", signature)
    assert not verify_release(OTHER.public, "d", b"message", signature)
    assert not verify_release(KEY.public, "e", b"message", signature)
    assert not verify_release(KEY.public, "d", b"messagE", signature)


@pytest.mark.parametrize("bit", range(0, 512, 37))
def test_a_changed_bit_is_no_release_signature(bit):
    changed = bytearray.fromhex(KEY.sign("d", b"message"))
    changed[bit // 8] ^= 1 << bit % 8
    assert not verify_release(KEY.public, "d", b"message", changed.hex())


@pytest.mark.parametrize("signature", ["", "00" * 64, "ff" * 64, "AB" * 64, "é" * 128, "1 " * 64])
def test_a_hostile_release_signature_verifies_nothing_and_raises_nothing(signature):
    assert not verify_release(KEY.public, "d", b"message", signature)


@pytest.mark.parametrize("public", ["", "02" * 33, "04" + "00" * 64, "zz" * 33, "é" * 66])
def test_a_hostile_release_key_verifies_nothing_and_raises_nothing(public):
    assert not verify_release(public, "d", b"message", KEY.sign("d", b"message"))


def test_upper_case_is_another_spelling_and_refused():
    signature = KEY.sign("d", b"message")
    assert not verify_release(KEY.public, "d", b"message", signature.upper())


def test_a_library_reads_key_and_signature():
    key = load_pem_public_key(release_to_pem(KEY.public))
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(KEY.sign_bytes(b"message"), b"message", ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        key.verify(KEY.sign_bytes(b"message"), b"other", ec.ECDSA(hashes.SHA256()))
