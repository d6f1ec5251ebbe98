"""Recipes of a masked study in one process: trainers in threads, and sums as nodes settle them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np

from swarmhub.contract.stages import find_stage
from swarmhub.data.design import Design
from swarmhub.data.findings import Findings
from swarmhub.data.schema import Schema
from swarmhub.merge import WeightedSource, merge_modular
from swarmhub.merge.documents import merge_statistics
from swarmhub.merge.vectors import Buffer
from swarmhub.params import buffer_of
from swarmhub.privacy import MaskedSums, unmask_arrays
from swarmhub.protocol.recompute import is_met, to_sum_rule
from swarmhub.recipes import plan
from swarmhub.recipes.designing import make_design
from swarmhub.recipes.preparing import Sources, prepare
from swarmhub.recipes.registry import find_recipe
from swarmhub.recipes.site import Site
from swarmhub.train.summands import Summed, decode, encode

WAIT_S = 60.0


class Held:
    """A blob reader of one buffer."""

    def __init__(self, layout, data: bytes) -> None:
        self._layout, self._data = layout, data

    def fingerprint(self, digest):
        return SimpleNamespace(layout=self._layout.digest, nbytes=len(self._data))

    def layout(self, digest):
        return self._layout

    def source(self, digest):
        return SimpleNamespace(read_at=lambda at, n: self._data[at : at + n], close=lambda: None)


class Hall:
    """Where the trainers of a study meet: each round's arrays are settled once all have come."""

    def __init__(self, spec, count: int) -> None:
        self.spec, self.count = spec, count
        self.results: dict[str, Summed] = {}
        self.rounds: dict[str, int] = {}
        self.counts: dict[str, np.ndarray] = {}
        self.model: dict[str, np.ndarray] = {}  # after training
        self._given: dict[int, object] = {}
        self._made: object = None
        self._barrier = threading.Barrier(count, action=self._settle)
        self._settler: Callable[[list], object] = list

    def meet(self, member: int, given, settler):
        """Give something, wait for the others, and return what `settler` makes of all."""
        self._given[member], self._settler = given, settler
        self._barrier.wait(WAIT_S)
        made = self._made
        self._barrier.wait(WAIT_S)
        return made

    def abort(self) -> None:
        self._barrier.abort()

    def _settle(self) -> None:
        if self._given:
            self._made = self._settler([self._given[m] for m in sorted(self._given)])
            self._given = {}

    def add(self, name: str, arrays: list) -> Summed:
        """Settle a round of a stage of sums."""
        stage, turn = find_stage(self.spec, name), self.rounds.get(name, 0) + 1
        made = [buffer_of(encode(stage, each)) for each in arrays]
        layout = made[0][0]
        assert {t.dtype for t in layout.tensors} == {"I64"}, name
        inputs = [WeightedSource(i, 1, Buffer(bytes(d))) for i, (_, d) in enumerate(made)]
        total = Buffer(b"".join(map(bytes, merge_modular(layout, inputs))))
        sums = MaskedSums(layout, len(made), to_sum_rule(stage))
        parts = list(unmask_arrays(sums, (), total))
        assert not any(names for _, names in parts), name
        data = b"".join(bytes(chunk) for chunk, _ in parts)
        met = is_met(Held(layout, data), stage, "")
        pairs = zip(layout.tensors, layout.offsets, strict=True)
        found = {
            t.name: np.frombuffer(data, "<i8", t.count, at).reshape(t.shape) for t, at in pairs
        }
        self.rounds[name] = turn
        is_last = met or turn == stage.max_rounds
        self.results[name] = Summed(decode(stage, found), turn, is_last, met, f"{name} {turn}")
        return self.results[name]


class Attendant:
    """A trainer's session (`train.session.Swarm`) in the hall."""

    def __init__(self, hall: Hall, member: int, home) -> None:
        self.hall, self.member, self.home = hall, member, home
        self.spec, self.study, self.final, self.stage = hall.spec, hall.spec.name, "", ""
        self.enrolled, self.samples = tuple(range(1, hall.count + 1)), 1000

    def result(self, name: str):
        return self.hall.results.get(name)

    def sum(self, name: str, arrays, samples=None):
        return self.hall.meet(self.member, arrays, lambda every: self.hall.add(name, every))

    def rounds(self, parameters, measure):
        """The start, the round of training, and the evaluation of what has come of it."""
        start = self.hall.meet(self.member, {n: a.copy() for n, a in parameters.items()},
                               lambda every: every[0])  # fmt: skip
        load(parameters, start)
        turn = SimpleNamespace(number=1, rounds=1, report=lambda samples: None, local={})
        yield turn
        changes = {n: a - start[n] for n, a in parameters.items()}
        means = self.hall.meet(
            self.member, changes,
            lambda every: {n: np.mean([e[n] for e in every], axis=0) for n in every[0]},
        )  # fmt: skip
        load(parameters, {n: start[n] + means[n] for n in start})
        self.hall.model = parameters
        self.stage = plan.EVALUATION
        counts = {n: v for n, v in measure().items() if isinstance(v, np.ndarray) and v.ndim}
        self.hall.counts = self.hall.meet(
            self.member, counts, lambda every: self.hall.add(plan.EVALUATION, every).arrays
        )


def load(parameters, arrays) -> None:
    for name, array in arrays.items():
        np.copyto(parameters[name], array)


def run(spec, files, home):
    """The hall after all trainers have gone through a study's stages, each hospital's site, and
    what the trainers have said."""
    prepared = [prepare(spec, Sources(f), Findings()) for f in files]
    merged = merge_statistics({i: p.statistics for i, p in enumerate(prepared, 1)})
    design: Design = make_design(merged, spec.data, Schema.of(spec.data))
    hall, said = Hall(spec, len(files)), []
    sites = [
        Site(Attendant(hall, i, home / str(i)), p, design, said.append)
        for i, p in enumerate(prepared, 1)
    ]
    recipe = find_recipe(plan.get_model(spec))

    def one(site):
        try:
            recipe.run(site)
        except BaseException:
            hall.abort()
            raise

    with ThreadPoolExecutor(len(sites)) as pool:
        for done in [pool.submit(one, site) for site in sites]:
            done.result()
    return hall, sites, said
