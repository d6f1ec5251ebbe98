"""The tasks of a trainer: asked of its node, and answered.

One object for each session: it holds the lease and the fence, repeats requests over a restart of
the node, reads the settled results that come with each answer, and gives documents on the way.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from swarmhub import codec
from swarmhub.contract.records import Spec
from swarmhub.contract.round.kinds import DESCRIBE
from swarmhub.contract.stages import get_stages
from swarmhub.contract.study.lifecycle import compute_spec_digest
from swarmhub.errors import FenceError, TrainerError
from swarmhub.failpoints import failpoint
from swarmhub.files import held, lock
from swarmhub.train.client import NodeClient
from swarmhub.train.figures import to_micro
from swarmhub.train.notices import Notices

SOFTWARE = ("swarmhub", "numpy", "pandas", "torch", "scikit-learn")  # named if installed
WAIT_S = 20
MISSED_TRIES, MISSED_PAUSE_S = 20, 0.1
LEASE_TRIES, LEASE_PAUSE_S = 5, 0.02


class Tasks:
    """The tasks of one study at one node. Raises TrainerError if another trainer holds it."""

    def __init__(
        self, study: str, home: Path, document: bytes | None, client: NodeClient, notices: Notices
    ) -> None:
        self.study, self.notices = study, notices
        self.merged_statistics: bytes | None = None  # the newest merged document
        self.results: dict[str, dict[str, Any]] = {}  # settled results, by stage
        self.software = describe_software()  # goes with each answer
        self.data_digest = ""  # keyed; goes with each answer
        self.stage = ""  # of the newest task
        self.document, self._document_read = document, ""  # this site's statistics
        self._client = client
        self._missed: list[str] = []  # files of the node, once for each time they were missing
        self._lease = take_lease(home, study)
        try:
            self._fence, self.samples, self.member = 0, 0, 0
            self.enrolled: tuple[int, ...] = ()
            self.spec = self._attach()  # the study's terms
            self._terms = compute_spec_digest(self.spec)
        except BaseException:
            self.close()
            raise

    def _attach(self) -> Spec:
        found = self._client.post(f"/v1/studies/{self.study}/attach", {"pid": os.getpid()})
        self._fence = int(found["fence"])
        self.samples = int(found["samples"])  # declared at enrolment: the maximum weight of a round
        self.member = int(found["member"])
        self.enrolled = tuple(map(int, found["enrolled"]))
        return codec.from_json(Spec, found["spec"])

    def close(self) -> None:
        """Release the study; it can be joined again."""
        self._client.close()
        self._lease.close()

    def look(self) -> None:
        """Read the results as of now."""
        self._note(self._post_next(0, 0))

    def next(self, result_of: int = 0) -> dict[str, Any]:
        """Return the next task, or "over"; "waiting" as soon as the result of the round `result_of`
        is settled, if there is no task then. Documents are given on the way. Raises TrainerError
        if the node has refused the last answer, or the terms were amended."""
        while True:
            task = self._post_next(WAIT_S, result_of)
            if task.get("refused"):
                raise TrainerError(str(task["refused"]))
            self._note(task)
            if task["state"] == "task" and task["spec"] != self._terms:
                raise TrainerError(
                    f"The terms of '{self.study}' were amended; read them ('swarmhub study show "
                    f"{self.study}'), then start the trainer again."
                )
            if task["state"] == "task":
                self.stage = str(task["stage"])
            if task["state"] == "task" and task["kind"] == DESCRIBE:
                self._give_statistics(task)
                continue
            if not self._read_documents():
                continue
            is_settled = any(r["number"] >= result_of for r in self.results.values())
            if task["state"] != "waiting" or (result_of and is_settled):
                self.notices.goes_on()
                return task
            if task.get("for"):
                self.notices.waiting(str(task["for"]))

    def _post_next(self, wait_s: int, result_of: int) -> dict[str, Any]:
        while True:
            body = {"fence": self._fence, "wait_s": wait_s, "result_of": result_of}
            try:
                return self._client.post(f"/v1/studies/{self.study}/next", body)
            except FenceError:
                self._attach()  # the node was restarted and knows no fence; the lease is ours

    def _note(self, task: Mapping[str, Any]) -> None:
        self.results = {**self.results, **task.get("results", {})}

    def _read_documents(self) -> bool:
        """Read the merged document of the newest `describe` stage; False if it is gone."""
        names = [s.name for s in get_stages(self.spec) if s.kind == DESCRIBE]
        known = [self.results[name] for name in names if name in self.results]
        if not known or known[-1]["digest"] == self._document_read:
            return True
        if not self.read(known[-1]["path"], self._take_statistics):
            return False
        self._document_read = str(known[-1]["digest"])
        return True

    def read(self, path: str, read: Callable[..., None], *given: Any) -> bool:
        """Read a file of the node, if there is one; False if the node has deleted it. Raises
        TrainerError if it is missing although the node names it again and again."""
        try:
            if path:
                read(Path(path), *given)
            return True
        except FileNotFoundError:
            self._missed = [*self._missed, path] if path in self._missed else [path]
            if len(self._missed) < MISSED_TRIES:
                time.sleep(MISSED_PAUSE_S)
                return False
        raise TrainerError(
            f"Expected the node's file {path}, it is gone; start the node again: it looks at its "
            "files then, and fetches what it lacks from the other members."
        )

    def _take_statistics(self, path: Path) -> None:
        with held(path) as file:
            self.merged_statistics = file.read()

    def _give_statistics(self, task: dict[str, Any]) -> None:
        if self.document is None:
            raise TrainerError(
                f"'{self.study}' merges statistics first; give join(statistics=...) this site's."
            )
        Path(task["drop"]).write_bytes(self.document)
        try:
            rows = int(json.loads(self.document)["rows"])
        except (ValueError, TypeError, KeyError):
            rows = 1  # the node reports what is wrong with it
        self.answer(task, samples=max(1, rows))

    def answer(
        self,
        task: dict[str, Any],
        samples: int,
        layout: Any = None,
        metrics: Mapping[str, float] | None = None,
        own: Mapping[str, float] | None = None,
        write: Callable[[Path], object] | None = None,
    ) -> str:
        """Give an answer to a task; return "taken", or "late" if the task is over. A node that was
        started again meanwhile has lost the answer's file: if the task is still there, `write`
        writes it anew, so that nothing has to be trained twice."""
        evaluations = []
        named = {k: v for k, v in (metrics or {}).items() if k != "samples"}
        if metrics and named:
            measured_on = int(metrics.get("samples", samples))
            evaluated = {"digest": task["base"], "samples": measured_on, "metrics": to_micro(named)}
            evaluations.append(evaluated)
        body = {
            "fence": self._fence,
            "number": task["number"],
            "base": task["base"],
            "path": task["drop"] if layout is not None or task["kind"] == DESCRIBE else "",
            "layout": layout,
            "samples": samples,
            "evaluations": evaluations,
            "own_metrics": to_micro(own or {}),
            "provenance": {"software": self.software, "data": self.data_digest},
        }
        failpoint("trainer.written")
        while True:
            try:
                found = self._client.post(f"/v1/studies/{self.study}/answer", body)
                failpoint("trainer.answered")
                return str(found.get("state", "taken"))
            except FenceError:
                self._attach()  # a restarted node knows no fence
            drop = self._find_drop(task)
            if drop is None or write is None:
                return "late"
            write(drop)
            body = {**body, "fence": self._fence, "path": str(drop)}

    def _find_drop(self, task: Mapping[str, Any]) -> Path | None:
        """Return the path for an answer to a task that a restarted node has given before; None if
        it does not give it again."""
        now = self._post_next(WAIT_S, 0)
        same = all(now.get(key) == task[key] for key in ("number", "base", "spec"))
        return Path(now["drop"]) if now["state"] == "task" and same else None


def describe_software() -> str:
    """Return names and versions of what computes an answer."""
    found = [f"Python {platform.python_version()}"]
    for name in SOFTWARE:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append(f"{name} {importlib.metadata.version(name)}")
    return ", ".join(found)[:200]


def take_lease(home: Path, study: str) -> IO[Any]:
    """Return the lock of a study's trainer. Raises TrainerError if another process has it."""
    for _ in range(LEASE_TRIES):  # the node locks it briefly to see whether it is free
        lease = lock(home / "run" / f"{study}.lease")
        if lease is not None:
            return lease
        time.sleep(LEASE_PAUSE_S)
    raise TrainerError(f"Another trainer holds '{study}' on {home}; stop it first.")
