"""A trainer with other code than the terms bind does not take part."""

import pytest

from swarmhub.contract.records import Spec
from swarmhub.documents import DocumentStore, collect_code, digest_of
from swarmhub.errors import BadInput, TrainerError
from swarmhub.train.code_check import check_code


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "fit.py").write_text("rate = 0.1\n")
    return tmp_path / "trainer"


def terms(folder):
    return Spec("heart", code=digest_of(collect_code(folder)))


def test_the_code_of_the_terms_takes_part(folder, tmp_path):
    spec = terms(folder)
    (folder / "patients.csv").write_text("age\n61\n")  # data beside the code is no code
    assert check_code(spec, folder, tmp_path) == ""


def test_other_code_does_not_take_part(folder, tmp_path):
    spec = terms(folder)
    (folder / "fit.py").write_text("rate = 0.2\n")
    with pytest.raises(TrainerError, match=r"got other code; 'swarmhub study show heart --code"):
        check_code(spec, folder, tmp_path)


def test_files_that_differ_are_named_if_the_code_is_here(folder, tmp_path):
    spec = terms(folder)
    DocumentStore(tmp_path / "documents").put("heart", collect_code(folder))
    (folder / "more.py").write_text("")
    (folder / "fit.py").write_text("rate = 0.2\n")
    with pytest.raises(TrainerError, match=r"\(fit\.py is changed, more\.py is new\)"):
        check_code(spec, folder, tmp_path)


def test_compiled_code_does_not_take_part(folder, tmp_path):
    spec = terms(folder)
    (folder / "fit.so").write_bytes(b"\x7fELF")
    with pytest.raises(BadInput, match="which Python could import"):
        check_code(spec, folder, tmp_path)


def test_a_folder_that_is_not_known_is_said(folder, tmp_path):
    assert "give join(code=FOLDER)" in check_code(terms(folder), None, tmp_path)
    assert check_code(Spec("heart"), None, tmp_path) == ""
    assert check_code(Spec("heart"), folder, tmp_path) == ""
