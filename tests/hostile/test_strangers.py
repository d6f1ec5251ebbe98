"""Whoever is not an active member learns nothing: not an answer, not a version, not a name."""

import asyncio
import socket
import ssl

import pytest
from ends import End, OpenGate, between, effect, put
from fuzz.engine import CORPUS
from strangers import (
    certificate,
    connect,
    get,
    hear,
    key_of,
    knocking,
    new_key,
    replace_certificate,
    say,
    status_of,
    subject_of,
)

from swarmhub import keys
from swarmhub.errors import PeerError
from swarmhub.transport import connection
from swarmhub.transport.gate import OfferAsked

pytestmark = pytest.mark.process

SAID = [
    get("/v1/offer?study=x&number=1&revision=0"),
    get("/nothing"),
    b"\x00\xff not HTTP at all\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    get("/", "Content-Length: -1", "Content-Length: 7"),
    get("/", "Expect: something"),
    b"A" * 100_000,
    b"",
]


def member_end(folder, number):
    return End(folder / f"end{number}", number)


def no_certificate(tmp_path, one, two):
    return None


def unknown(tmp_path, one, two):
    return member_end(tmp_path, 9)


def removed(tmp_path, one, two):
    """Was a member: OpenSSL goes on trusting it until the node starts again."""
    end = member_end(tmp_path, 9)
    members = list(one.peers.members.values())
    one.peers.update([*members, end.record(1)])
    one.peers.update(members)
    return end


def expired(tmp_path, one, two):
    return registered(tmp_path, one, start=-20, end=-1)


def not_yet_valid(tmp_path, one, two):
    return registered(tmp_path, one, start=2, end=20)


def registered(tmp_path, one, **dates):
    """An active member, whose certificate the ledger has, with these dates."""
    end, key = member_end(tmp_path, 9), new_key()
    replace_certificate(end, certificate("nine", key, **dates), key)
    one.peers.update([*one.peers.members.values(), end.record(1)])
    return end


def issued_by_a_member(tmp_path, one, two):
    """A member's key can sign certificates for others, as any key can."""
    end, key = member_end(tmp_path, 9), new_key()
    der = certificate("friend", key, subject_of(two.der), key_of(two))
    replace_certificate(end, der, key)
    return end


def with_a_members_name(tmp_path, one, two):
    end, key = member_end(tmp_path, 9), new_key()
    replace_certificate(end, certificate(subject_of(two.der), key), key)
    return end


STRANGERS = [
    no_certificate, unknown, removed, expired, not_yet_valid, issued_by_a_member,
    with_a_members_name,
]  # fmt: skip


@pytest.mark.parametrize("stranger", STRANGERS, ids=lambda f: f.__name__)
def test_a_stranger_hears_nothing_whatever_it_says(tmp_path, stranger):
    async def scenario(one, two, client, server):
        context = knocking(stranger(tmp_path, one, two))
        for words in SAID:
            assert await say(server.port, context, words or b"\r\n") == b""
        blob = put(one, 1000)
        await client.pull(effect(blob), two.store)  # members are served as before

    between(tmp_path, scenario)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2], ids=["TLS 1.2"])
def test_an_older_tls_is_refused_also_with_a_members_certificate(tmp_path, version):
    async def scenario(one, two, client, server):
        with pytest.raises(OSError):
            await connect(server.port, knocking(two, version))
        _, writer = await connect(server.port, knocking(two))  # it is the version alone
        writer.transport.abort()

    between(tmp_path, scenario)


