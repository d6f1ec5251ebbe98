"""The privacy budget of a hospital's data, over all studies in which it makes noisy steps.

    local/STUDY/steps.json     the digests of the data that noisy steps of a study were made from

The ledger counts the steps of each study; this is the part that it cannot know. Data are told apart
by their keyed digest, and another column or patient makes other data: with `budget_per = "home"`
all studies of this home count as about the same patients.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from swarmhub import codec
from swarmhub.contract.records import SPEC
from swarmhub.contract.round.budget import get_spent
from swarmhub.contract.state import Reader
from swarmhub.errors import BadInput, TrainerError
from swarmhub.files import write_durably
from swarmhub.home.config import Config
from swarmhub.home.home import Home
from swarmhub.types import Digest, MemberId

FILE = "steps.json"
MILLION = 1_000_000
PER_DATA, PER_HOME = "data", "home"


@dataclass(frozen=True)
class Limit:
    """The most that this hospital allows over all studies on the same data; `epsilon` is infinite
    if it has set none."""

    epsilon: float = math.inf
    delta: float = 1e-5
    per: str = PER_DATA


@dataclass(frozen=True)
class Used:
    """The digests of the data of one study's noisy steps."""

    data: tuple[Digest, ...] = ()


@dataclass(frozen=True)
class Part:
    """A study's part of a budget: noisy steps so far, those that its terms allow, their noise, and
    the data that they were made from."""

    study: str
    steps: int
    allowed: int
    noise: float
    data: tuple[Digest, ...]


def read_limit(config: Config) -> Limit:
    """Return the limit of node.toml."""
    usual = Limit()
    return Limit(
        float(config.budget_epsilon or usual.epsilon),
        float(config.budget_delta or usual.delta),
        config.budget_per or usual.per,
    )


def note_use(home: Home, study: str, data: Digest) -> None:
    """Record, on disk, that noisy steps of a study are made from these data."""
    path, used = home.local_path(study) / FILE, read_used(home, study)
    if data not in used.data:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(path, codec.pack(Used((*used.data, data))), mode=0o600)


def read_used(home: Home, study: str) -> Used:
    """Return what noisy steps of a study were made from. Raises BadInput for a damaged file."""
    path = home.local_path(study) / FILE
    try:
        return codec.unpack(Used, path.read_bytes())
    except FileNotFoundError:
        return Used()
    except BadInput as error:
        raise BadInput(
            f"The file {path} is damaged ({error}); put it back from a backup, or delete it to "
            "begin a new count of this hospital's privacy budget."
        ) from None


def list_parts(home: Home, state: Reader, me: MemberId) -> list[Part]:
    """Return the studies for which this hospital has made noisy steps, by name."""
    found = []
    for path in sorted((home.root / "local").glob(f"*/{FILE}")):
        name = path.parent.name
        spec = SPEC.get(state, name)
        if spec is not None and spec.privacy.dp is not None:
            dp, steps, used = spec.privacy.dp, get_spent(state, name, me), read_used(home, name)
            found.append(Part(name, steps, dp.steps, dp.noise_millionths / MILLION, used.data))
    return found


def compute_spent(parts: Iterable[Part], delta: float) -> float:
    """Return the epsilon of all steps of these parts together."""
    from swarmhub.privacy.accounting import compute_epsilon, compute_mu  # its package loads NumPy

    return compute_epsilon(compute_mu((p.steps, p.noise) for p in parts if p.steps), delta)


def need_room(home: Home, state: Reader, me: MemberId, study: str, data: Digest) -> None:
    """Raise TrainerError if one more noisy step of a study, from these data, would exceed the limit
    of this hospital."""
    limit = read_limit(home.config)
    if math.isinf(limit.epsilon):
        return
    dp = SPEC.need(state, study).privacy.dp
    assert dp is not None
    same = [
        p for p in list_parts(home, state, me)
        if p.study == study or limit.per == PER_HOME or data in p.data
    ]  # fmt: skip
    more = Part(study, 1, dp.steps, dp.noise_millionths / MILLION, (data,))
    epsilon = compute_spent([*same, more], limit.delta)
    if epsilon > limit.epsilon:
        names = ", ".join(sorted({p.study for p in [*same, more]}))
        raise TrainerError(
            f"Expected an epsilon of at most {limit.epsilon:g} (budget_epsilon in node.toml, at "
            f"delta = {limit.delta:g}) for these data, but with one more step it is "
            f"{epsilon:.3f} over {names}; nothing was sent."
        )
