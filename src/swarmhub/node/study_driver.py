"""The driver of one study: keeps the effects under way that the protocol asks for.

After every observation `react` asks the protocol which effects should be under way, starts the
missing ones, and cancels those that are no longer requested (a reconcile loop). Every effect ends
in an observation that is noted; then it reacts again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from swarmhub.contract.events import LeftOut
from swarmhub.contract.records import ROUND, STUDY
from swarmhub.errors import (
    BlobError,
    LedgerError,
    MaskError,
    MergeError,
    PeerError,
    TrainerError,
)
from swarmhub.node.effect_runner import EffectRunner, RetryLater
from swarmhub.node.pace import Pace
from swarmhub.node.position import Position
from swarmhub.node.services import Services
from swarmhub.node.waits import find_spent
from swarmhub.protocol import (
    Effect,
    LocalState,
    Observation,
    PreparedContribution,
    Pull,
    PullStopped,
    Wake,
    decide,
)

FAILED_PAUSE_MS = 3_000
AGAIN_S = FAILED_PAUSE_MS / 1000

log = logging.getLogger("swarmhub.protocol")


class StudyDriver:
    """The driver of one study at one node. `sweep` is called at each new round."""

    def __init__(self, services: Services, local: LocalState, sweep: Callable[[], None]) -> None:
        self.local = local
        self._services, self._sweep = services, sweep
        self._position = Position()
        self._runner = EffectRunner(services, local, self._position, self.learn)
        self._under_way: dict[Effect, asyncio.Task[None]] = {}
        self._failed: dict[Effect, int] = {}  # time (ms): tried again after a pause
        self._timer: asyncio.TimerHandle | None = None
        self._scheduled = False
        self._sight: object = None
        # why the trainer's last answer was left out, until the trainer hears it
        self.left_out: asyncio.Task[str] | None = None
        self.pace = Pace()  # of the trainer

    @property
    def study(self) -> str:
        return self.local.study

    def learn(self, event: Observation) -> None:
        """Note an observation, then react."""
        self.local.learn(event, self._services.now_ms())
        self.react()

    def react(self) -> None:
        """Schedule another decision; several causes at once make one decision."""
        if not self._scheduled and not self._position.closed:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._react)

    def _react(self) -> None:
        self._scheduled = False
        if self._position.closed:
            return
        self._follow_round()
        effects = decide(self._services.state, self.local, self._services.now_ms())
        wanted = {w for w in effects if not isinstance(w, Wake) and not self._has_just_failed(w)}
        for gone in [e for e in self._under_way if e not in wanted and isinstance(e, Pull)]:
            self._under_way.pop(gone).cancel()
        for effect in wanted:
            if effect not in self._under_way:
                task = asyncio.create_task(self._carry_out(effect))
                self._under_way[effect] = task
        self._set_timer(min((w.at_ms for w in effects if isinstance(w, Wake)), default=0))
        self._tell_waiters()
        problem = find_spent(self._services.state, self.study, self.local.me)
        self._services.problems.update(f"budget/{self.study}", problem)

    def _tell_waiters(self) -> None:
        """Wake the open requests of the trainer and the peers if their subject has changed."""
        state, local = self._services.state, self.local
        study, r = STUDY.get(state, self.study), ROUND.get(state, self.study)
        sight = (study, r, local.prepared, len(local.held), len(local.merged))
        if sight != self._sight:
            self._sight = sight
            self._services.news.pulse(self.study)

    def _follow_round(self) -> None:
        r, at = ROUND.get(self._services.state, self.study), self._position
        number = r.number if r else at.number + at.is_open
        at.is_open = r is not None
        if number == at.number and r is not None and r.revision != at.revision:
            self.local.begin_revision()
            for pull in [e for e in self._under_way if isinstance(e, Pull)]:
                self._under_way.pop(pull).cancel()  # it restarts with the present holders
        at.revision = r.revision if r else 0
        if number != at.number:
            at.number = number
            self.local.forget_before(number)
            study = STUDY.get(self._services.state, self.study)
            is_open = r is not None or study is None or study.status == "running"
            self._runner.forget_before(number, is_open)
            self._failed.clear()
            self._sweep()

    def explain_left_out(self, event: LeftOut) -> None:
        """Take the trainer's answer back, which was left out of a round, and say what is
        different."""
        prepared = self.local.prepared
        if prepared is not None and (prepared.number, prepared.layout) == (
            event.number, event.layout,
        ):  # fmt: skip
            self._services.journal.drop_prepared(self.study)
            self.local.prepared = None
        self.left_out = asyncio.create_task(self._explain(event))
        self._services.news.pulse(self.study)

    async def _explain(self, event: LeftOut) -> str:
        sentence = await self._services.layouts.describe_left_out(event)
        self._services.problems.report(f"'{self.study}': {sentence}")
        return sentence

    def _set_timer(self, at_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at_ms:
            delay = max(0.001, (at_ms - self._services.now_ms()) / 1000)
            self._timer = asyncio.get_running_loop().call_later(delay, self.react)

    async def close(self) -> None:
        """Cancel all effects."""
        self._position.closed = True
        self._set_timer(0)
        tasks: list[asyncio.Task[Any]] = [*self._under_way.values()]
        tasks += [self.left_out] if self.left_out else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _note_failure(self, effect: Effect) -> None:
        """Note a failure of this machine (e.g. a full disk), not of a peer: retry after a pause."""
        if isinstance(effect, Pull):
            self.local.learn(PullStopped(effect.digest), self._services.now_ms())
        self._failed[effect] = self._services.now_ms()
        asyncio.get_running_loop().call_later(AGAIN_S + 0.01, self.react)

    def _has_just_failed(self, effect: Effect) -> bool:
        at_ms = self._failed.get(effect)
        return at_ms is not None and self._services.now_ms() < at_ms + FAILED_PAUSE_MS

    # effects

    async def _carry_out(self, effect: Effect) -> None:
        try:
            await self._runner.carry_out(effect)
        except asyncio.CancelledError:
            raise
        except RetryLater:
            self._note_failure(effect)
        except (BlobError, MaskError, MergeError, LedgerError, TrainerError) as error:
            self._note_failure(effect)
            self._services.problems.report_trouble(str(error))
        except PeerError as error:  # the others are away: no fault here
            self._note_failure(effect)
            self._services.problems.report_trouble(str(error), logging.WARNING)
        except OSError as error:
            self._note_failure(effect)
            self._services.problems.report_shortage(error, self._services.blobs.root)
        except Exception:
            self._note_failure(effect)
            log.exception("an effect failed: %r", effect)
        finally:
            if self._under_way.get(effect) is asyncio.current_task():
                del self._under_way[effect]
            self.react()

    # the trainer's answer

    def prepare(self, prepared: PreparedContribution) -> None:
        """Store the answer durably, then let the protocol act on it."""
        self._services.journal.save_prepared(self.study, prepared)
        self.learn(prepared)

    def take_back(self) -> None:
        """Drop the trainer's answer: it is asked for again."""
        self._services.journal.drop_prepared(self.study)
        self.local.take_back()
        self.react()
