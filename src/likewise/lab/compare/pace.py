"""How many epochs fit into a time: what makes seconds a budget that continues the same."""

from __future__ import annotations

import re
import time
from pathlib import Path
from statistics import median

from likewise.errors import InputError, LikewiseError
from likewise.lab.compare.record import file_name
from likewise.lab.compare.single_run import SingleRun
from likewise.storage import read_json, write_json

__all__ = ["epochs_within", "parse_budget"]

WARM, TIMED = 3, 10  # steps
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


def parse_budget(text: str) -> float:
    """The seconds that ``60s``, ``2min`` or ``0.5h`` stand for.

    Raises:
        InputError: it is none of these.

    Example:
        >>> from likewise.lab.compare.pace import parse_budget
        >>> parse_budget("1.5min")
        90.0
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(s|min|h)", text.strip())
    if match is None or float(match[1]) <= 0:
        raise InputError(f"--budget: {text!r}; a time for each run is expected, like 60s or 2min")
    return float(match[1]) * UNITS[match[2]]


def epochs_within(seconds: float, run: SingleRun, folder: Path) -> int:
    """The epochs that this loss trains in ``seconds``; measured once, and kept in ``folder``.

    A run that was cut off by the clock would end with its learning rate still high, and nowhere
    the same twice. So the speed is measured over a few steps, and the whole epochs that fit in
    (at least one) are then planned like any other number.

    Raises:
        InputError: the file kept from before is damaged.
    """
    path = folder / f"{file_name(run.key.label)}.json"
    if path.exists():
        try:
            return int(read_json(path)["epochs"])
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{path}: holds no number of epochs; delete it") from None
    trainer, sampler, batches = run.parts()
    spent: list[float] = []
    try:
        while len(spent) < WARM + TIMED:
            for batch in batches:
                begun = time.perf_counter()
                float(trainer.step(batch.pixels, batch.labels, len(sampler))[0])
                spent.append(time.perf_counter() - begun)
    except LikewiseError:  # it diverges at once; its first run will say so
        spent = spent or [seconds]
    epochs = max(1, int(seconds / (median(spent[WARM:] or spent) * len(sampler))))
    write_json(path, {"label": run.key.label, "seconds": seconds, "epochs": epochs})
    return epochs
