"""How long a run takes: said once at its start, and again if it turns out much longer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from likewise.progress import duration

__all__ = ["Pace"]

log = logging.getLogger(__name__)
FIRST = 1  # steps that are not timed: caches and worker processes settle
LEAST_STEPS, LEAST_SECONDS = 3, 1.0  # of training before the time is said
WORTH_SAYING = 10.0  # seconds of the whole run
MUCH = 1.5  # times the time that was said
FORWARD = 1 / 3  # of a training step: the time of a forward pass alone


class Pace:
    """Says how long a run takes, from its first steps, and warns once if it takes much longer.

    Nothing is trained or measured for it besides the run itself.

    Args:
        steps: that the run still takes.
        validations: that it still has.
        validated: the photos that go through the network in a validation, in batches.
        say: prints a line.
        budget: seconds that the run was planned to take from now on; None: it has no budget.

    Example:
        >>> from likewise.training.monitoring.pace import Pace
        >>> pace = Pace(100, 20, 0.0, print)
        >>> pace.step()
    """

    def __init__(
        self,
        steps: int,
        validations: int,
        validated: float,
        say: Callable[[str], None],
        budget: float | None = None,
    ) -> None:
        self.steps, self.validations, self.validated = steps, validations, validated
        self.say, self.said = say, budget
        self.done = 0
        self._began = time.monotonic()
        self._timed_from = self._began
        self._warned = self._told = False

    def step(self) -> None:
        """Count a step that is done."""
        self.done += 1
        now = time.monotonic()
        if self.done <= FIRST:
            self._timed_from = now
            return
        passed = now - self._timed_from
        timed = self.done - FIRST
        if not self._told and timed >= LEAST_STEPS and passed >= LEAST_SECONDS:
            self._tell(passed / timed)
        self._check(now - self._began)

    def _tell(self, each: float) -> None:
        self._told = True
        if self.said is not None:
            return  # the line of the budget has said it
        self.said = each * (self.steps + self.validations * self.validated * FORWARD)
        if self.said >= WORTH_SAYING:
            self.say(f"about {duration(self.said)} for {self.steps:,} steps")

    def _check(self, passed: float) -> None:
        """Warn once if a quarter of the time that was said shows that it will not do."""
        if self.said is None or self._warned or passed < max(WORTH_SAYING, self.said / 4):
            return
        whole = passed * self.steps / self.done
        if whole > MUCH * self.said:
            self._warned = True
            log.warning(
                "training is slower than expected: about %s instead of %s; is the machine busy?",
                duration(whole), duration(self.said),
            )  # fmt: skip
