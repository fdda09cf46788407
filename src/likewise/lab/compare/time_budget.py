"""A time budget as a number of epochs, so that an interrupted comparison can be resumed."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from likewise.errors import InputError, LikewiseError
from likewise.lab.compare.record import file_name
from likewise.lab.compare.single_run import SingleRun
from likewise.storage import read_json, write_json

__all__ = ["epochs_within"]

WARM_UP, TIMED = 3, 10  # steps


def epochs_within(seconds: float, run: SingleRun, folder: Path) -> int:
    """The number of epochs that this loss trains in ``seconds``; measured once, kept in ``folder``.

    A run cut off by the clock would end before its learning rate has decayed, and could not be
    reproduced. So the throughput is measured over a few steps, and the whole epochs that fit (at
    least one) are planned like any other number of epochs.

    Raises:
        InputError: the stored measurement is damaged.
    """
    path = folder / f"{file_name(run.key.label)}.json"
    if path.exists():
        try:
            return int(read_json(path)["epochs"])
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{path}: not a number of epochs; delete the file") from None
    trainer, sampler, batches = run.parts()
    spent: list[float] = []
    try:
        while len(spent) < WARM_UP + TIMED:
            for batch in batches:
                begun = time.perf_counter()
                float(trainer.step(batch.pixels, batch.labels, len(sampler))[0])
                spent.append(time.perf_counter() - begun)
    except LikewiseError:  # the loss diverges at once; its first run will report that
        spent = spent or [seconds]
    epochs = max(1, int(seconds / (median(spent[WARM_UP:] or spent) * len(sampler))))
    write_json(path, {"label": run.key.label, "seconds": seconds, "epochs": epochs})
    return epochs
