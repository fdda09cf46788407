"""Progress bars on stderr: work done, rate and time left."""

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

LEAST, MOST = 10.0, 600.0  # seconds between two lines


class Advance:
    """Advances a progress display; call it with the number of items newly done.

    Args:
        what: the name of the work.
        total: the number of items.
        unit: the name of the items.
        done: the items done already.
        bar: the progress bar; None without a terminal.
        task: of the bar.
        lines: whether to print lines from time to time instead of a bar.
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
        self._began = self._printed_at = time.monotonic()
        self._done_when_printed = done

    def __call__(self, count: int) -> None:
        """Add ``count`` items that are done."""
        self.done += count
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, count)
        elif self._lines:
            self._print_if_due()

    def show(self, state: str) -> None:
        """Show the state of the work below the bar, or in the next line."""
        self.state = state
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, state=state)

    def expect(self, total: int) -> None:
        """Change the number of items."""
        self.total = total
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=total)

    def say(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        if self._bar is not None or self._lines:
            print(text, file=sys.stderr, flush=True)  # rich redirects stderr while the bar is shown

    def _print_if_due(self) -> None:
        """Print a line after ten seconds, then each time the elapsed time has grown by a tenth."""
        now = time.monotonic()
        passed = now - self._printed_at
        if passed < min(MOST, max(LEAST, 0.1 * (now - self._began))):
            return
        rate = (self.done - self._done_when_printed) / passed
        left = f", {duration((self.total - self.done) / rate)} left" if rate > 0 else ""
        state = f" {self.state};" if self.state else ""
        self.say(
            f"{self.what}:{state} {self.done:,} of {self.total:,} {self.unit}, "
            f"{rate:,.0f} {self.unit}/s{left}"
        )
        self._printed_at, self._done_when_printed = now, self.done


@contextmanager
def progress(what: str, total: int, unit: str = "images", done: int = 0) -> Iterator[Advance]:
    """Show the progress of a block; call the yielded object with the number of items newly done.

    On a terminal it is a bar; elsewhere (a log, a pipe) a line is printed from time to time, the
    first after ten seconds. Under ``torchrun`` only rank 0 shows it.

    Args:
        what: the name of the work.
        total: the number of items.
        unit: the name of the items.
        done: the items done already when the block begins.

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
        """The bar with the state of the work below it: one line would exceed 80 columns."""

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
    """A time as text, with at most two units.

    Example:
        >>> from likewise.progress import duration
        >>> duration(12), duration(190), duration(7300)
        ('12 s', '3 min', '2 h 2 min')
        >>> duration(90)
        '90 s'
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
