"""A trainer's line to its node: it waits for one that is away, and knows a refusal by its code."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from swarmhub.errors import FenceError, TrainerError
from swarmhub.train import client
from swarmhub.train.client import NodeClient
from swarmhub.train.notices import Notices

pytestmark = pytest.mark.process


class Door(BaseHTTPRequestHandler):
    """Answers with what the path says: a status and a code."""

    def do_POST(self):
        status, code = self.path.strip("/").split("/")
        body = json.dumps({"error": f"no: {code}", "code": code}).encode()
        self.send_response(int(status))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def door():
    with HTTPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def open_door(home, server):
    (home / "run").mkdir(exist_ok=True)
    address = {"port": server.server_port, "token": "t"}
    (home / "run" / "api.json").write_text(json.dumps(address))


def test_a_refusal_is_known_by_its_code(tmp_path, door):
    open_door(tmp_path, door)
    node = NodeClient(tmp_path)
    with pytest.raises(FenceError):
        node.post("/400/FenceError", {})
    with pytest.raises(TrainerError) as error:
        node.post("/400/BadInput", {})
    assert type(error.value) is TrainerError
    node.close()


class Busy(Door):
    """Cannot answer at first."""

    asked = 0

    def do_POST(self):
        Busy.asked += 1
        self.path = "/503/NotNow" if Busy.asked < 3 else "/200/x"
        super().do_POST()


def test_a_node_that_cannot_answer_now_is_asked_again_and_says_why(tmp_path, door, monkeypatch):
    monkeypatch.setattr(client, "UNSAID_S", 0.0)
    monkeypatch.setattr(Busy, "asked", 0)
    door.RequestHandlerClass = Busy
    open_door(tmp_path, door)
    said = []
    node = NodeClient(tmp_path, notices=Notices(said.append))
    assert node.post("/", {})["code"] == "x"
    node.close()
    assert Busy.asked == 3
    assert said == ["no: NotNow; waiting for it", "the node answers; going on"]


def test_a_node_that_stays_away_is_named_and_how_to_start_it(tmp_path, monkeypatch):
    monkeypatch.setattr(client, "UNSAID_S", 0.0)
    said = []
    node = NodeClient(tmp_path, 0.3, Notices(said.append))
    start = f"swarmhub up --home {tmp_path}"
    with pytest.raises(TrainerError, match=start):
        node.post("/200/x", {})
    assert len(said) == 1
    assert start in said[0]


def test_a_trainer_goes_on_when_its_node_comes(tmp_path, door, monkeypatch):
    monkeypatch.setattr(client, "UNSAID_S", 0.0)
    said = []

    def say(sentence):
        said.append(sentence)
        open_door(tmp_path, door)

    node = NodeClient(tmp_path, 60.0, Notices(say))
    assert node.post("/200/x", {})["code"] == "x"
    assert said[1:] == ["the node answers; going on"]
    node.close()


def test_a_node_with_another_local_api_is_refused_at_once(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "api.json").write_text('{"port": 1, "token": "t", "version": 2}')
    with pytest.raises(TrainerError, match="with version 1 of the local API, got 2; run the node"):
        NodeClient(tmp_path).post("/200/x", {})
