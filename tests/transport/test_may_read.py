"""A peer server, with a node's own rules: what it gives to a member, and what to none."""

import asyncio
from types import SimpleNamespace

import pytest
from builders import HEART, Consortium
from ends import OpenGate, between, put

from swarmhub.node.peer_gate import PeerGate
from swarmhub.protocol import FetchedBlobs, LocalState

pytestmark = pytest.mark.process

PATHS = {
    "GET": ("/v1/blobs/{}", "/v1/blobs/{}/leaves", "/v1/blobs/{}/chunks/0"),
    "POST": ("/v1/blobs/{}/excerpt",),
}


class NodeGate(OpenGate):
    """What a node says, with this state and these notes; it waits for no further block."""

    def __init__(self, state, local):
        super().__init__()
        stopping = asyncio.Event()
        stopping.set()
        services = SimpleNamespace(state=state, stopping=stopping)
        studies = SimpleNamespace(drivers={local.study: SimpleNamespace(local=local)})
        self.may_read = PeerGate(services, studies, None, None).may_read


def a_round_with(blob, model, enrolled, present):
    """A round in which member 1 has contributed one blob, on the other as the model."""
    c = Consortium(5)
    c.start(*enrolled, layout=blob.layout)
    c.ready(*present)
    form = {"nbytes": blob.nbytes, "layout": blob.layout}
    c.settle(digest=model.digest, **form)
    c.contribute(1, root=blob.root, **form)
    local = LocalState(HEART, 1, held={blob.digest, model.digest})
    local.learn(FetchedBlobs(c.round().number, (blob.digest,)), 0)
    return c, local


def answers(tmp_path, enrolled, present):
    """Statuses that member 2 gets from member 1: for the contribution, and for the model."""
    gate, found = OpenGate(), {"contribution": set(), "model": set()}

    async def scenario(one, two, client, server):
        blob, model = put(one, 1000), put(one, 1000, seed=2)
        c, local = a_round_with(blob, model, enrolled, present)
        rules = NodeGate(c.state, local)
        gate.may_read = rules.may_read
        for what, of in (("contribution", blob), ("model", model)):
            for method, paths in PATHS.items():
                for path in paths:
                    where = path.format(of.digest)
                    body = {"data": b"[0]"} if method == "POST" else {}
                    async with await client.sessions.request(1, method, where, **body) as response:
                        found[what].add(response.status)

    between(tmp_path, scenario, gate)
    return found


def test_a_member_that_takes_part_is_given_both(tmp_path):
    found = answers(tmp_path, enrolled=(1, 2, 3), present=(1, 2, 3))
    assert found["contribution"] | found["model"] <= {200, 206}


def test_a_stranger_to_the_study_is_refused_both(tmp_path):
    found = answers(tmp_path, enrolled=(1, 3, 4), present=(1, 3, 4))
    assert found == {"contribution": {404}, "model": {404}}


def test_a_member_without_a_trainer_is_given_the_model_only(tmp_path):
    found = answers(tmp_path, enrolled=(1, 2, 3, 4), present=(1, 3, 4))
    assert found["contribution"] == {404}
    assert found["model"] <= {200, 206}
