"""Members' ends for tests of the transport: keys, stores, and a server between two of them."""

import asyncio
import dataclasses

import numpy as np

from swarmhub import keys
from swarmhub.blobs import BlobStore
from swarmhub.blobs.leaves import fingerprint_of
from swarmhub.contract.records import Member
from swarmhub.params import Layout, Tensor
from swarmhub.protocol import Pull
from swarmhub.transport.client import PeerClient
from swarmhub.transport.relay.server import Relay
from swarmhub.transport.relay.streams import relays_of
from swarmhub.transport.relay.uplink import RelayUplink
from swarmhub.transport.server import PeerServer
from swarmhub.transport.tls import Peers

RELAY_WAIT_S = 20


class End:
    """One hospital's keys and store."""

    def __init__(self, folder, member):
        folder.mkdir()
        self.member, self.key, self.certificate = member, folder / "key.pem", folder / "tls.crt"
        tls = keys.PrivateKey()
        tls.save(self.key)
        self.der = keys.make_certificate(tls)
        self.certificate.write_text(keys.to_pem(self.der))
        self.store = BlobStore(folder / "blobs")
        self.peers = Peers(self.certificate, self.key)

    def record(self, port):
        return Member(
            self.member, f"Hospital {self.member}", "0" * 64, self.der.hex(), "0" * 64,
            f"127.0.0.1:{port}",
        )  # fmt: skip


class OpenGate:
    """Lets members read what the test says; keeps what it is told."""

    def __init__(self, readable=True):
        self.readable, self.receipts, self.merged = readable, [], None
        self.greetings, self.bytes_sent = [], {}
        self.documents = {}  # path by digest

    async def may_read(self, member, digest):
        return self.readable

    def sent(self, member, digest, nbytes):
        self.bytes_sent[member, digest] = self.bytes_sent.get((member, digest), 0) + nbytes

    def sent_layout(self, member, digest, nbytes):
        self.sent(member, f"layout of {digest}", nbytes)

    async def document(self, member, digest):
        return self.documents.get(digest) if self.readable else None

    def sent_document(self, member, digest, nbytes):
        self.sent(member, digest, nbytes)

    async def offer(self, member, asked):
        return self.merged

    def greeted(self, member):
        self.greetings.append(member)

    def take_receipt(self, study, receipt):
        self.receipts.append((study, receipt))


def put(end, nbytes, seed=1):
    layout = Layout.of([Tensor("x", "U8", (nbytes,))])
    path = end.store.incoming()
    path.write_bytes(np.random.default_rng(seed).bytes(layout.nbytes))
    blob = fingerprint_of(path, layout.digest)
    end.store.adopt(path, blob)
    return blob


def effect(blob):
    return Pull(blob.digest, blob.nbytes, blob.layout, (1,))


def between(tmp_path, scenario, gate=None, members=(1, 2)):
    """Run `scenario(server end, client end, client, server)` with member 1 serving member 2."""

    async def run():
        one, two = End(tmp_path / "one", 1), End(tmp_path / "two", 2)
        server = PeerServer(one.peers, one.store, gate or OpenGate())
        await server.start("127.0.0.1", 0)
        records = [e.record(server.port) for e in (one, two) if e.member in members]
        one.peers.update(records)
        two.peers.update([one.record(server.port), two.record(1)])
        client = PeerClient(two.peers)
        try:
            await scenario(one, two, client, server)
        finally:
            await client.close()
            await server.close()

    asyncio.run(run())


def over_relay(tmp_path, scenario, relays=1):
    """Members 1 and 2 stand behind relays that member 3 runs; `scenario(one, two, client of two,
    gate of one, relays)`."""

    async def run():
        one, two, three = (End(tmp_path / name, i) for i, name in enumerate("abc", 1))
        carriers = [Relay(three.peers) for _ in range(relays)]
        ports = [await r.start("127.0.0.1", 0) for r in carriers]
        address = "@" + ",".join(f"127.0.0.1:{p}" for p in ports)
        records = [dataclasses.replace(e.record(1), address=address) for e in (one, two)]
        for end in (one, two, three):
            end.peers.update([*records, three.record(1)])
        gate = OpenGate()
        server = PeerServer(one.peers, one.store, gate)
        await server.start("127.0.0.1", 0)
        uplink = RelayUplink(one.peers, relays_of(address), f"127.0.0.1:{server.port}")
        uplink.start()
        client = PeerClient(two.peers)
        try:
            async with asyncio.timeout(RELAY_WAIT_S):
                while any(r.standing() != [1] for r in carriers):
                    await asyncio.sleep(0.01)
                await scenario(one, two, client, gate, carriers)
        finally:
            await client.close()
            await uplink.close()
            await server.close()
            for r in carriers:
                await r.close()

    asyncio.run(run())
