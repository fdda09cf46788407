"""Training steps with memory-mapped class weights, and the anonymous memory they need.

python -m benchmarks.classes.mapped [--classes 10000000] [--dimension 128] [--steps 20]
    [--sample 0.01] [--folder FOLDER]

A step is forward, backward and AdamW with row-wise moments, on given embeddings (B = 128);
negatives are drawn in contiguous blocks. Anonymous memory (RssAnon) excludes pages of the mapped
file, which the system can drop. It is sampled every 5 ms.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

import torch

from benchmarks.classes.sides import BATCH, sampled_head
from likewise.losses import Placement
from likewise.training.step.row_optimizer import RowAdamW


def resident(kind: str) -> int:
    """Bytes of this process that are resident: ``RssAnon`` or ``RssFile`` (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) * 1024


class Highest(threading.Thread):
    """Watches the anonymous memory until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self.done = threading.Event()

    def run(self) -> None:
        while True:  # at least once, even if the steps are very fast
            self.bytes = max(self.bytes, resident("RssAnon"))
            if self.done.wait(0.005):
                return


def train(
    classes: int, dimension: int, steps: int, sample: float, folder: Path
) -> dict[str, float]:
    """Draw the weights and run the steps: seconds per step, and peak anonymous memory in GiB."""
    watch = Highest()
    watch.start()
    torch.manual_seed(0)
    start = time.perf_counter()
    place = Placement(sample=sample, storage="mmap", folder=folder)
    head = sampled_head(classes, dimension, place)
    drawn = time.perf_counter()
    rows = [{"params": [head.weight], "rows": True}]
    optimizer = RowAdamW(rows, moments="row", folder=folder)
    for _ in range(steps):
        embeddings = torch.randn(BATCH, dimension, requires_grad=True)
        value = head(embeddings, torch.randint(classes, (BATCH,)))
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
    end = time.perf_counter()
    watch.done.set()
    watch.join()
    return {
        "anonymous_gib": watch.bytes / 2**30,
        "draw_s": drawn - start,
        "step_s": (end - drawn) / steps,
        "weights_gib": head.weight.nbytes / 2**30,
        "loss": float(value.detach()),
    }


def in_temporary_folder(
    classes: int, dimension: int, steps: int, sample: float, folder: str | None = None
) -> dict[str, float]:
    """``train`` in a temporary folder, inside ``folder`` or the system's temporary directory."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        return train(classes, dimension, steps, sample, Path(place))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classes", type=int, default=10_000_000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--sample", type=float, default=0.01)
    parser.add_argument("--folder", default=None, help="on a disk; the system's temporary one")
    given = parser.parse_args()
    found = in_temporary_folder(
        given.classes, given.dimension, given.steps, given.sample, given.folder
    )
    for key, value in found.items():
        print(f"{key:14} {value:.3f}")
