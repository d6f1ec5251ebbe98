"""Consortia of which evidence is made, folders of it, and forgeries of them."""

import hashlib
from dataclasses import replace

from builders import HEART, spec_of
from recorded import Recorded

from swarmhub import codec
from swarmhub.contract.state import Overlay, State
from swarmhub.contract.transactions import Propose, Release, Vote
from swarmhub.keys import ReleaseKey
from swarmhub.ledger.blocks import replay_genesis
from swarmhub.operations.evidence.export import Signer, Wanted, make_files, write_files
from swarmhub.operations.evidence.manifest import MANIFEST, SIGNATURE, list_file, sign
from swarmhub.operations.record import Record

BESIDE = {"report/absent.txt": b"No report.\n", "model/README.md": b"# A card\n\nText.\n"}
SECRET = "Secret of others"


def played(rounds=3, n=4):
    """A study that has released its model."""
    c = Recorded(n)
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
    record = Record(c.ledger.tip, c.ledger.state, genesis_and(c))
    signer = Signer(c.member(member), release_key(c.member(member).name))
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
