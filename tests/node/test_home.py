"""A home's files, apart from the processes that use them."""

from swarmhub.keys import PrivateKey
from swarmhub.node import home as home_room
from swarmhub.node.home import Home


def test_a_command_and_the_node_finish_a_rotation_at_the_same_time(tmp_path, monkeypatch):
    """Between the look whether a new key is there and its reading, the other one takes it."""
    mine = Home.create(tmp_path, "A", "127.0.0.1:7000")
    other = Home.open(tmp_path)
    names = ["account", "tls", "consensus"]
    mine.begin_rotation(names)
    new = mine.card(rotated=True)
    monkeypatch.setattr(home_room, "get_members", lambda state: [new])
    load, finished = PrivateKey.load, []

    def slowly(path):
        if ".next" in path.name and not finished:
            finished.append(None)
            finished[:] = other.finish_rotation({})
        return load(path)

    monkeypatch.setattr(PrivateKey, "load", slowly)
    assert mine.finish_rotation({}) == []
    assert sorted(finished) == sorted(names)
    monkeypatch.undo()
    assert not list((tmp_path / "keys").glob("*.next.*"))
    assert (mine.card().account, mine.card().tls) == (new.account, new.tls)
    assert mine.card().consensus == new.consensus
