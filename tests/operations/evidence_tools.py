"""Consortia of which evidence is made, folders of it, and forgeries of them."""

import hashlib
import json
from dataclasses import replace

import pytest
from agreed_chain import Networked
from builders import HEART, spec_of
from recorded import Recorded

from swarmhub import codec
from swarmhub.contract.state import Overlay, State
from swarmhub.contract.transactions import Propose, Release, Vote
from swarmhub.errors import BadInput
from swarmhub.keys import ReleaseKey
from swarmhub.ledger.blocks import replay_genesis
from swarmhub.operations.evidence.export import Signer, Wanted, make_files, write_files
from swarmhub.operations.evidence.faults import Altered
from swarmhub.operations.evidence.manifest import MANIFEST, SIGNATURE, list_file, sign
from swarmhub.operations.evidence.many_machines import write_signed
from swarmhub.operations.evidence.verify import verify_evidence
from swarmhub.operations.record import Record

BESIDE = {"report/absent.txt": b"No report.\n", "model/README.md": b"# A card\n\nText.\n"}
SECRET = "Secret of others"


def played(rounds=3, n=4, kind=Recorded):
    """A study that has released its model."""
    c = kind(n)
    c.start(min_peers=2, rounds=rounds)
    c.ready(*range(1, n + 1))
    c.settle()
    for _ in range(rounds):
        c.play()
    c.ok(1, Release(HEART, c.study().current.digest))
    motion = c.open_motions[-1]
    for member in range(2, n + 1):
        if c.motion(motion):
            c.ok(member, Vote(motion, True))
    return c


def beside_others(c):
    """Other studies: in a block of their own, and in one with a vote of this one's member."""
    c.propose(name="lung", title=SECRET)
    c.block(c.write(2, Propose(spec_of(name="skin", title=SECRET))), c.write(3, Vote(99, True)))
    return c


def release_key(word):
    """The release key of the member of this name."""
    return ReleaseKey(int(hashlib.sha256(word.encode()).hexdigest(), 16) >> 1)


def genesis_and(c):
    """All blocks with their results."""
    return [replay_genesis(c.ledger.blocks[0], Overlay(State()))[1], *c.blocks]


def made_of(c, whole=False, member=1):
    """What a member exports of HEART."""
    signer = Signer(c.member(member), release_key(c.member(member).name))
    if isinstance(c, Networked):
        record, signed = c.followed()
        return make_files(record, Wanted(HEART, None, whole), signer, BESIDE | write_signed(signed))
    record = Record(c.ledger.tip, c.ledger.state, genesis_and(c))
    return make_files(record, Wanted(HEART, None, whole), signer, BESIDE)


def folder_of(tmp_path, c, **options):
    """The folder that member 1 exports, and the genesis."""
    made = made_of(c, **options)
    write_files(tmp_path / "evidence", made.files)
    return tmp_path / "evidence", made.manifest.genesis


def forge(tmp_path, c, changes, signer=1, name="", **of_manifest):
    """A folder with other contents, listed and signed anew: path -> a function of the bytes."""
    made, member = made_of(c), c.member(signer)
    files = {p: changes[p](d) if p in changes else d for p, d in made.files.items()}
    listed = tuple(list_file(f.path, files[f.path]) for f in made.manifest.files)
    files[MANIFEST] = codec.pack(replace(made.manifest, files=listed, **of_manifest))
    key = release_key(name or member.name)
    files[SIGNATURE] = sign(files[MANIFEST], member.id, member.name, key)
    write_files(tmp_path / "forged", files)
    return tmp_path / "forged"


# checks


def refused(folder, genesis=""):
    with pytest.raises(Altered) as caught:
        verify_evidence(folder, genesis)
    return caught.value


def count_named(folder, changes, dice):
    """Change a byte of a folder so many times; how often `verify` has named its file and line."""
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    named = 0
    for _ in range(changes):
        path = dice.choice(files)
        data = path.read_bytes()
        at = dice.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ dice.randrange(1, 256)]) + data[at + 1 :])
        fault = refused(folder)
        name = str(path.relative_to(folder))
        # a changed byte of a line is found in it, or in the one that a new line end begins
        line = data[:at].count(b"\n") + 1
        named += fault.file == name and (not name.endswith("jsonl") or fault.record == line)
        path.write_bytes(data)
    return named


def edit(record, **changes):
    """Change fields of a line of JSON."""

    def change(data):
        lines = data.splitlines()
        lines[record - 1] = codec.encode(json.loads(lines[record - 1]) | changes)
        return b"".join(line + b"\n" for line in lines)

    return change


def spoil(value, dice):
    """Replace one value somewhere in a JSON value by another kind of value."""
    junk = [None, -1, 2**53, "", "\x00", "é" * 300, [], {}, [[]], {"a": 1}, True]
    if dice.random() < 0.2 or not isinstance(value, dict | list) or not value:
        return dice.choice(junk)
    if isinstance(value, dict):
        name = dice.choice(sorted(value))
        return value | {name: spoil(value[name], dice)}
    at = dice.randrange(len(value))
    return [*value[:at], spoil(value[at], dice), *value[at + 1 :]]


def spoil_many(tmp_path, c, paths, dice, times=60):
    """Forge so many folders, each with one spoilt value; the sentences that `verify` has said."""
    said = []
    for n in range(times):

        def change(data):
            lines = data.splitlines()
            at = dice.randrange(len(lines))
            lines[at] = json.dumps(spoil(json.loads(lines[at]), dice), ensure_ascii=False,
                                   sort_keys=True, separators=(",", ":")).encode()  # fmt: skip
            return b"".join(line + b"\n" for line in lines)

        (tmp_path / str(n)).mkdir()
        try:
            verify_evidence(forge(tmp_path / str(n), c, {dice.choice(paths): change}))
        except BadInput as error:
            said.append(str(error))
    return said
