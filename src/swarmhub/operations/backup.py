"""Backups, so that a lost machine can be replaced within minutes.

A backup contains the configuration, the keys of account, TLS, ledger and release, the certificate,
the trainers' private state (`local/`), the code and ethics documents of studies (`documents/`), the
names of studies that were forgotten here, and for a networked ledger its genesis, members'
endpoints and one of its blocks, so that the restored node can begin with a state that the others
have. It does not contain the consensus key with its signing state, because a validator that is
rolled back could sign two blocks of one height; nor blobs, blocks and state, which the other
members have.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tarfile
from pathlib import Path
from typing import IO

from swarmhub import codec, keys
from swarmhub.contract.names import is_study_name
from swarmhub.contract.records import get_member_of_key, get_members
from swarmhub.errors import BadInput, HomeError, Malformed, plain
from swarmhub.files import write_durably
from swarmhub.home import bootstrap
from swarmhub.home.config import CONFIG, parse_config
from swarmhub.home.home import Home
from swarmhub.ledger.cometbft import create_comet_ledger, read_genesis
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.store import Store
from swarmhub.operations.ledger_client import find_endpoints, read_genesis_file

GENESIS = "genesis.json"
DOORS = f"ledger/{bootstrap.FILE}"
KEPT = (
    CONFIG, "keys/account.pem", "keys/tls.pem", "keys/tls.crt", "keys/ledger.pem",
    "keys/release.pem",
)  # fmt: skip
FOLDERS = ("local", "documents")
TRIES = 10
MAX_CONFIG_BYTES = 1 << 16
MAX_BYTES = 16 << 30  # of a backup that is read: trainers may have large local models


def back_up(home: Home, target: Path) -> list[str]:
    """Write a tar file that only its owner can read; returns the names in it. Raises BadInput if
    the file exists: a backup is never overwritten."""
    if target.exists():
        raise BadInput(f"There is a file {target} already; give another name.")
    partial = target.with_name(target.name + ".part")
    try:
        names = _insist(home, partial)
        with tarfile.open(partial, "r:") as tar:
            _check(tar.getmembers(), partial)
        partial.rename(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return names


def _insist(home: Home, partial: Path) -> list[str]:
    """Write the tar file; start again if a running trainer has replaced private state meanwhile."""
    for _ in range(TRIES):
        with contextlib.suppress(FileNotFoundError):
            return _write(home, partial)
    return _write(home, partial)


def _write(home: Home, partial: Path) -> list[str]:
    partial.unlink(missing_ok=True)  # of an interrupted try
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with (
        os.fdopen(fd, "wb") as file,
        tarfile.open(fileobj=file, mode="w", dereference=True) as tar,  # links are followed
    ):
        for name in KEPT:
            if (home.root / name).exists():
                tar.add(home.root / name, name)
        for study in home.forgotten():
            _add(tar, marker_of(study), b"")
        if home.is_networked and (home.engine_path / STATE_FILE).exists():
            _add_ledger(tar, home)
        for folder in FOLDERS:
            if (home.root / folder).is_dir():
                tar.add(home.root / folder, folder, filter=_leave_partial)
        return tar.getnames()


def _leave_partial(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if entry.name.endswith((".partial", ".new")) else entry


def _add_ledger(tar: tarfile.TarFile, home: Home) -> None:
    store = Store.open(home.engine_path / STATE_FILE)
    try:
        tip, state = store.load()
        newest = store.blocks(tip.height, tip.height + 1)
    finally:
        store.close()
    if not newest:
        raise BadInput("This node has no block yet after the state it began with; try again.")
    me = get_member_of_key(state, home.key("account").public)
    others = [m for m in get_members(state) if m != me]
    known = bootstrap.pack_checkpoint(find_endpoints(others), tip.height, newest[0].block.agreed)
    _add(tar, DOORS, known)
    _add(tar, GENESIS, codec.pack(read_genesis(home.engine_path)))


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o600
    tar.addfile(entry, io.BytesIO(data))


def restore(root: Path, source: Path) -> Home:
    """Create a home from a backup, with a fresh consensus key. Raises HomeError if there is a home
    already, BadInput if the file is not a backup."""
    if (root / CONFIG).exists():
        raise HomeError(f"There is a home at {root} already; choose another --home.")
    try:
        with tarfile.open(source, "r:") as tar:
            entries = tar.getmembers()
            _check(entries, source)
            for folder in ("keys", "blobs", "state", "local", "run", "logs", "ledger"):
                (root / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
            config = b""
            for entry in entries:
                if entry.isdir():
                    (root / entry.name).mkdir(parents=True, exist_ok=True, mode=0o700)
                    continue
                content = tar.extractfile(entry)
                assert content is not None
                if entry.name == CONFIG:
                    config = content.read(MAX_CONFIG_BYTES)
                else:
                    _copy(content, root / entry.name)
        if not config or not (root / "keys" / "account.pem").exists():
            raise BadInput(f"Expected a backup at {source}, got something else.")
        made = Home(root, parse_config(config.decode("utf-8-sig"), root))
        made.key("account"), made.key("tls")
        if not made.key_path("consensus").exists():
            keys.PrivateKey().save(made.key_path("consensus"))
        ledger = made.engine_path / STATE_FILE
        if made.is_networked and (root / GENESIS).exists() and not ledger.exists():
            create_comet_ledger(made.engine_path, read_genesis_file(root / GENESIS))
        write_durably(root / CONFIG, config)  # last: it completes the home
        home = Home.open(root)
    except (tarfile.TarError, EOFError, ValueError, OverflowError, Malformed) as error:
        raise BadInput(
            f"Expected a backup at {source}, got something else ({plain(error)})."
        ) from None
    return home


def _copy(content: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    target.unlink(missing_ok=True)  # of an interrupted try
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)


def marker_of(study: str) -> str:
    """Return the name of the entry that marks a study as forgotten (see `Home.mark_forgotten`)."""
    return f"state/{study}.forgotten"


def _check(entries: list[tarfile.TarInfo], source: Path) -> None:
    known = {*KEPT, GENESIS, DOORS, *FOLDERS}
    for entry in entries:
        parts = Path(entry.name).parts
        inside = len(parts) > 1 and parts[0] in FOLDERS and ".." not in parts
        study = Path(entry.name).stem
        marks = is_study_name(study) and entry.name == marker_of(study)
        if entry.name not in known and not inside and not marks:
            raise BadInput(f"The file {source} holds {entry.name[:60]!r}, which no backup has.")
        if not entry.isfile() and not entry.isdir():
            raise BadInput(
                f"{entry.name[:60]!r} is a link, a pipe or a device: no backup has that."
            )
    if sum(entry.size for entry in entries) > MAX_BYTES:
        raise BadInput(f"The backup {source} would fill more than {MAX_BYTES >> 30} GiB.")
