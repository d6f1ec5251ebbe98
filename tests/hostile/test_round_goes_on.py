"""A whole study over real processes, while a member and strangers do their worst to every port."""

import asyncio
import random
import threading

import numpy as np
from ends import End
from strangers import connect, get, knocking
from swarm import Network, make_spec, swarmhub

from swarmhub.params import import_safetensors

ADD_ONE = """
import argparse, numpy as np, swarmhub
p = argparse.ArgumentParser(); p.add_argument("--home"); home = p.parse_args().home
model = {"w": np.zeros(4)}
with swarmhub.join("s", home) as swarm:
    for turn in swarm.rounds(model):
        model["w"] += 1
        turn.report(samples=10)
"""
WORDS = [
    b"\x00 nonsense\r\n\r\n",
    b"GET /v1/off",
    get("/v1/offer?study=s&number=2&revision=0", close=False) * 50,
    get("/v1/receipt", "Content-Length: 4", method="POST", close=False) + b"null",
    get("/v1/receipt", "Transfer-Encoding: chunked", method="POST", close=False),
    get("/v1/blobs/" + "a" * 64, "Range: bytes=5-1", close=False),
    b"x" * 200_000,
]


class Siege:
    """Connections to all ports, as fast as they come, from a member and from strangers."""

    def __init__(self, ports, member, stranger):
        self.ports, self.contexts = ports, [knocking(member), knocking(stranger), None]
        self.blows, self._over = 0, False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over = True
        self._thread.join()

    async def _all(self):
        await asyncio.gather(*[self._one(random.Random(i)) for i in range(24)])

    async def _one(self, chance):
        while not self._over:
            try:
                await self._blow(chance)
            except (OSError, TimeoutError):
                await asyncio.sleep(0.01)  # refused, cut off
            self.blows += 1

    async def _blow(self, chance):
        context, port = chance.choice(self.contexts), chance.choice(self.ports)
        async with asyncio.timeout(1):
            _, writer = await connect(port, context)
            try:
                writer.write(chance.choice(WORDS))
                await writer.drain()
                await asyncio.sleep(chance.random() * 0.2)
            finally:
                writer.transport.abort()


class Certified:
    """A home's certificate as `knocking` wants it."""

    def __init__(self, home):
        self.certificate, self.key = home.certificate_path, home.key_path("tls")


def test_a_study_is_finished_while_a_member_and_strangers_hammer_every_port(tmp_path):
    with Network(tmp_path, 3) as network:
        script = tmp_path / "train.py"
        script.write_text(ADD_ONE)
        for i in (1, 2):
            network.up(i)
        network.open_study(make_spec(rounds=4, leader_timeout_ms=20_000), members=[1, 2])
        for home in network.homes[:2]:
            network.wait_until(lambda h=home: h.run_path("api.json").exists())
        ports = [int(h.config.listen.rpartition(":")[2]) for h in network.homes[:2]]
        stranger = End(tmp_path / "stranger", 9)
        with Siege(ports, Certified(network.homes[2]), stranger) as siege:
            network.wait_until(lambda: siege.blows > 50)
            for i in (1, 2):
                network.train(i, script)
            network.wait_until(lambda: network.study("s").status == "finished", 120)
            assert siege.blows > 100
        network.children.check()
        assert {s.member for s in network.study("s").current.shares} == {1, 2}
        for i in (1, 2):
            assert "Traceback" not in network.log(i).read_text()
        out = tmp_path / "out.safetensors"
        home = network.homes[0].root
        assert swarmhub("node", "export", "s", "--home", home, "--out", out).returncode == 0
        np.testing.assert_array_equal(import_safetensors(out)["w"], np.full(4, 4.0))
