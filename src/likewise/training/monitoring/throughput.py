"""Throughput of a run: photos per second, time spent waiting for them, time left."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from likewise.data.photos import Batch
from likewise.progress import duration
from likewise.training.distributed.processes import Processes
from likewise.training.monitoring.profile import StepProfile

__all__ = ["Throughput", "epoch_line", "progress_line"]


class Throughput:
    """Measures the throughput of one epoch.

    Args:
        processes: the process group.
        profile: gets the waiting time as a phase.
    """

    def __init__(self, processes: Processes, profile: StepProfile) -> None:
        self.processes = processes
        self.profile = profile
        self.started = time.monotonic()
        self.waited = 0.0
        self.images = 0
        self.batches = 0

    def batches_of(self, loader: Iterable[Batch], count: int | None = None) -> Iterator[Batch]:
        """The batches of ``loader``; the time until each arrives counts as waiting.

        Args:
            loader: of the epoch.
            count: the most batches to take; None: all.
        """
        batches = islice(loader, count)
        self.profile.collect(True)
        while True:
            asked = time.monotonic()
            with self.profile.phase("waiting for photos"):
                batch = next(batches, None)
            self.waited += time.monotonic() - asked
            if batch is None:
                self.profile.collect(False)
                return
            self.images += len(batch.labels)
            self.batches += 1
            yield batch

    def report(self, batches_left: int) -> dict[str, float]:
        """Photos per second over all ranks, the share of waiting time, and the seconds left."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        photos, share = self.processes.sum([self.images, self.waited / seconds])
        return {
            "images_per_s": photos / seconds,
            "data_wait": share / self.processes.count,
            "seconds_left": batches_left * seconds / max(1, self.batches),
        }


def epoch_line(epoch: int, epochs: int, report: dict[str, float]) -> str:
    """The report of an epoch in one line.

    Example:
        >>> from likewise.training.monitoring.throughput import epoch_line
        >>> epoch_line(2, 9, {"train/loss": 3.25, "images_per_s": 1200.0, "data_wait": 0.04,
        ...     "seconds_left": 190.0})
        'epoch 2/9: loss 3.25, 1,200 images/s, 4 % of the time waiting for photos, 3 min left'
    """
    parts = [f"loss {report['train/loss']:.4g}"]
    if "train/accuracy" in report:
        parts.append(f"accuracy {report['train/accuracy']:.4f}")
    parts += [
        f"{report['images_per_s']:,.0f} images/s",
        f"{100 * report['data_wait']:.0f} % of the time waiting for photos",
        f"{duration(report['seconds_left'])} left",
    ]
    return f"epoch {epoch}/{epochs}: {', '.join(parts)}"


def progress_line(
    epoch: int,
    epochs: int,
    total: Sequence[float],
    last: Mapping[str, float],
    key: str = "val/auc",
    measure: str = "AUC",
) -> str:
    """The progress of a run in one line.

    Args:
        epoch: the number of complete epochs.
        epochs: of the run.
        total: of the current epoch: loss · photos, photos classified correctly, photos.
        last: the last reported loss and validation.
        key: of the metric by which epochs are compared.
        measure: the same in words.

    Example:
        >>> from likewise.training.monitoring.throughput import progress_line
        >>> progress_line(2, 9, [325.0, 10, 100], {"train/loss": 5.0, "val/auc": 0.91})
        'epoch 3/9, loss 3.25, validation AUC 0.9100'
    """
    parts = [f"epoch {min(epoch + 1, epochs)}/{epochs}"]
    loss = total[0] / total[2] if total[2] else last.get("train/loss")
    if loss is not None:
        parts.append(f"loss {loss:.4g}")
    if key in last:
        parts.append(f"validation {measure} {last[key]:.4f}")
    return ", ".join(parts)
