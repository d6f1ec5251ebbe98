"""A whole study over real processes, while a member and strangers do their worst to every port."""

import asyncio
import collections
import contextlib
import gzip
import itertools
import random
import resource
import socket
import ssl
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from ends import End
from long_runs import long_run
from strangers import certificate, connect, get, key_of, knocking, subject_of
from swarm import PROGRAMS, Network, make_spec, swarmhub

from swarmhub.params import import_safetensors

pytestmark = pytest.mark.process

BOMB = gzip.compress(b"0" * (50 << 20))
WORDS = [
    b"\x00 nonsense\r\n\r\n",
    b"GET /v1/off",
    get("/v1/offer?study=s&number=2&revision=0", close=False) * 50,
    get("/v1/receipt", "Content-Length: 4", method="POST", close=False) + b"null",
    get("/v1/receipt", "Transfer-Encoding: chunked", method="POST", close=False),
    get("/v1/receipt", "Content-Length: -1", method="POST", close=False) + b"null",
    get("/v1/receipt", f"Content-Length: {len(BOMB)}", "Content-Encoding: gzip", method="POST",
        close=False) + BOMB,
    get("/v1/receipt", f"Content-Length: {1 << 40}", method="POST", close=False) + b"1" * 500_000,
    *[get("/v1/blobs/" + "a" * 64, f"Range: bytes={wrong}", close=False)
      for wrong in ("5-1", f"0-{1 << 70}", "-1", "0-1,1-2,2-3", "x")],
    b"x" * 200_000,
]  # fmt: skip


class Siege:
    """Connections to all ports, as fast as they come, from a member (also with a certificate that
    has expired, and with TLS 1.2) and from strangers; some words come by the byte."""

    def __init__(self, ports, member, stranger, expired):
        self.ports = ports
        self.contexts = [
            knocking(member), knocking(stranger), None, knocking(expired),
            knocking(member, ssl.TLSVersion.TLSv1_2),
        ]  # fmt: skip
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
                said = chance.choice(WORDS)
                for byte in said[:20] if chance.random() < 0.2 else ():
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.05)  # until the second is over
                writer.write(said)
                await writer.drain()
                await asyncio.sleep(chance.random() * 0.2)
            finally:
                writer.transport.abort()


CROWD, AT_ONCE, PAUSE_S = 10_000, 100, 0.05  # two thousand new ones a second
HALF_A_HELLO = b"\x16\x03\x01\x02\x00\x01"  # a TLS record whose rest never comes


class Crowd:
    """Strangers' connections in numbers, from the members' own address and from another one, silent
    or in the middle of a handshake. When all are there the oldest goes and comes again, for ever:
    a node sends most of them away before."""

    def __init__(self, ports, size):
        self.ports, self.size = ports, size
        self.most = self.again = 0
        self._over = threading.Event()
        self._held = collections.deque()
        self._thread = threading.Thread(target=self._gather)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _gather(self):
        turn = itertools.count()
        while not self._over.wait(PAUSE_S):
            for _ in range(AT_ONCE):
                if len(self._held) == self.size:
                    self._held.popleft().close()
                    self.again += 1
                self._held.append(self._come(next(turn)))
            self.most = max(self.most, len(self._held))
        for raw in self._held:
            raw.close()

    def _come(self, turn):
        raw = socket.socket()
        raw.setblocking(False)
        raw.bind((f"127.0.0.{1 + turn % 2}", 0))
        with contextlib.suppress(OSError):  # not connected yet, nobody listens
            raw.connect_ex(("127.0.0.1", self.ports[turn // 2 % len(self.ports)]))
            if turn % 3 == 0:
                raw.send(HALF_A_HELLO)
        return raw


@pytest.fixture
def crowd_size():
    """As many as the hard limit of descriptors allows this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = CROWD + 1000 if hard == resource.RLIM_INFINITY else min(CROWD + 1000, hard)
    if most < 4096:
        pytest.skip(f"a crowd needs some thousand descriptors; at most {hard} are allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    yield most - 1000
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Certified:
    """A home's certificate as `knocking` wants it."""

    def __init__(self, home):
        self.certificate, self.key = home.certificate_path, home.key_path("tls")


def an_expired_one(member, folder):
    """A member's certificate, with its key and name, of the week before last."""
    key = key_of(member)
    known = x509.load_pem_x509_certificate(member.certificate.read_bytes())
    name = subject_of(known.public_bytes(serialization.Encoding.DER))
    der = certificate(name, key, start=-14, end=-7)
    path = folder / "expired.pem"
    path.write_bytes(x509.load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM))
    return SimpleNamespace(certificate=path, key=member.key)


def test_a_study_is_finished_while_a_member_and_strangers_hammer_every_port(tmp_path):
    with Network(tmp_path, 3) as network:
        for i in (1, 2):
            network.up(i)
        network.open_study(make_spec(rounds=12, leader_timeout_ms=20_000), members=[1, 2])
        for home in network.homes[:2]:
            network.wait_until(lambda h=home: h.run_path("api.json").exists())
        ports = [int(h.config.listen.rpartition(":")[2]) for h in network.homes[:2]]
        stranger, member = End(tmp_path / "stranger", 9), Certified(network.homes[2])
        with Siege(ports, member, stranger, an_expired_one(member, tmp_path)) as siege:
            network.wait_until(lambda: siege.blows > 100)
            for i in (1, 2):
                network.train(i, PROGRAMS / "add_one.py")
            network.wait_until(lambda: network.study("s").status == "finished", 120)
            before = siege.blows
            network.wait_until(lambda: siege.blows > before + 50)  # it has not ended before
        network.children.check()
        assert {s.member for s in network.study("s").current.shares} == {1, 2}
        for i in (1, 2):
            assert "Traceback" not in network.log(i).read_text()
        out = tmp_path / "out.safetensors"
        home = network.homes[0].root
        assert swarmhub("node", "export", "s", "--home", home, "--out", out).returncode == 0
        np.testing.assert_array_equal(import_safetensors(out)["w"], np.full(4, 12.0))


@long_run
def test_a_study_is_finished_while_ten_thousand_strangers_stand_at_the_doors(tmp_path, crowd_size):
    with Network(tmp_path, 3) as network:
        for i in (1, 2, 3):
            network.up(i)
        network.open_study(make_spec(rounds=6, min_peers=3, leader_timeout_ms=20_000))
        for home in network.homes:
            network.wait_until(lambda h=home: h.run_path("api.json").exists())
        ports = [int(h.config.listen.rpartition(":")[2]) for h in network.homes]
        with Crowd(ports, crowd_size) as crowd:
            network.wait_until(lambda: crowd.most >= crowd_size, 120)
            for i in (1, 2, 3):
                network.train(i, PROGRAMS / "add_one.py")
            network.wait_until(lambda: network.study("s").status == "finished", 180)
            assert crowd.again > 1000, "the doors were under pressure"
        network.children.check()
        assert {s.member for s in network.study("s").current.shares} == {1, 2, 3}
        for i in (1, 2, 3):
            assert "Traceback" not in network.log(i).read_text()
        out = tmp_path / "out.safetensors"
        home = network.homes[0].root
        assert swarmhub("node", "export", "s", "--home", home, "--out", out).returncode == 0
        np.testing.assert_array_equal(import_safetensors(out)["w"], np.full(4, 6.0))
