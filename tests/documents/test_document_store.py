"""Documents on disk: checked when read, kept as long as they are needed."""

import stat

import pytest
from builders import digest

from swarmhub.documents import DocumentStore, digest_of
from swarmhub.documents.store import ApprovedHere
from swarmhub.errors import Malformed


@pytest.fixture
def store(tmp_path):
    return DocumentStore(tmp_path / "documents")


def test_a_document_comes_back_by_its_digest(store):
    assert store.put("heart", b"vote") == digest_of(b"vote")
    assert store.read("heart", digest_of(b"vote")) == b"vote"
    assert store.read("other", digest_of(b"vote")) is None
    assert store.studies() == ["heart"]


def test_a_damaged_document_is_removed(store):
    found = store.put("heart", b"vote")
    store.path("heart", found).write_bytes(b"vole")
    assert store.read("heart", found) is None
    assert not store.has("heart", found)


def test_no_other_user_of_the_machine_reads_a_document(store):
    path = store.path("heart", store.put("heart", b"vote"))
    assert [stat.S_IMODE(p.stat().st_mode) for p in (path.parent, store.root)] == [0o700] * 2


@pytest.mark.parametrize("study", ["../x", "", "a/b", ".."])
def test_no_name_leads_out_of_the_folder(store, study):
    with pytest.raises(Malformed):
        store.put(study, b"x")
    with pytest.raises(Malformed):
        store.read("heart", f"../{'a' * 61}")


def test_documents_of_the_newest_approvals_stay(store):
    made = [store.put("heart", name) for name in (b"1", b"2", b"3", b"4")]
    for n, code in enumerate(made[:3]):
        store.note_approval("heart", ApprovedHere(digest(str(n)), code, ""))
    assert [a.code for a in store.approvals("heart")] == [made[2], made[1]]
    store.tidy("heart", [made[3]])
    assert [store.has("heart", code) for code in made] == [False, True, True, True]


def test_the_same_terms_are_approved_once(store):
    one = ApprovedHere(digest("1"), "", "")
    store.note_approval("heart", ApprovedHere(digest("0"), "", ""))
    store.note_approval("heart", one)
    store.note_approval("heart", one)
    assert [a.spec for a in store.approvals("heart")] == [digest("1"), digest("0")]


def test_all_of_a_study_is_forgotten(store):
    store.put("heart", b"1")
    store.note_approval("heart", ApprovedHere(digest("1"), "", ""))
    assert store.forget("heart") == 1
    assert (store.studies(), store.approvals("heart")) == ([], ())
    assert store.forget("heart") == 0
