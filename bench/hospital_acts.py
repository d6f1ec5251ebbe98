"""How each fault of `hospitals.py` comes and goes. An act runs in a thread of its own, and returns
what happened in words; it raises AssertionError if it could not be played."""

from __future__ import annotations

import contextlib
import datetime
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from bed import RELAY_PORT
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID
from hospital_bed import LOOK_S, STUDY_NAME, Hospitals
from hospital_faults import OBSERVER, Fault

from swarmhub.clock import CLOCK_VARIABLE
from swarmhub.contract.records import MOTIONS
from swarmhub.contract.round.kinds import COLLECTING, MERGING
from swarmhub.contract.transactions import Remove
from swarmhub.home.card import make_card, next_to
from swarmhub.home.home import Home
from swarmhub.home.rotation import begin_rotation

PATIENCE_S = 180.0
MERGE_LOOK_S = 0.1  # a merge of a small model is short
CLOCK_OFF_MS = 5 * 60_000
DAY = datetime.timedelta(days=1)
Act = Callable[[Hospitals, Fault], str]


def reboot(bed: Hospitals, fault: Fault) -> str:
    """Node, engine, trainer and proxies are gone, and come again."""
    bed.power_off(fault.host)
    time.sleep(fault.seconds)
    bed.power_on(fault.host)
    await_true(lambda: bool(bed.status(fault.host)))
    return f"Hospital {fault.host} rebooted, {fault.seconds} s"


def flap(bed: Hospitals, fault: Fault) -> str:
    """The link is cut for a while; connections are not told."""
    bed.cut(fault.host)
    time.sleep(fault.seconds)
    bed.heal(fault.host)
    return f"link of Hospital {fault.host} cut for {fault.seconds} s"


def expired_certificate(bed: Hospitals, fault: Fault) -> str:
    """The ledger and the home have a certificate that is over; then the keys are rotated."""
    i, home = fault.host, bed.homes[fault.host - 1]
    account = begin_rotation(home, ["tls"])
    expire(home)
    card = make_card(home, rotated=["tls"])
    bed.at_desk(i, lambda client: client.rotate(card, account))
    await_true(lambda: not next_to(home.certificate_path).exists())
    time.sleep(fault.seconds)
    bed.type(i, "consortium", "rotate-key", "tls")
    await_true(lambda: not next_to(home.certificate_path).exists())
    return f"certificate of Hospital {i} expired, and rotated after {fault.seconds} s"


def expire(home: Home) -> None:
    """Replace the certificate that a rotation has made by one that is over since a day."""
    path = next_to(home.certificate_path)
    made = x509.load_pem_x509_certificate(path.read_bytes())
    key = serialization.load_pem_private_key(next_to(home.key_path("tls")).read_bytes(), None)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "expired")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(subject, subject, made.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - 2 * DAY).not_valid_after(now - DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    signed = builder.sign(key, None)  # type: ignore[arg-type]  # an ed25519 key
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


def disk_full(bed: Hospitals, fault: Fault) -> str:
    """The home's disk has no byte left, and what the node frees is taken as well."""
    path = bed.homes[fault.host - 1].root / "filling"
    end = time.monotonic() + fault.seconds
    with path.open("ab", buffering=0) as file:
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(1 << 14))
            time.sleep(LOOK_S)
    path.unlink()
    return f"disk of Hospital {fault.host} full for {fault.seconds} s"


@contextlib.contextmanager
def changed(path: Path, mode: int) -> Iterator[None]:
    """The path with another mode, for a while."""
    before = path.stat().st_mode & 0o777
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)


def permission_error(bed: Hospitals, fault: Fault) -> str:
    """The trainer may not read its cases."""
    with changed(bed.folder(fault.host) / "cases", 0):
        await_end(bed, fault.host, fault.seconds)
    return f"no permission for the cases of Hospital {fault.host}"