def test_plain_http_hears_nothing(tmp_path):
    async def scenario(one, two, client, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(get("/v1/offer"))
        heard = await hear(reader)
        writer.close()
        assert b"HTTP" not in heard
        assert b"swarmhub" not in heard
        assert len(heard) <= 7, "a TLS alert"

    between(tmp_path, scenario)


def test_the_servers_certificate_names_no_hospital(tmp_path):
    async def scenario(one, two, client, server):
        def look():
            with socket.create_connection(("127.0.0.1", server.port)) as raw:
                context = knocking(two)
                with context.wrap_socket(raw) as tls:
                    return tls.getpeercert(binary_form=True)

        der = await asyncio.to_thread(look)
        assert der == one.der
        assert b"ospital" not in der
        assert b"swarmhub" not in der

    between(tmp_path, scenario)


def test_no_session_can_be_resumed_without_showing_the_certificate(tmp_path):
    async def scenario(one, two, client, server):
        def talk():
            with socket.create_connection(("127.0.0.1", server.port)) as raw:
                context = knocking(two)
                with context.wrap_socket(raw) as tls:
                    tls.sendall(get("/nothing"))
                    while tls.recv(4096):
                        pass
                    return tls.session.has_ticket

        assert await asyncio.to_thread(talk) is False

    between(tmp_path, scenario)


@pytest.mark.parametrize("mimic_first", [True, False])
def test_a_member_with_another_ones_name_in_its_certificate_locks_nobody_out(tmp_path, mimic_first):
    """OpenSSL looks for issuers by name, and would find only one of the two."""

    async def scenario(one, two, client, server):
        mimic, key = member_end(tmp_path, 3), new_key()
        replace_certificate(mimic, certificate(subject_of(two.der), key), key)
        mimics, genuine = [mimic.record(1)], [one.record(server.port), two.record(1)]
        for records in (mimics, genuine) if mimic_first else (genuine, mimics):
            one.peers.update(records)
        one.peers.update(mimics + genuine)
        blob = put(one, 1000)
        await client.pull(effect(blob), two.store)
        assert (await say(server.port, knocking(mimic), get("/nothing")))[:12] == b"HTTP/1.1 404"

    between(tmp_path, scenario, members=() if mimic_first else (1, 2))


@pytest.mark.parametrize("path", sorted((CORPUS / "certificates").glob("*.bin")), ids=str)
def test_a_member_whose_certificate_is_none_harms_nobody(tmp_path, path):
    """The contract cannot read certificates: a card may carry any bytes."""

    async def scenario(one, two, client, server):
        odd = member_end(tmp_path, 3)
        odd.der = path.read_bytes()
        for peers in (one.peers, two.peers):
            peers.update([*peers.members.values(), odd.record(1)])
        blob = put(one, 1000)
        await client.pull(effect(blob), two.store)

    between(tmp_path, scenario)


@pytest.mark.parametrize("dates", [{"start": -20, "end": -1}, {"start": 2, "end": 20}])
def test_a_server_with_an_expired_certificate_is_not_asked(tmp_path, dates):
    """Both sides hold to the dates, whatever the ledger has."""
    from ends import OpenGate

    from swarmhub.transport.server import PeerServer

    async def scenario(one, two, client, server):
        old, key = member_end(tmp_path, 3), new_key()
        replace_certificate(old, certificate("three", key, **dates), key)
        there = PeerServer(old.peers, old.store, OpenGate())
        await there.start("127.0.0.1", 0)
        old.peers.update([two.record(1), old.record(there.port)])
        two.peers.update([two.record(1), old.record(there.port)])
        with pytest.raises(PeerError, match="does not answer"):
            await client.watch(3, OfferAsked("s", 1, 0))
        await there.close()

    between(tmp_path, scenario)


class Describing(OpenGate):
    """Tells an invited newcomer of the consortium."""

    def describe(self):
        return {}


def test_a_members_guests_have_its_connections_together_whatever_it_issues_them(tmp_path):
    """A member's certificate can sign any number of others for one invitation's key."""
    most = connection.MAX_CONNECTIONS_PER_MEMBER

    async def scenario(one, two, client, server):
        keys_ = [new_key() for _ in range(3)]
        hosts = {
            keys.read_public(certificate("x", k)): m for k, m in zip(keys_, (2, 2, 3), strict=True)
        }
        one.peers.sponsor_of = hosts.get
        lines = []
        for key in [*keys_, *(k for k in keys_[:2] for _ in range(most))]:
            guest = member_end(tmp_path, len(lines) + 10)
            der = certificate(f"g{len(lines)}", key, subject_of(two.der), key_of(two))
            replace_certificate(guest, der, key)
            lines.append(await connect(server.port, knocking(guest)))
            lines[-1][1].write(get("/v1/consortium", close=False))
            assert status_of(await lines[-1][0].readuntil(b"\r\n\r\n")) == 200
        held = [server._room._hosts[c] for c in server._room.open]
        assert (held.count(2), held.count(3)) == (most, 1), "another one's guest has its own"
        for _, writer in lines:
            writer.transport.abort()

    between(tmp_path, scenario, Describing())
