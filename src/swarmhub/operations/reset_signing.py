"""Re-enable a validator's signing if its signing state is lost or old and cannot be restored: write
a state that is ahead of every existing block.

A validator signs block h + 1 when it has block h. So if h is the newest block of all, its key has
signed nothing above h + 1, and a state that begins there forbids everything that is decided. Its
signatures on block h + 1 itself are unknown. With one to three validators that does no harm
beyond this key: no such block comes without all of them, and the others remember what they signed.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from swarmhub.contract.records import Member, get_chain, get_member_of_key, get_members
from swarmhub.contract.state import State
from swarmhub.errors import BadInput, PeerError, plain
from swarmhub.home.head import load_head_if_whole
from swarmhub.home.home import Home
from swarmhub.home.ledgers import find_credible_height
from swarmhub.ledger.cometbft.settings import STATE_FILE
from swarmhub.ledger.cometbft.signing import SIGNED_FILE, Signing, read_height, write_height
from swarmhub.ledger.cometbft.store import Store
from swarmhub.operations.doctor import make_client

ASK_S = 5.0


@dataclass(frozen=True)
class Outlook:
    """The heights that a reset depends on: what the file knows (`known`), the newest block here, at
    the other members that answer, and of all (`newest`)."""

    known: int
    is_damaged: bool
    here: int
    told: dict[str, int]  # by members' names
    newest: int
    validators: int

    @property
    def is_needed(self) -> bool:
        """Whether a block exists that the file does not cover, or the file cannot be read."""
        return self.is_damaged or self.known < self.newest

    @property
    def height(self) -> int:
        """The first height that the validator would sign."""
        return max(self.known, self.newest + 1)

    @property
    def is_held(self) -> bool:
        """Whether a member that answers, or this home, has the newest block."""
        return self.newest <= max(self.here, *self.told.values(), 0)


async def look_ahead(home: Home, seen: int = 0) -> Outlook:
    """Find the newest block, of this home and of the other members; `seen` is the newest that
    operators of silent members report (0: none asked). Raises BadInput if this home has no vote, or
    a validator does not answer and `seen` is 0."""
    if not home.is_networked:
        raise BadInput("This ledger is a file of one machine: its nodes vote on no blocks.")
    store = Store.open(home.engine_path / STATE_FILE)
    try:
        tip, state = store.load()
        signing = Signing(home.engine_path, home.key("consensus").public, store)
    finally:
        store.close()
    me = get_member_of_key(state, home.key("account").public)
    if me is None or not me.power or me.consensus != home.key("consensus").public:
        raise BadInput(
            "The consensus key of this home has no vote on the ledger, so it signs no blocks; "
            "'swarmhub status' beside the running node says what it is."
        )
    known, is_damaged = 0, False
    try:
        known = read_height(signing.path)
    except (FileNotFoundError, BadInput):
        is_damaged = True
    told = await _ask(home, state, me)
    validators = [m for m in get_members(state) if m.power]
    silent = [m.name for m in validators if m.id != me.id and m.name not in told]
    if silent and not seen:
        raise BadInput(
            f"Expected the newest block of every other validator, but {', '.join(silent)} does not "
            "answer; start it, or ask its people ('swarmhub status' shows the block) and give "
            "--seen HEIGHT."
        )
    head = load_head_if_whole(home)
    credible = find_credible_height(list(told.values()), len(validators))
    newest = max(tip.height, signing.newest, head[0] if head else 0, credible, seen)
    return Outlook(known, is_damaged, tip.height, told, newest, len(validators))


async def _ask(home: Home, state: State, me: Member) -> dict[str, int]:
    """Return the heights of the other members that answer, by name."""
    client, chain = make_client(home, state), get_chain(state).chain_id
    others = [m for m in get_members(state) if m.id != me.id and m.tls]

    async def ask(member: Member) -> int | None:
        try:
            async with asyncio.timeout(ASK_S):
                return await client.height(member.id, chain)
        except (PeerError, TimeoutError):
            return None

    try:
        heights = await asyncio.gather(*[ask(m) for m in others])
    finally:
        await client.close()
    return {m.name: h for m, h in zip(others, heights, strict=True) if h is not None}


def reset(home: Home, outlook: Outlook) -> None:
    """Set a stopped node's validator to sign from `outlook.height` on."""
    write_height(home.engine_path / SIGNED_FILE, outlook.height)


def say_danger(found: Outlook) -> list[str]:
    """Return what signing again would mean, for a person before they agree to it."""
    file = "damaged or gone" if found.is_damaged else f"of block {found.known}"
    told = "".join(f"; {name}: block {height}" for name, height in found.told.items())
    said = [
        plain(f"The file of what was signed is {file}. Here: block {found.here}{told}."),
        f"This node would sign from block {found.height} on. If another process with its "
        "consensus key runs (a copy of this home, an old machine), both sign, and the key "
        "loses its vote: switch it off for good.",
    ]
    if not found.is_held:
        said.append(
            f"No member that answers has block {found.newest}: if it is lost, the ledger "
            "stands still after this, and 'swarmhub consortium restart' goes on."
        )
    if found.validators > 3:
        said.append(
            f"With {found.validators} validators there is a way without this danger: start "
            "the node and type 'swarmhub consortium rotate-key consensus'."
        )
    return said