def missing_files(bed: Hospitals, fault: Fault) -> str:
    """The cases are not there: a mount is lost."""
    folder = bed.folder(fault.host) / "cases"
    away = folder.rename(folder.with_name("lost"))
    await_end(bed, fault.host, fault.seconds)
    away.rename(folder)
    return f"cases of Hospital {fault.host} missing"


def unreadable_case(bed: Hospitals, fault: Fault) -> str:
    """One case of many cannot be read, until the hospital has contributed without it."""
    since = bed.length(fault.host, "trainer")
    with changed(bed.folder(fault.host) / "cases" / "case-7", 0):
        await_true(lambda: "cannot be read" in bed.said(fault.host, since, "trainer"))
        time.sleep(fault.seconds)
    return f"one case of Hospital {fault.host} unreadable"


def device_gone(bed: Hospitals, fault: Fault) -> str:
    """The trainer's device is lost, and found again."""
    device = bed.folder(fault.host) / "device"
    device.unlink()
    await_end(bed, fault.host, fault.seconds)
    device.touch()
    return f"device of Hospital {fault.host} gone"


def wrong_clock(bed: Hospitals, fault: Fault) -> str:
    """The node starts with a clock minutes off, and later with the right one."""
    i = fault.host
    bed.variables_of[i] = {CLOCK_VARIABLE: str(CLOCK_OFF_MS)}
    start_again(bed, i)
    bed.ask_doctor(i, of=i)
    time.sleep(fault.seconds)
    del bed.variables_of[i]
    start_again(bed, i)
    return f"clock of Hospital {i} {CLOCK_OFF_MS // 60_000} min off for {fault.seconds} s"


def leader_killed(bed: Hospitals, fault: Fault) -> str:
    """The leader's node dies while it merges."""
    host = await_leader(bed)
    start_again(bed, host)
    return f"leader killed: Hospital {host}"


def validator_killed(bed: Hospitals, fault: Fault) -> str:
    """A node dies while the round collects."""
    await_true(lambda: bed.place()[1] == COLLECTING)
    start_again(bed, fault.host)
    return f"node of Hospital {fault.host} killed"


def relay(bed: Hospitals, fault: Fault) -> str:
    """A hospital loses its open port and stands behind the observer's relay from now on."""
    i, home = fault.host, bed.homes[fault.host - 1]
    if "relay" not in bed.expected:
        bed.relay()
        bed.expected["relay"] = False  # not looked after: it has no fault
    home.config = replace(home.config, address=f"@{bed.address(OBSERVER)}:{RELAY_PORT}")
    home.write_config()
    card = make_card(home)
    bed.at_desk(i, lambda client: client.rotate(card, home.key("account")))
    start_again(bed, i)
    time.sleep(fault.seconds)
    bed.ask_doctor(OBSERVER, of=i)  # it is the others that see a relay
    return f"Hospital {i} behind the relay of Hospital {OBSERVER} from now on"


def idle_site(bed: Hospitals, fault: Fault) -> str:
    """Node and trainer run, and nothing comes from the next round on."""
    flag = bed.folder(fault.host) / "idle"
    flag.touch()
    number = bed.place()[0]
    await_true(lambda: bed.place()[0] > number)
    time.sleep(fault.seconds)
    flag.unlink()
    return f"Hospital {fault.host} up for {fault.seconds} s without a contribution"


def late_contribution(bed: Hospitals, fault: Fault) -> str:
    """The answer comes when the round has been settled without it."""
    flag = bed.folder(fault.host) / "late"
    flag.touch()
    number = bed.place()[0]
    await_true(lambda: bed.place()[0] > number)
    flag.unlink()
    return f"answer of Hospital {fault.host} came after the round"


def rotation(bed: Hospitals, fault: Fault) -> str:
    """All keys of a hospital are replaced in the middle of a round."""
    bed.type(fault.host, "consortium", "rotate-key", "--all")
    path = next_to(bed.homes[fault.host - 1].certificate_path)
    await_true(lambda: not path.exists())
    return f"all keys of Hospital {fault.host} rotated"


