"""A swarm of two hospitals, one of which is tracked: its node is killed in the middle of a study.

Hospital 1 adds 1 a round and hospital 2 adds 3, both with 10 samples. So the merged parameter is
2 t after training round t, and the metrics are hundredths: the expected values need no ledger.
"""

from collections import defaultdict

from swarm import PROGRAMS, Network, make_spec

from swarmhub.contract.records import get_chain

ROUNDS = 8


def expected():
    """Return {name: {step: value}} of the whole study; step 1 is the round of the common start."""
    found = {}
    for step in range(1, ROUNDS + 2):
        merged = 2 * (step - 1) / 100
        for name in ("Hospital 1", "Hospital 2", "mean"):
            found.setdefault(f"merged/{name}/auc", {})[step] = merged
        found.setdefault("merged/round", {})[step] = step
        if step > 1:
            for name, add in (("Hospital 1", 1), ("Hospital 2", 3)):
                own = (2 * (step - 2) + add) / 100
                found.setdefault(f"own/{name}/auc", {})[step] = own
            found.setdefault("own/round", {})[step] = step
    return found


def run_tracked(root, track, is_begun, is_done, loses_state):
    """Run the study. The node, and with it its tracker, is killed (SIGKILL) once `is_begun`; with
    `loses_state` the tracker's file is gone at the second start. Returns the chain and the terms'
    digest."""
    with Network(root, 2) as network:
        home = network.homes[0].root
        config = home / "node.toml"
        config.write_text(config.read_text() + f'track = "{track}"\n')
        for i in (1, 2):
            network.up(i)
        network.wait_until(lambda: "training metrics go to" in network.log(1).read_text())
        network.open_study(make_spec(rounds=ROUNDS))
        for i, add in ((1, 1), (2, 3)):
            program = [PROGRAMS / "add_measured.py", "--add", add, "--pause", 0.3]
            network.train(i, program)
        network.wait_until(is_begun)
        network.children.kill("node 1")
        assert not network.study("s").is_over
        if loses_state:
            (home / "state" / "track.json").unlink()
        network.up(1)
        network.wait_until(lambda: network.study("s").is_over)
        network.wait_until(is_done)
        assert "Traceback" not in network.log(1).read_text()
        return network.read(lambda state: get_chain(state).chain_id), network.study("s").spec


def read_records(folder):
    """Return {name: [(step, value)]} of a run's event files, by the written form of TFRecord."""
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    found = defaultdict(list)
    for path in sorted(folder.glob("events.out.tfevents.*")):
        data = path.read_bytes()
        while data:
            length = int.from_bytes(data[:8], "little")
            assert int.from_bytes(data[8:12], "little") == masked_crc32c(data[:8])
            event, end = data[12 : 12 + length], 16 + length
            assert int.from_bytes(data[end - 4 : end], "little") == masked_crc32c(event)
            read, data = Event.FromString(event), data[end:]
            for value in read.summary.value:
                found[value.tag].append((read.step, value.simple_value))
    return found


def count(folder, name):
    return len(read_records(folder).get(name, []))
