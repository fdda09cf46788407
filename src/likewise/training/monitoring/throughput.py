"""How fast a run goes, how much of that it waits for photos, and how long it will still take."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch

from likewise.data.photos import Batch
from likewise.progress import duration
from likewise.training.distributed.processes import Processes
from likewise.training.monitoring.profile import StepProfile

__all__ = ["Pace", "epoch_line", "whereabouts"]


class Pace:
    """Times one epoch.

    Args:
        processes: the process group.
        profile: told what is waiting time.
    """

    def __init__(self, processes: Processes, profile: StepProfile) -> None:
        self.processes = processes
        self.profile = profile
        self.started = time.monotonic()
        self.waited = 0.0
        self.images = 0
        self.batches = 0

    def of(self, loader: Iterable[Batch]) -> Iterator[Batch]:
        """The batches of ``loader``; the time until each is there counts as waiting."""
        batches = iter(loader)
        self.profile.count(True)
        while True:
            asked = time.monotonic()
            with self.profile.phase("waiting for photos"):
                batch = next(batches, None)
            self.waited += time.monotonic() - asked
            if batch is None:
                self.profile.count(False)
                return
            self.images += len(batch.labels)
            self.batches += 1
            yield batch

    def report(self, batches_left: int) -> dict[str, float]:
        """Photos a second over all processes, the share of waiting, and the seconds left."""
        seconds = max(time.monotonic() - self.started, 1e-9)
        images = torch.tensor([self.images, self.waited / seconds], dtype=torch.float64)
        photos, share = self.processes.sum_tensor(images).tolist()
        return {
            "images_per_s": photos / seconds,
            "data_wait": share / self.processes.count,
            "seconds_left": batches_left * seconds / max(1, self.batches),
        }


def epoch_line(epoch: int, epochs: int, report: dict[str, float]) -> str:
    """An epoch in one line, from what it reported.

    Example:
        >>> from likewise.training.monitoring.throughput import epoch_line
        >>> epoch_line(2, 9, {"train/loss": 3.25, "images_per_s": 1200.0, "data_wait": 0.04,
        ...     "seconds_left": 190.0})
        'epoch 2/9: loss 3.25, 1,200 images/s, 4 % of the time waiting for photos, 3 min left'
    """
    told = [f"loss {report['train/loss']:.4g}"]
    if "train/accuracy" in report:
        told.append(f"accuracy {report['train/accuracy']:.4f}")
    told += [
        f"{report['images_per_s']:,.0f} images/s",
        f"{100 * report['data_wait']:.0f} % of the time waiting for photos",
        f"{duration(report['seconds_left'])} left",
    ]
    return f"epoch {epoch}/{epochs}: {', '.join(told)}"


def whereabouts(epoch: int, epochs: int, total: Sequence[float], last: Mapping[str, float]) -> str:
    """Where a run stands, in a few words.

    Args:
        epoch: whole ones behind it.
        epochs: of the run.
        total: loss · photos, photos right and photos of the epoch at hand.
        last: what was reported last of the loss and of the validation.

    Example:
        >>> from likewise.training.monitoring.throughput import whereabouts
        >>> whereabouts(2, 9, [325.0, 10, 100], {"train/loss": 5.0, "val/auc": 0.91})
        'epoch 3/9, loss 3.25, validation AUC 0.9100'
    """
    told = [f"epoch {min(epoch + 1, epochs)}/{epochs}"]
    loss = total[0] / total[2] if total[2] else last.get("train/loss")
    if loss is not None:
        told.append(f"loss {loss:.4g}")
    if "val/auc" in last:
        told.append(f"validation AUC {last['val/auc']:.4f}")
    return ", ".join(told)