def removal(bed: Hospitals, fault: Fault) -> str:
    """The others vote a hospital out; its trainer then ends for good."""
    for name in (f"node {fault.host}", f"trainer {fault.host}"):
        bed.expected[name] = False
    bed.at_desk(OBSERVER, lambda client: client.submit(Remove(fault.host)))
    vote(bed, [i for i in find_members(bed) if i not in (OBSERVER, fault.host)],
         lambda: f"Hospital {fault.host}" not in bed.members(OBSERVER))  # fmt: skip
    time.sleep(LOOK_S)
    return f"Hospital {fault.host} removed"


def newcomer(bed: Hospitals, fault: Fault) -> str:
    """A hospital joins by invitation, is voted in, enrols and trains."""
    i = bed.join(token_of=OBSERVER)
    bed.up(i)
    vote(bed, find_members(bed), lambda: f"Hospital {i}" in bed.members(OBSERVER))
    await_true(lambda: f"Hospital {i}" in bed.members(i))

    async def enrol(client) -> None:  # type: ignore[no-untyped-def]
        await client.approve(STUDY_NAME)
        await client.enrol(STUDY_NAME, bed.sites[i - 1].samples)

    bed.at_desk(i, enrol)
    bed.train(i)
    return f"Hospital {i} joined"


ACTS: dict[str, Act] = {
    "reboot": reboot, "reboot_of_the_largest": reboot,
    "flap": flap, "long_flap": flap, "flap_of_the_largest": flap,
    "expired_certificate": expired_certificate, "disk_full": disk_full,
    "permission_error": permission_error, "missing_files": missing_files,
    "unreadable_case": unreadable_case, "device_gone": device_gone, "wrong_clock": wrong_clock,
    "leader_killed": leader_killed, "validator_killed": validator_killed, "relay": relay,
    "idle_site": idle_site, "late_contribution": late_contribution, "rotation": rotation,
    "removal": removal, "newcomer": newcomer,
}  # fmt: skip


def await_true(true: Callable[[], bool], every_s: float = LOOK_S) -> None:
    """Look until it holds."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, f"it did not come within {PATIENCE_S:.0f} s"
        time.sleep(every_s)


def await_end(bed: Hospitals, i: int, seconds: float) -> None:
    """Wait until host i's trainer has failed, and so many seconds more."""
    before = bed.restarts.get(f"trainer {i}", 0)
    await_true(lambda: bed.restarts.get(f"trainer {i}", 0) > before)
    time.sleep(seconds)


def start_again(bed: Hospitals, i: int) -> None:
    """Kill host i's node and wait until the supervisor has it up again."""
    name = f"node {i}"
    before = bed.restarts.get(name, 0)
    bed.children.signal(name, signal.SIGKILL)
    await_true(lambda: bed.restarts.get(name, 0) > before)
    await_true(lambda: bool(bed.status(i)))


def await_leader(bed: Hospitals) -> int:
    """Wait until another one than the observer merges; returns it."""
    found = [0]

    def look() -> bool:
        found[0] = bed.leader() if bed.place()[1] == MERGING else 0
        return found[0] not in (0, OBSERVER)

    await_true(look, MERGE_LOOK_S)
    return found[0]


def find_members(bed: Hospitals) -> list[int]:
    """The hosts whose hospitals are members."""
    return [i for i, h in enumerate(bed.homes, 1) if h.config.name in bed.members(OBSERVER)]


def vote(bed: Hospitals, voters: list[int], is_done: Callable[[], bool]) -> None:
    """Vote for the newest open motion until it is carried; who is away is passed over."""
    (*_, motion) = MOTIONS.need(bed.state(OBSERVER)).open
    for i in voters:
        if is_done():
            return
        with contextlib.suppress(Exception):
            bed.at_desk(i, lambda client: client.vote(motion, True))
    await_true(is_done)
