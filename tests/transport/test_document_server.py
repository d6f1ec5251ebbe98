"""Documents between two nodes: bounded, compared with their digests, given to members alone."""

import asyncio

import pytest
from ends import OpenGate, between

from swarmhub.documents import digest_of
from swarmhub.documents.store import MAX_DOCUMENT_BYTES
from swarmhub.errors import PeerError
from swarmhub.transport.document_server import MAX_DOCUMENTS_AT_ONCE

pytestmark = pytest.mark.process
DATA = bytes(range(256)) * 10_000  # several pieces
DIGEST = digest_of(DATA)


def gate_with(folder, data=DATA, digest=DIGEST, **options):
    gate = OpenGate(**options)
    gate.documents[digest] = folder / "document"
    gate.documents[digest].write_bytes(data)
    return gate


def test_a_document_arrives_and_is_counted(tmp_path):
    gate = gate_with(tmp_path)

    async def scenario(one, two, client, server):
        assert await client.document(1, DIGEST, MAX_DOCUMENT_BYTES) == DATA

    between(tmp_path, scenario, gate)
    assert gate.bytes_sent == {(2, DIGEST): len(DATA)}


@pytest.mark.parametrize(
    ("changes", "limit", "why"),
    [
        ({"data": DATA[:-1] + b"?"}, 1 << 22, "another document than the digest says"),
        ({}, len(DATA) - 1, "more than 2559999 bytes"),
        ({"readable": False}, 1 << 22, "answered 404"),
        ({"digest": "a" * 64}, 1 << 22, "answered 404"),
    ],
)
def test_what_is_not_the_document_is_refused(tmp_path, changes, limit, why):
    async def scenario(one, two, client, server):
        with pytest.raises(PeerError, match=why):
            await client.document(1, DIGEST, limit)

    between(tmp_path, scenario, gate_with(tmp_path, **changes))


@pytest.mark.parametrize("path", ["..", "..%2f..%2fnode.toml", "a", "A" * 64, "%00"])
def test_what_is_no_digest_reads_no_file(tmp_path, path):
    gate = gate_with(tmp_path)

    async def document(member, digest):
        raise AssertionError(digest)

    gate.document = document

    async def scenario(one, two, client, server):
        async with await client.sessions.request(1, "GET", f"/v1/documents/{path}") as answer:
            assert answer.status in (400, 404)

    between(tmp_path, scenario, gate)


def test_a_member_has_few_documents_at_once(tmp_path):
    gate, going = gate_with(tmp_path), asyncio.Event()

    async def document(member, digest):
        await going.wait()
        return gate.documents[digest]

    gate.document = document

    async def scenario(one, two, client, server):
        asked = [client.document(1, DIGEST, 1 << 22) for _ in range(MAX_DOCUMENTS_AT_ONCE + 1)]
        tasks = [asyncio.create_task(one) for one in asked]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        assert "429" in str(done.pop().exception())
        going.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert ended.count(DATA) == MAX_DOCUMENTS_AT_ONCE

    between(tmp_path, scenario, gate)


def test_somebody_who_is_no_member_gets_nothing(tmp_path):
    async def scenario(one, two, client, server):
        with pytest.raises(PeerError, match="does not answer"):
            await client.document(1, DIGEST, 1 << 22)

    gate = gate_with(tmp_path)
    between(tmp_path, scenario, gate, members=(1,))
    assert gate.bytes_sent == {}
