"""Identities: a signature is for one purpose, and a key is never lost by accident."""

from __future__ import annotations

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from builders import key
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmhub import keys, types
from swarmhub.contract.consortium.cards import is_release_key
from swarmhub.errors import BadInput, HomeError
from swarmhub.keys import (
    PrivateKey,
    ReleaseKey,
    check_certificate,
    make_certificate,
    to_pem,
    verify,
    write_secret,
)

DOMAINS = sorted(v for k, v in vars(types).items() if k.endswith("_DOMAIN"))

# signatures


@settings(deadline=None)
@given(st.binary(max_size=100), st.sampled_from(DOMAINS))
def test_a_signature_is_good_for_its_key_domain_and_message_alone(message, domain):
    signature = key("one").sign(domain, message)
    assert verify(key("one").public, domain, message, signature)
    assert not verify(key("two").public, domain, message, signature)
    assert not verify(key("one").public, domain, message + b"x", signature)
    for other in DOMAINS:
        assert verify(key("one").public, other, message, signature) == (other == domain)


@settings(deadline=None)
@given(st.binary(max_size=100), st.sampled_from(DOMAINS), st.integers(0, 511))
def test_a_signature_made_elsewhere_is_good_unless_a_bit_of_it_differs(message, domain, bit):
    foreign = Ed25519PrivateKey.from_private_bytes(key("one").seed)
    good = foreign.sign(domain.encode() + b"\0" + message)
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << bit % 8
    for _ in range(2):  # the second time from memory
        assert verify(key("one").public, domain, message, good.hex())
        assert not verify(key("one").public, domain, message, bytes(bad).hex())
        assert not verify(key("two").public, domain, message, good.hex())


def test_the_memory_of_signatures_is_bounded_and_holds_no_wrong_ones():
    signer = key("one")
    for i in range(keys.REMEMBERED + 10):
        assert not verify(signer.public, "d", b"other", signer.sign("d", str(i).encode()))
    assert len(keys._valid) == keys.REMEMBERED
    assert verify(signer.public, "d", b"0", signer.sign("d", b"0"))


