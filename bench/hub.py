"""What the hub costs, and how fast its pages are.

    python bench/hub.py [--rounds 10] [--pairs 3] [--idle 30] [--chromium /usr/bin/chromium]

Prints one JSON line: milliseconds of a search among 10,000 entries of a ledger; first contentful
paint and bytes of a page in Chromium, and how long after its block a settled round is on the open
page; the share of a core of an idle node with one open page, and the hub's memory; rounds of a
model of 1 MB with the hub and three open pages against without, in alternating runs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import re
import statistics
import tempfile
import threading
import time
from pathlib import Path

from local_swarm import LocalSwarm
from meters import cpu_s, high_water_mb

from swarmhub.contract.events import Settled
from swarmhub.contract.records import Spec
from swarmhub.contract.transactions import Invite
from swarmhub.demo.processes import Processes, free_address
from swarmhub.home.card import make_card
from swarmhub.home.home import Home
from swarmhub.hub.child import SWITCH
from swarmhub.hub.process import make_link
from swarmhub.hub.read_model import ReadModel, Search
from swarmhub.keys import PrivateKey
from swarmhub.ledger import MemoryChain, sign_transaction
from swarmhub.operations.ledger_client import make_genesis

ENTRIES = 10_000
TRAINER = [str(Path(__file__).with_name("trivial_trainer.py")), "--mb", "1"]


def time_searches(root: Path) -> dict[str, float]:
    """Milliseconds of a search: by words that are rare, that all have, and of the last page."""
    home = Home.create(root / "search", "Hospital 1", free_address())
    account = home.key("account")
    chain = MemoryChain(make_genesis("bench", [make_card(home)]), account)
    model = ReadModel(lambda: {1: "Hospital 1"})
    now_ms, made = chain.tip.time_ms, 0
    while made < ENTRIES:
        now_ms += 3_600_000
        bodies = [Invite(PrivateKey().public, now_ms + 3_000_000) for _ in range(20)]
        txs = [sign_transaction(b, chain.tip.chain_id, now_ms, account) for b in bodies]
        for committed in chain.append(txs, now_ms):
            model.see(committed)
            made += len(committed.results)
    found = {}
    for name, search in (
        ("rare", Search(text="nothing has this")), ("all", Search(text="invitation")),
        ("member", Search(member=1)), ("last page", Search(page=10**6)),
    ):  # fmt: skip
        took = []
        for _ in range(9):
            began = time.perf_counter()
            model.search(search)
            took.append(1000 * (time.perf_counter() - began))
        found[name] = round(statistics.median(took), 2)
    return found


class OpenPage(threading.Thread):
    """A page as a browser has it open: it hears news, and loads itself again."""

    def __init__(self, home: Home, path: str) -> None:
        super().__init__(daemon=True)
        told = json.loads(home.run_path("hub.json").read_bytes())
        self.port, self.path, self.loads = told["port"], path, 0
        link = make_link(home)
        answer = self._ask(link[link.index("/link/") :], "")
        self.cookie = answer.getheader("Set-Cookie", "").split(";")[0]

    def _ask(self, path: str, cookie: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("GET", path, headers={"Cookie": cookie})
        return connection.getresponse()

    def run(self) -> None:
        """Listen and load until the hub ends."""
        news = self._ask("/events", self.cookie)
        with contextlib.suppress(OSError):  # the hub has ended
            while line := news.readline():
                if line.startswith(b"event: news"):
                    time.sleep(0.1)  # as the page's script does
                    self._ask(self.path, self.cookie).read()
                    self.loads += 1


async def run_rounds(root: Path, rounds: int, has_hub: bool) -> dict[str, float]:
    """Seconds and CPU seconds of a round of four nodes, with a hub and three pages or without."""
    with Processes() as children:
        spec = Spec(name="bench", rounds=rounds + 1, min_peers=4, quorum_grace_ms=120_000,
                    leader_timeout_ms=120_000)  # fmt: skip
        swarm = _Hubs(root, 4, children, has_hub)
        await swarm.start(spec, TRAINER)
        pages = []
        if has_hub:
            await _until(swarm.homes[0].run_path("hub.json").exists)
            pages = [OpenPage(swarm.homes[0], p) for p in ("/", "/studies/bench", "/ledger")]
            for page in pages:
                page.start()
        at: list[float] = []
        cpu: list[float] = []
        while len(at) < rounds + 1:
            when, event = await swarm.next_event(300)
            if isinstance(event, Settled) and event.model.kind == "train":
                at.append(when)
                cpu.append(sum(cpu_s(p) for p in _family(children)))
        await swarm.ledger.close()
        return {"s": (at[-1] - at[1]) / (rounds - 1), "cpu_s": (cpu[-1] - cpu[1]) / (rounds - 1),
                "loads": float(sum(p.loads for p in pages))}  # fmt: skip


class _Hubs(LocalSwarm):
    """A swarm of which the first node has a hub, or none."""

    def __init__(self, root: Path, nodes: int, children: Processes, has_hub: bool) -> None:
        super().__init__(root, nodes, children)
        self._has_hub = has_hub

    def start_node(self, i: int, **variables: str) -> int:
        """Start node i."""
        on = {SWITCH: "on"} if self._has_hub and i == 1 else {}
        return super().start_node(i, **{**variables, **on})


def _family(children: Processes) -> list[int]:
    """The processes, and their children (the hub)."""
    found = list(children.pids())
    for pid in list(found):
        path = Path(f"/proc/{pid}/task/{pid}/children")
        if path.exists():
            found += [int(p) for p in path.read_text().split()]
    return found


async def _until(is_true: object, timeout_s: float = 60.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not is_true():  # type: ignore[operator]
            await asyncio.sleep(0.1)


async def look(root: Path, idle_s: float, chromium: str) -> dict[str, float]:
    """First paint, bytes, the way from a block to the page, and what an idle node costs."""
    from playwright.async_api import async_playwright

    with Processes() as children:
        spec = Spec(name="bench", rounds=6, min_peers=2, quorum_grace_ms=60_000,
                    leader_timeout_ms=60_000)  # fmt: skip
        swarm = _Hubs(root, 2, children, True)
        trainer = [*TRAINER, "--pause", "2"]
        await swarm.start(spec, trainer)
        home = swarm.homes[0]
        await _until(home.run_path("hub.json").exists)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            page = await browser.new_page()
            sizes: list[int] = []

            page.on("response", lambda a: sizes.append(int(a.headers.get("content-length", 0))))
            await page.goto(make_link(home))
            await page.wait_for_timeout(500)
            first_load = sum(sizes)
            paints = []
            for path in ("/", "/studies", "/studies/bench", "/ledger", "/node"):
                link = re.sub(r"/link/.*", path, make_link(home))
                await page.goto(link)
                paint = await page.evaluate(
                    "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1"
                )
                paints.append(paint)
            await page.goto(re.sub(r"/link/.*", "/studies/bench", make_link(home)))
            delays: list[float] = []
            while len(delays) < 4:
                when, event = await swarm.next_event(120)
                if isinstance(event, Settled) and event.model.kind == "train":
                    digest = event.model.digest[:16]
                    await page.wait_for_selector(f"#result >> text={digest}", timeout=20_000)
                    delays.append(time.monotonic() - when)
            await _until(lambda: swarm.ledger.state.get("round/bench") is None)
            pids = _family(children)
            node, hub = pids[0], pids[-1]
            before = cpu_s(node) + cpu_s(hub)
            await asyncio.sleep(idle_s)
            share = (cpu_s(node) + cpu_s(hub) - before) / idle_s
            before = cpu_s(hub)
            await asyncio.sleep(idle_s)
            await browser.close()
        await swarm.ledger.close()
        return {
            "first_paint_ms_worst": round(max(paints)),
            "first_load_kb": round(first_load / 1000, 1),
            "block_to_page_s_worst": round(max(delays), 2),
            "idle_core_percent": round(100 * share, 2),
            "idle_hub_core_percent": round(100 * (cpu_s(hub) - before) / idle_s, 2),
            "hub_peak_mb": round(high_water_mb(hub), 1),
        }  # fmt: skip


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--idle", type=float, default=30.0)
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="swarmhub-hub-") as folder:
        root = Path(folder)
        found: dict[str, object] = {"search_ms": time_searches(root)}
        found |= asyncio.run(look(root / "look", options.idle, options.chromium))
        pairs = []
        for k in range(options.pairs):
            both = [asyncio.run(run_rounds(root / f"{k}{has}", options.rounds, has))
                    for has in ((True, False) if k % 2 else (False, True))]  # fmt: skip
            with_hub, without = both if k % 2 else both[::-1]
            pairs.append({"s": with_hub["s"] / without["s"], "loads": with_hub["loads"],
                          "cpu_s": with_hub["cpu_s"] / without["cpu_s"]})  # fmt: skip
        for name in ("s", "cpu_s"):
            found[f"rounds_{name}_ratio"] = round(statistics.median(p[name] for p in pairs), 3)
        found["page_loads"] = [p["loads"] for p in pairs]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
