"""Results that a person takes along: whole, once, for an hour; long work beside the loop."""

import asyncio
import os
import zipfile
from types import SimpleNamespace

import pytest

from swarmhub.contract.records import Enrolment, Model, Study
from swarmhub.errors import BadInput
from swarmhub.home.home import Home
from swarmhub.operations import apart, downloads
from swarmhub.operations.chosen_model import choose_model, list_usable
from swarmhub.operations.downloads import KEPT_S, make_download, sweep, take_download
from swarmhub.operations.results import Choice
from swarmhub.operations.works import carry_out

NOW_S = 1_700_000_000


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(downloads, "wall_clock_ms", lambda: NOW_S * 1000)
    return Home.create(tmp_path / "home", "Ulm", "127.0.0.1:7400")


def write(folder):
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a.txt").write_text("a" * 5000)
    return 7


def lying(home):
    return sorted(os.listdir(home.run_path("downloads")))


def test_a_folder_is_packed_whole_and_taken_once(home):
    made, found = make_download(home, "heart-model", write)
    assert (found, lying(home)) == (7, [made.name])
    file, label = take_download(home, made.name)
    with file, zipfile.ZipFile(file) as archive:
        assert archive.read("heart-model/inner/a.txt") == b"a" * 5000
        assert archive.namelist() == ["heart-model/inner/a.txt"]
    assert (label, lying(home)) == ("heart-model.zip", [])
    with pytest.raises(BadInput, match="There is no download"):
        take_download(home, made.name)


def test_work_that_fails_leaves_nothing(home):
    def fail(folder):
        write(folder)
        raise BadInput("no")

    with pytest.raises(BadInput, match="no"):
        make_download(home, "heart-model", fail)
    assert lying(home) == []


@pytest.mark.parametrize("name", ["", "x.zip", "../node.toml", f"{'0' * 32}-../x.zip", "\0", "é"])
def test_a_name_of_another_form_is_no_download(home, name):
    with pytest.raises(BadInput, match="There is no download"):
        take_download(home, name)


def test_a_link_is_no_download(home):
    folder, name = home.run_path("downloads"), f"{'0' * 32}-a.zip"
    folder.mkdir()
    (folder / name).symlink_to(home.key_path("account"))
    with pytest.raises(BadInput, match="There is no download"):
        take_download(home, name)


def test_what_lies_longer_than_an_hour_goes(home):
    folder = home.run_path("downloads")
    (folder / ".new-x").mkdir(parents=True)
    for name, age_s in (("old.zip", KEPT_S + 1), ("new.zip", KEPT_S - 1), (".new-x", KEPT_S + 1)):
        if not name.startswith("."):
            (folder / name).write_bytes(b"")
        os.utime(folder / name, (NOW_S - age_s, NOW_S - age_s))
    sweep(home)
    assert lying(home) == ["new.zip"]


def ask(home, **options):
    return apart.work_apart("model.export", home, Choice("heart", ""), **options)


def test_no_more_than_two_works_are_under_way(home, monkeypatch):
    async def run():
        done = asyncio.Event()

        async def wait(asked):
            await done.wait()
            return b'{"result": 1}'

        monkeypatch.setattr(apart, "_run", wait)
        first = [asyncio.create_task(ask(home)) for _ in range(apart.MOST_AT_ONCE)]
        await asyncio.sleep(0)
        with pytest.raises(BadInput, match="at work on 2 results already"):
            await ask(home)
        done.set()
        assert [*await asyncio.gather(*first), await ask(home)] == [1, 1, 1]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("out", "words"),
    [(b"", "has failed at the node"), (b'{"error": "No such thing."}', "No such thing.")],
)
def test_a_work_that_fails_is_one_sentence(home, monkeypatch, out, words):
    async def give(asked):
        return out

    monkeypatch.setattr(apart, "_run", give)
    with pytest.raises(BadInput, match=words):
        asyncio.run(ask(home))


def test_a_work_that_takes_too_long_is_given_up(home, monkeypatch):
    monkeypatch.setattr(apart, "_run", lambda asked: asyncio.Event().wait())
    with pytest.raises(BadInput, match="was given up"):
        asyncio.run(ask(home, patience_s=0))


def test_a_work_without_a_home_is_one_sentence(tmp_path):
    asked = {"work": "model.export", "home": str(tmp_path), "person": "anna", "arguments": {}}
    assert "found none" in carry_out(asked)["error"]


def model(letter, **options):
    return Model(
        "heart", 1, "train", letter * 64, 1, "", "", "", "mean", 1, 0, 0, (), (), **options
    )


def view(is_enrolled):
    """A ledger with a study whose model a is released, b the best, c the newest."""
    enrolled = (Enrolment(1, 9),) if is_enrolled else ()
    study = Study("heart", "", 1, current=model("c"), best=model("b"), released=(model("a"),),
                  enrolled=enrolled)  # fmt: skip
    return SimpleNamespace(
        need_study=lambda name: study, need_spec=lambda name: None, names=dict, public="k",
        members=lambda: [SimpleNamespace(id=1, account="k")],
        ledger=SimpleNamespace(state={}, tip=SimpleNamespace(chain_id="x")),
    )  # fmt: skip


def test_the_enrolled_may_use_any_model_others_released_ones():
    digests = [[m.digest[0] for m in list_usable(view(e), view(e).need_study(""))] for e in (1, 0)]
    assert digests == [["a", "c", "b"], ["a"]]
    for wanted in ({}, {"best": True}, {"model": "b"}):
        with pytest.raises(BadInput, match="only the hospitals that are enrolled"):
            choose_model(view(False), "heart", **wanted)


@pytest.mark.parametrize("wanted", ["d", "a" * 65, "A"])
def test_a_digest_that_no_model_has_is_refused(wanted):
    with pytest.raises(BadInput, match="Expected the beginning of the digest"):
        choose_model(view(True), "heart", model=wanted)
