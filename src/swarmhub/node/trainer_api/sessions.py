"""The attached trainers: one for each study, with a lease, a fence and a path for its answer.

A trainer holds a lock on `run/<study>.lease`, which the kernel releases when it dies; each
attachment raises the fence, so requests of a stale trainer are refused.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from swarmhub import codec
from swarmhub.contract.records import SPEC, STUDY, Member, Study
from swarmhub.contract.results import get_results
from swarmhub.contract.round.checks import STATISTICS_LAYOUT
from swarmhub.errors import BadInput, FenceError, NotNow, TrainerError
from swarmhub.files import lock
from swarmhub.home.rotation import is_renewing
from swarmhub.node.layouts import find_unlike
from swarmhub.node.news import ANY_STUDY
from swarmhub.node.services import Services
from swarmhub.node.status import Status
from swarmhub.node.studies import Studies
from swarmhub.node.trainer_api.messages import NextTask
from swarmhub.protocol import LocalState, TrainingTask, assign
from swarmhub.protocol.collect import get_needed

API_BEHIND_S = 1.5  # a block without a notification is found within a second

log = logging.getLogger("swarmhub.trainer")


class Sessions:
    """The sessions of this hospital's trainers."""

    def __init__(self, services: Services, studies: Studies, status: Status) -> None:
        self._services, self._studies, self._status = services, studies, status
        self._fences: dict[str, int] = {}
        self._drops: dict[str, Path] = {}  # path for the next answer of a study's trainer

    # leases and fences

    def notice_gone_trainers(self) -> None:
        """Note and log the trainers that have died."""
        for study, driver in self._studies.drivers.items():
            if driver.local.attached and not self.is_leased(study):
                driver.local.attached = False
                found = STUDY.get(self._services.state, study)
                if found is not None and found.status == "running":
                    log.warning("the trainer of '%s' is gone; start it again to go on", study)

    def is_leased(self, study: str) -> bool:
        """Return whether a trainer of the study is running."""
        taken = lock(self._services.home.run_path(f"{study}.lease"))
        if taken is None:
            return True
        taken.close()
        return False

    def need_fence(self, study: str, fence: int) -> None:
        """Raise FenceError if the request comes from a stale trainer."""
        if fence != self._fences.get(study):
            raise FenceError(
                f"Another trainer has attached to '{study}' since; this one must stop."
            )

    # studies

    def need_study(self, name: str) -> Study:
        """Return a study in which this node is enrolled. Raises BadInput if it is not."""
        study = STUDY.get(self._services.state, name)
        if study is None:
            raise BadInput(
                f"There is no study '{name[:60]}' on the ledger (any more: a proposal that "
                "nobody starts lapses); check its name."
            )
        me = self._need_me()
        if study.samples_of(me.id) is None:
            raise BadInput(
                f"This node is not enrolled in '{name}'; run 'swarmhub study enrol {name}' first."
            )
        if study.is_over and self._services.home.is_forgotten(name):
            raise BadInput(f"'{name}' is over, and this hospital has forgotten its models.")
        return study

    def _need_me(self) -> Member:
        """Return this hospital's record. Raises BadInput if it is no member, NotNow if it is one
        under new keys, with which the node starts again."""
        services = self._services
        me = services.me()
        if me is None and is_renewing(services.home, services.state):
            raise NotNow("The node has new keys, and starts again with them.")
        if me is None:
            raise BadInput(self._status.standing().said)
        return me

    async def _await_study(self, name: str) -> Study:
        """Return the study; if it is not known here, wait, since this node may be a block
        behind."""
        loop = asyncio.get_running_loop()
        end = loop.time() + API_BEHIND_S
        while True:
            try:
                return self.need_study(name)
            except BadInput:
                left = end - loop.time()
                if left <= 0:
                    raise
                await self._services.news.wait(ANY_STUDY, left)

    async def forget(self, name: str) -> dict[str, Any]:
        """Delete the data of a study that is over, or left; returns bytes and files."""
        loop = asyncio.get_running_loop()
        end = loop.time() + API_BEHIND_S
        while not self._may_forget(name):  # this node may be a block behind the command
            if loop.time() > end:
                raise BadInput(f"The study '{name[:60]}' is not over.")
            await self._services.news.wait(ANY_STUDY, end - loop.time())
        if self.is_leased(name):
            raise BadInput(f"A trainer of '{name}' is running; stop it first.")
        self._fences.pop(name, None)
        if name in self._drops:
            self._drops.pop(name).unlink(missing_ok=True)
        removed = await self._studies.forget(name)
        return dict(codec.to_json(removed))

    def _may_forget(self, name: str) -> bool:
        study, me = STUDY.get(self._services.state, name), self._services.me()
        if study is None:
            return False
        return study.is_over or me is None or study.samples_of(me.id) is None

    # attachment

    async def attach(self, name: str) -> dict[str, Any]:
        """Attach a trainer that has the study's lease; returns its fence and the terms."""
        study = await self._await_study(name)
        if not self.is_leased(study.name):
            raise TrainerError("A trainer takes the study's lease before it attaches.")
        self._fences[study.name] = self._fences.get(study.name, 0) + 1
        if study.name in self._studies.drivers:  # a new trainer may try again
            driver = self._studies.drivers[study.name]
            driver.local.answer_refused, driver.left_out = "", None
        spec = SPEC.need(self._services.state, study.name)
        self._ask_again(study.name)
        self._note_attached(study.name)
        me = self._services.me()
        return {
            "fence": self._fences[study.name],
            "spec": codec.to_json(spec),
            "samples": study.samples_of(me.id) if me else None,
            "member": me.id if me else 0,
            "enrolled": sorted(e.member for e in study.enrolled),
        }

    def _ask_again(self, study: str) -> None:
        """Drop the answer before the first round, if others have refused its layout, so that a
        restarted trainer may send another model. Else the model stays: it may have been offered
        already."""
        driver = self._studies.drivers.get(study)
        if driver is not None and find_unlike(self._services.state, driver.local) is not None:
            driver.take_back()

    def _note_attached(self, study: str) -> None:
        driver = self._studies.drivers.get(study)
        if driver is not None and not driver.local.attached:
            driver.local.attached = True
            driver.react()

    # tasks

    async def find_next(self, name: str, ask: NextTask) -> dict[str, Any]:
        """Return the next task once there is one; "waiting" if the time is up, or "over" with the
        last model."""
        study = self.need_study(name)
        self.need_fence(study.name, ask.fence)
        services, loop = self._services, asyncio.get_running_loop()
        end = loop.time() + min(float(ask.wait_s), 60.0)
        while True:
            study = self.need_study(name)
            left = end - loop.time()
            driver = self._studies.drivers.get(study.name)
            if driver is not None and driver.left_out is not None:
                refused = await asyncio.shield(driver.left_out)
                driver.left_out = None
                return {"state": "waiting", "for": "", "refused": refused}
            if study.is_over:
                needed = [m.digest for m in get_needed(services.state, study)]
                if all(digest in services.blobs for digest in needed) or left <= 0:
                    last = {**self._model_of(study), "layout_path": await self._layout_path(study)}
                    results = await self._describe_results(study)
                    return {"state": "over", "why": study.status, **last, "results": results}
                await services.news.wait(study.name, left)  # the last model is on its way
                continue
            self._note_attached(study.name)
            task = assign(services.state, driver.local) if driver else None
            if task is not None and driver is not None:
                driver.pace.begin(task.number, loop.time())
                return await self._describe_task(study, task, driver.local)
            sentence = await self._describe_unlike(study, driver.local) if driver else ""
            results = await self._describe_results(study)
            is_settled = any(r["number"] >= ask.result_of for r in results.values())
            if left <= 0 or services.stopping.is_set() or (ask.result_of and is_settled):
                waits = sentence or self._status.say_wait(study.name)
                return {"state": "waiting", "for": waits, "results": results}
            await services.news.wait(study.name, left if driver else min(left, 0.1))

    async def _describe_task(
        self, study: Study, task: TrainingTask, local: LocalState
    ) -> dict[str, Any]:
        blobs = self._services.blobs
        files = {
            "model_path": str(blobs.path(task.model)) if task.model else "",
            "layout_path": await self._layout_path(study),
            "drop": str(self._new_drop(study.name, task.base)),
            "refused": local.answer_refused,
            "results": await self._describe_results(study),
        }
        return {"state": "task", **codec.to_json(task), **files}

    async def _describe_results(self, study: Study) -> dict[str, dict[str, Any]]:
        """Return the settled results of the study's stages that are held here, with their files."""
        services, found = self._services, {}
        for name, result in get_results(services.state, study.name).items():
            if result.digest not in services.blobs:
                continue
            is_document = result.layout == STATISTICS_LAYOUT
            layout = "" if is_document else await services.layouts.find_document(study, result)
            path = str(services.blobs.path(result.digest))
            files = {"path": path, "layout_path": str(layout or "")}
            found[name] = {**codec.to_json(result), **files}
        return found

    async def _describe_unlike(self, study: Study, local: LocalState) -> str:
        """Return a sentence on another member's model that differs from the one here, "" if none
        does. Raises TrainerError if the study cannot start because of it."""
        unlike = find_unlike(self._services.state, local)
        sentence = await self._services.layouts.describe(unlike) if unlike else ""
        if unlike and unlike.stops:
            said = f"'{study.name}' cannot start: {sentence}"
            self._services.problems.report_trouble(said)
            raise TrainerError(sentence)
        return sentence

    def _model_of(self, study: Study) -> dict[str, str]:
        """Return the last settled model of a study that is over."""
        blobs, model = self._services.blobs, study.current
        if model is None or model.digest not in blobs:
            return {"model": "", "model_path": "", "layout": ""}
        path = str(blobs.path(model.digest))
        return {"model": model.digest, "model_path": path, "layout": model.layout}

    async def _layout_path(self, study: Study) -> str:
        if study.current is None:
            return ""
        return str(await self._services.layouts.find_document(study, study.current) or "")

    # files of answers

    def _new_drop(self, study: str, base: str) -> Path:
        """Return a new path for an answer. A file that a dead trainer left at the previous one is
        deleted."""
        blobs = self._services.blobs
        if study in self._drops:
            self._drops[study].unlink(missing_ok=True)
        self._drops[study] = blobs.incoming(blobs.fingerprint(base).nbytes if base else 0)
        return self._drops[study]

    def take_drop(self, study: str, path: Path | None) -> None:
        """Note that the file at the path for an answer is the node's now."""
        if path is not None and self._drops.get(study) == path:
            del self._drops[study]
