"""A process with a handle of its own on a ledger: path, name of the writer, number of writes."""

import asyncio
import sys
import time
from pathlib import Path

from builders import START_MS, key
from ledger_tools import WAIT_S, change, signed

from swarmhub.ledger import SqliteLedger
from swarmhub.ledger.sqlite import driver

driver.SAFETY_LOOK_S = 1e6
LIFE = time.time_ns() // 1_000_000 - START_MS + 600_000
path, who, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])


async def main():
    ledger = await SqliteLedger.open(path, key(who))
    changed = asyncio.Event()
    seen = []
    ledger.subscribe(lambda c: (seen.append(c.height), changed.set()))
    start = ledger.tip.height
    print("open", flush=True)
    sys.stdin.readline()
    for i in range(count):
        tx = signed(ledger, change(f"{who}-{i}"), who, expires_in_ms=LIFE)
        result = await (await ledger.submit(tx)).result(WAIT_S)
        assert result.ok, result
    print("written", flush=True)
    line = await asyncio.to_thread(sys.stdin.readline)
    while ledger.tip.height < int(line):
        changed.clear()
        await asyncio.wait_for(changed.wait(), WAIT_S)
    assert seen == list(range(start + 1, ledger.tip.height + 1)), seen
    print(ledger.tip.height, ledger.tip.head, ledger.state.app_hash.hex(), flush=True)
    await ledger.close()


asyncio.run(main())
