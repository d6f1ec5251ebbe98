"""A released model's signature: an in-toto statement over the folder, and the vote."""

import base64
import hashlib
import json
from dataclasses import replace

import pytest
from builders import HEART
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from evidence_tools import genesis_and, played, release_key
from model_tools import exported_of, text_of, write

from swarmhub.errors import BadInput
from swarmhub.home.home import Home
from swarmhub.models.folder import write_model
from swarmhub.operations import model_signing
from swarmhub.operations.evidence.export import Signer
from swarmhub.operations.model_signing import name_key, sign_model, write_keys
from swarmhub.operations.record import Record


@pytest.fixture(scope="module")
def consortium():
    return played(1)


@pytest.fixture
def model(tmp_path, consortium):
    """The model that the consortium has released, as a node would export it."""
    made = exported_of([write(tmp_path, text_of(), "t.csv")])
    digest = consortium.study().released[0].digest
    origin = replace(
        made.origin, study=HEART, chain=consortium.chain.chain_id, digest=digest
    )  # fmt: skip
    return replace(made, origin=origin)


@pytest.fixture
def home(tmp_path, monkeypatch, consortium, model):
    record = Record(consortium.ledger.tip, consortium.state, genesis_and(consortium))
    signer = Signer(consortium.member(2), release_key("h2"))
    monkeypatch.setattr(model_signing, "read_record", lambda *_: record)
    monkeypatch.setattr(model_signing, "find_signer", lambda *_: signer)
    monkeypatch.setattr(model_signing, "remake_exported", lambda *_: model)
    return Home.create(tmp_path / "home", "h2", "127.0.0.1:7400")


def refused(home, folder):
    with pytest.raises(BadInput) as caught:
        sign_model(home, HEART, folder)
    assert not (folder / "model.sig").exists()
    return str(caught.value)


def test_every_file_is_in_the_signed_statement(tmp_path, home, model, consortium):
    folder = tmp_path / "m"
    write_model(folder, model)
    made = sign_model(home, HEART, folder)
    assert (made.signed_by, made.model) == ("h2", model.origin.digest)
    bundle = json.loads((folder / "model.sig").read_bytes())
    envelope = bundle["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    write_keys(home, HEART, tmp_path / "keys")
    key = load_pem_public_key((tmp_path / "keys" / name_key(2, "h2")).read_bytes())
    assert isinstance(key, ec.EllipticCurvePublicKey)
    signature = base64.b64decode(envelope["signatures"][0]["sig"])
    key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    resources = json.loads(payload)["predicate"]["resources"]
    assert {r["name"]: r["digest"] for r in resources} == {
        p.name: hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.iterdir() if p.name != "model.sig"
    }  # fmt: skip


def test_the_vote_is_in_the_folder(tmp_path, home, model, consortium):
    write_model(tmp_path / "m", model)
    sign_model(home, HEART, tmp_path / "m")
    vote = json.loads((tmp_path / "m" / "release.json").read_bytes())
    assert (vote["outcome"], vote["model"]) == ("carried", model.origin.digest)
    block = next(b for b in consortium.blocks if b.height == vote["released_block"])
    assert vote["released_block_id"] == block.block.id
    assert all(v["aye"] and v["transaction"] for v in vote["votes"])


def test_other_numbers_than_this_node_s_are_not_signed(tmp_path, home, model):
    arrays = {n: a + 1e-9 if n == "bias" else a for n, a in model.arrays.items()}
    write_model(tmp_path / "m", replace(model, arrays=arrays))
    assert "numbers are not those of the released model" in refused(home, tmp_path / "m")


def test_a_model_that_is_not_released_is_not_signed(tmp_path, home, model):
    other = replace(model, origin=replace(model.origin, digest="e" * 64))
    write_model(tmp_path / "m", other)
    assert "is not released" in refused(home, tmp_path / "m")


def test_a_model_of_another_chain_is_not_signed(tmp_path, home, model):
    other = replace(model, origin=replace(model.origin, chain="other-0123456789ab"))
    write_model(tmp_path / "m", other)
    assert "on other-0123456789ab" in refused(home, tmp_path / "m")


def test_a_folder_is_signed_once(tmp_path, home, model):
    write_model(tmp_path / "m", model)
    sign_model(home, HEART, tmp_path / "m")
    with pytest.raises(BadInput, match=r"'model\.sig' besides"):
        sign_model(home, HEART, tmp_path / "m")


def test_keys_are_never_overwritten(tmp_path, home):
    made = write_keys(home, HEART, tmp_path / "keys")
    assert sorted(made.files) == ["h1", "h2", "h3", "h4"]
    with pytest.raises(BadInput, match="is not overwritten"):
        write_keys(home, HEART, tmp_path / "keys")


def test_a_member_s_name_makes_a_safe_file_name():
    assert name_key(3, "../../Klinik Würzburg") == "3-klinik-w-rzburg.pem"
    assert name_key(4, "病院") == "4.pem"
