"""The one progress display: how far, how fast, how long still; on stderr, stdout stays clean."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Advance", "duration", "progress"]

SOON, LATE = 10.0, 600.0  # seconds between two lines, at the beginning and at most


class Advance:
    """Told what is newly done; call it with the number.

    Args:
        what: is being done.
        total: how many there are to do.
        unit: what they are.
        done: how many of them are done already.
        bar: that moves; None where there is none to be seen.
        task: of the bar.
        lines: whether to print a line now and then instead.
    """

    def __init__(
        self,
        what: str,
        total: int,
        unit: str,
        done: int,
        bar: Progress | None,
        task: TaskID | None,
        *,
        lines: bool,
    ) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, done
        self.state = ""
        self._bar, self._task, self._lines = bar, task, lines
        self._began = self._told = time.monotonic()
        self._done_when_told = done

    def __call__(self, count: int) -> None:
        """So many more are done."""
        self.done += count
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, count)
        elif self._lines:
            self._tell_in_time()

    def show(self, state: str) -> None:
        """Say in a few words where the work stands, below the bar or in the next line."""
        self.state = state
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, state=state)

    def say(self, text: str) -> None:
        """Print a line of its own, above the bar if one moves."""
        if self._bar is not None or self._lines:
            print(text, file=sys.stderr, flush=True)  # to the bar, while it has taken its place

    def _tell_in_time(self) -> None:
        """A line after ten seconds, and whenever a tenth of the time so far has gone by again."""
        now = time.monotonic()
        passed = now - self._told
        if passed < min(LATE, max(SOON, 0.1 * (now - self._began))):
            return
        rate = (self.done - self._done_when_told) / passed
        left = f", {duration((self.total - self.done) / rate)} left" if rate > 0 else ""
        state = f" {self.state};" if self.state else ""
        self.say(
            f"{self.what}:{state} {self.done:,} of {self.total:,} {self.unit}, "
            f"{rate:,.0f} {self.unit}/s{left}"
        )
        self._told, self._done_when_told = now, self.done


@contextmanager
def progress(what: str, total: int, unit: str = "images", done: int = 0) -> Iterator[Advance]:
    """Show a bar while the block runs; call what it yields with the number newly done.

    On a terminal it moves; elsewhere (a log, a pipe) a plain line tells now and then how far it is:
    the first after ten seconds. Of processes that ``torchrun`` started, the first one tells.

    Args:
        what: is being done.
        total: how many there are to do.
        unit: what they are.
        done: how many of them are done already, as the block begins.

    Example:
        >>> with progress("reading", total=2) as advance:
        ...     advance(2)
    """
    from rich.console import Console, RenderableType

    first = os.environ.get("RANK", "0") == "0"
    console = Console(stderr=True)
    if not (first and console.is_terminal):
        yield Advance(what, total, unit, done, None, None, lines=first)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f} {unit}/s" if speed else f"– {unit}/s", style="cyan")

    class WithState(Progress):
        """The bar, and below it where the work stands: side by side takes over 80 columns."""

        def get_renderables(self) -> Iterator[RenderableType]:
            yield from super().get_renderables()
            yield from (Text(text) for task in self.tasks if (text := task.fields["state"]))

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    with WithState(*columns, console=console) as bar:
        task = bar.add_task(what, total=total, completed=done, state="")
        yield Advance(what, total, unit, done, bar, task, lines=False)


def duration(seconds: float) -> str:
    """A time in words of two parts at most.

    Example:
        >>> from likewise.progress import duration
        >>> duration(12), duration(190), duration(7300)
        ('12 s', '3 min', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