def test_threads_remember_signatures_at_the_same_time():
    """A node looks at receipts while its ledger's thread executes blocks."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            marks = [[f"{n}.{i}".encode() for i in range(20_000)] for n in range(4)]
            for done in [pool.submit(lambda mine: [*map(keys._remember, mine)], m) for m in marks]:
                done.result()
    finally:
        sys.setswitchinterval(before)
    assert len(keys._valid) == keys.REMEMBERED


def test_all_domains_differ_and_none_contains_a_zero_byte():
    assert len(set(DOMAINS)) == len(DOMAINS) == 9
    assert not any("\0" in d for d in DOMAINS)


def test_a_domain_cannot_be_moved_into_the_message():
    signature = key("one").sign("swarmhub/tx", b"/1\0message")
    assert not verify(key("one").public, "swarmhub/tx/1", b"message", signature)


@pytest.mark.parametrize(
    "public", ["", "zz" * 32, "ab" * 31, "ff" * 32, "00" * 32, "é" * 64, "１" * 64]
)
def test_a_hostile_key_verifies_nothing_and_raises_nothing(public):
    assert not verify(public, "d", b"m", key("one").sign("d", b"m"))


@pytest.mark.parametrize(
    "signature", ["", "zz" * 64, "00" * 64, "ff" * 64, "ab" * 63, " " * 128, "é" * 128]
)
def test_a_hostile_signature_is_not_good_and_raises_nothing(signature):
    assert not verify(key("one").public, "d", b"m", signature)


@settings(deadline=None)
@given(st.text(max_size=130), st.text(max_size=130))
def test_whatever_comes_is_answered(public, signature):
    assert not verify(public, "d", b"m", signature)


def test_a_key_comes_from_its_seed_and_else_from_chance():
    seed = bytes(range(32))
    assert PrivateKey(seed).public == PrivateKey(seed).public
    assert PrivateKey(seed).seed == seed
    assert PrivateKey().public != PrivateKey().public


@pytest.mark.parametrize("seed", [b"", b"short", bytes(33)])
def test_a_seed_has_32_bytes(seed):
    with pytest.raises(ValueError):
        PrivateKey(seed)


# files


def test_a_key_file_is_its_owners_alone_whatever_the_umask(tmp_path):
    path = tmp_path / "account.pem"
    before = os.umask(0)
    try:
        key("one").save(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PrivateKey.load(path).public == key("one").public


def test_a_key_is_never_overwritten(tmp_path):
    path = tmp_path / "account.pem"
    key("one").save(path)
    with pytest.raises(FileExistsError):
        key("two").save(path)
    with pytest.raises(FileExistsError):
        write_secret(path, b"")
    assert PrivateKey.load(path).public == key("one").public


def test_a_key_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "account.next.pem"
    for name in ("fsync", "link"):
        with monkeypatch.context() as full:
            full.setattr(os, name, lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                key("one").save(path)
        assert list(tmp_path.iterdir()) == []
    with monkeypatch.context() as stick:  # a file system without links
        stick.setattr(os, "link", lambda *given: (_ for _ in ()).throw(PermissionError))
        key("one").save(path)
        with pytest.raises(FileExistsError):
            key("two").save(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert PrivateKey.load(path).public == key("one").public
    path.write_bytes(b"")
    with pytest.raises(HomeError, match="remove it and rotate the key again"):
        PrivateKey.load(path)


def test_a_key_does_not_follow_a_link(tmp_path):
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "account.pem"
    link.symlink_to(elsewhere)
    with pytest.raises(FileExistsError):
        key("one").save(link)
    assert not elsewhere.exists()


def test_a_missing_key_is_one_sentence(tmp_path):
    with pytest.raises(HomeError, match="found none"):
        PrivateKey.load(tmp_path / "account.pem")


def test_a_damaged_key_is_one_sentence(tmp_path):
    path = tmp_path / "account.pem"
    key("one").save(path)
    whole = path.read_bytes()
    for data in (b"", whole[:50], whole[:-40], b"garbage", b"\xff" * 200):
        path.write_bytes(data)
        with pytest.raises(HomeError, match="damaged"):
            PrivateKey.load(path)


def test_a_key_of_another_kind_is_one_sentence(tmp_path):
    path = tmp_path / "account.pem"
    pem = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(pem)
    with pytest.raises(HomeError, match="ed25519"):
        PrivateKey.load(path)


def test_an_encrypted_key_is_one_sentence(tmp_path):
    path = tmp_path / "account.pem"
    pem = key("one")._key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    path.write_bytes(pem)
    with pytest.raises(HomeError):
        PrivateKey.load(path)


# certificates


def test_a_certificate_is_signed_by_its_own_key():
    der = make_certificate(key("one"))
    check_certificate(der)
    certificate = x509.load_der_x509_certificate(der)
    public = certificate.public_key()
    assert isinstance(public, Ed25519PublicKey)
    assert public.public_bytes_raw().hex() == key("one").public
    assert to_pem(der).startswith("-----BEGIN CERTIFICATE-----")
    assert x509.load_pem_x509_certificate(to_pem(der).encode()) == certificate


@pytest.mark.parametrize("data", [b"", b"garbage", b"0" * 5000])
def test_what_is_no_certificate_is_one_sentence(data):
    with pytest.raises(BadInput, match="self-signed ed25519"):
        check_certificate(data)


def test_an_altered_certificate_is_refused():
    der = make_certificate(key("one"))
    altered = der.replace(key("one").public[:16].encode(), b"0123456789abcdef")
    assert altered != der
    with pytest.raises(BadInput):
        check_certificate(altered)
    with pytest.raises(BadInput):
        check_certificate(der[:-10])


# the release key


def test_a_release_key_is_kept_like_the_others(tmp_path):
    made, path = ReleaseKey(), tmp_path / "release.pem"
    made.save(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert ReleaseKey.load(path).public == made.public
    with pytest.raises(FileExistsError):
        ReleaseKey().save(path)


def test_a_release_key_is_a_key_of_common_tools(tmp_path):
    made, path = ReleaseKey(), tmp_path / "release.pem"
    made.save(path)
    found = serialization.load_pem_private_key(path.read_bytes(), None)
    assert isinstance(found, ec.EllipticCurvePrivateKey)
    assert isinstance(found.curve, ec.SECP256R1)
    point = ec.EllipticCurvePublicKey.from_encoded_point(found.curve, bytes.fromhex(made.public))
    assert point == found.public_key()


def test_a_key_of_another_kind_is_no_release_key(tmp_path):
    PrivateKey().save(tmp_path / "a.pem")
    with pytest.raises(HomeError, match="Expected a P-256 key"):
        ReleaseKey.load(tmp_path / "a.pem")
    ReleaseKey().save(tmp_path / "b.pem")
    with pytest.raises(HomeError, match="Expected an ed25519 key"):
        PrivateKey.load(tmp_path / "b.pem")


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**256 - 1), st.sampled_from(["02", "03"]))
def test_the_contract_knows_the_points_of_the_curve(x, sign):
    text = f"{sign}{x:064x}"
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(text))
        is_point = True
    except ValueError:
        is_point = False
    assert is_release_key(text) == is_point
