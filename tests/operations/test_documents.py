"""Documents go with terms, are seen before an approval, and differ from those approved before."""

import asyncio
from dataclasses import replace

import pytest

from swarmhub.documents import collect_code, digest_of
from swarmhub.errors import BadInput
from swarmhub.home.card import make_card
from swarmhub.home.home import Home
from swarmhub.operations import documents_page, studies
from swarmhub.operations.backup import back_up, restore
from swarmhub.operations.documents import store_of
from swarmhub.operations.evidence.documents import make_documents
from swarmhub.operations.ledger_client import found_consortium
from swarmhub.operations.proposals import read_proposal

TERMS = 'name = "heart"\nrounds = 2\nmin_peers = 2\n'


@pytest.fixture
def homes(tmp_path):
    ledger = str(tmp_path / "ledger.sqlite")
    made = [
        Home.create(tmp_path / name, name, f"127.0.0.1:{7400 + n}", ledger=ledger)
        for n, name in enumerate("ab")
    ]
    found_consortium("test", [make_card(home) for home in made], made[0])
    return made


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "fit.py").write_text("rate = 0.1\n")
    (tmp_path / "trainer" / "requirements.txt").write_text("# why\ntorch==2.4  # pinned\n")
    (tmp_path / "vote.md").write_text("# Vote\x1b[2J")
    (tmp_path / "heart.toml").write_text(TERMS)
    return tmp_path


def propose(home, folder, act=studies.propose):
    made = read_proposal(folder / "heart.toml", folder / "trainer", folder / "vote.md")
    return asyncio.run(act(home, made.spec, made.attached))


def look(home):
    return asyncio.run(documents_page.look_at_documents(home, "heart"))


def share(one, other):
    """Carry documents over, as the nodes do."""
    for path in (one.documents_path / "heart").iterdir():
        if len(path.name) == 64:
            store_of(other).put("heart", path.read_bytes())


def approve(home, unseen=False):
    terms = look_spec(home)
    asyncio.run(studies.approve(home, "heart", terms, studies.Consent(unseen)))


def look_spec(home):
    return asyncio.run(studies.look(home, "heart")).study.spec


def test_terms_in_a_file_name_code_by_its_folder(folder):
    (folder / "heart.toml").write_text(TERMS + 'code = "trainer"\nethics = "vote.md"\n')
    made = read_proposal(folder / "heart.toml")
    assert made.spec.code == digest_of(collect_code(folder / "trainer"))
    assert made.spec.ethics == digest_of((folder / "vote.md").read_bytes())
    assert made == read_proposal(folder / "heart.toml", folder / "trainer", folder / "vote.md")


def test_a_digest_stays_and_another_document_is_refused(folder):
    (folder / "heart.toml").write_text(TERMS + f'code = "{"a" * 64}"\n')
    assert read_proposal(folder / "heart.toml").spec.code == "a" * 64
    with pytest.raises(BadInput, match="leave one of them out"):
        read_proposal(folder / "heart.toml", code=folder / "trainer")


def test_a_document_that_is_neither_pdf_nor_text_is_refused(folder):
    (folder / "vote.md").write_bytes(b"PK\x03\x04\0")
    with pytest.raises(BadInput, match="PDF, or text"):
        read_proposal(folder / "heart.toml", ethics=folder / "vote.md")
    with pytest.raises(BadInput, match="Cannot read the ethics document"):
        read_proposal(folder / "heart.toml", ethics=folder / "absent.pdf")


def test_the_proposer_sees_what_it_proposed(homes, folder):
    propose(homes[0], folder)
    found = look(homes[0])
    code, ethics = found.documents
    assert [(f.name, f.nbytes) for f in code.files] == [("fit.py", 11), ("requirements.txt", 27)]
    assert code.requirements == ("torch==2.4",)
    assert ethics.text == "# Vote\\x1b[2J"
    assert found.is_seen
    assert not found.changes


def test_an_approval_waits_for_the_documents(homes, folder):
    propose(homes[0], folder)
    assert "this node asks that of a for it" in look(homes[1]).documents[0].why
    with pytest.raises(BadInput, match=r"it has not come yet.*--unseen"):
        approve(homes[1])
    share(*homes)
    approve(homes[1])
    assert asyncio.run(studies.look(homes[1], "heart")).study.approved == (1, 2)


def test_an_approval_may_be_given_unseen(homes, folder):
    propose(homes[0], folder)
    approve(homes[1], unseen=True)
    assert asyncio.run(studies.look(homes[1], "heart")).study.approved == (1, 2)


def test_what_nobody_can_read_is_not_approved(homes, folder):
    made = read_proposal(folder / "heart.toml")
    spec = replace(made.spec, code=digest_of(b"PK\x03\x04"))
    store_of(homes[1]).put("heart", b"PK\x03\x04")
    asyncio.run(studies.propose(homes[0], spec))
    with pytest.raises(BadInput, match="these bytes begin otherwise"):
        approve(homes[1])


def test_an_amendment_is_compared_with_what_was_approved(homes, folder):
    propose(homes[0], folder)
    share(*homes)
    approve(homes[1])
    (folder / "trainer" / "fit.py").write_text("rate = 0.2\n")
    propose(homes[0], folder, studies.amend)
    share(*homes)
    for home in homes:
        (change,) = look(home).changes
        assert (change.name, change.lines[1:]) == ("fit.py", ("-rate = 0.1", "+rate = 0.2"))


def test_a_refused_proposal_leaves_no_documents(homes, folder):
    (folder / "heart.toml").write_text(TERMS.replace("min_peers = 2", "min_peers = 9"))
    with pytest.raises(BadInput, match="min_peers"):
        propose(homes[0], folder)
    assert store_of(homes[0]).studies() == []


def test_documents_are_written_to_a_new_folder(homes, folder):
    propose(homes[0], folder)
    out = folder / "out"
    asyncio.run(documents_page.write_documents(homes[0], "heart", out))
    assert collect_code(out / "code") == collect_code(folder / "trainer")
    assert (out / "ethics.txt").read_bytes() == (folder / "vote.md").read_bytes()
    with pytest.raises(BadInput, match="exists"):
        asyncio.run(documents_page.write_documents(homes[0], "heart", out))


def test_long_texts_are_cut(homes, folder, monkeypatch):
    monkeypatch.setattr(documents_page, "MAX_CHARS", 8)
    propose(homes[0], folder)
    assert [f.text for f in look(homes[0]).documents[0].files] == ["rate = 0…", "…"]


def test_evidence_has_the_documents_that_are_here(homes, folder):
    propose(homes[0], folder)
    spec = asyncio.run(studies.look(homes[0], "heart")).spec
    assert make_documents(homes[1], spec) == {}
    files = make_documents(homes[0], spec)
    assert {path: digest_of(data) for path, data in files.items()} == {
        "documents/code.txt": spec.code, "documents/ethics.txt": spec.ethics,
    }  # fmt: skip


def test_a_backup_has_the_documents(homes, folder):
    propose(homes[0], folder)
    spec = asyncio.run(studies.look(homes[0], "heart")).spec
    back_up(homes[0], folder / "a.tar")
    restored = store_of(restore(folder / "restored", folder / "a.tar"))
    assert restored.read("heart", spec.code) == collect_code(folder / "trainer")
    assert restored.approvals("heart") == store_of(homes[0]).approvals("heart")
