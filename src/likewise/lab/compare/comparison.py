"""A comparison: every loss tuned, trained and evaluated under equal conditions."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from likewise.arguments import check_count
from likewise.data.images import BadImage
from likewise.data.manifest import Manifest
from likewise.lab.compare.candidates import candidates_of
from likewise.lab.compare.conditions import comparison_recipe, conditions_of, ranges_of
from likewise.lab.compare.runner import Runner
from likewise.lab.compare.summary import Row, Target, summarize
from likewise.machine import describe, versions
from likewise.storage import write_json
from likewise.training.recipe.recipe import Recipe
from likewise.training.stopping import Interrupted

__all__ = ["Comparison", "compare"]

RESULT = "compare.json"


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison.

    Args:
        rows: one per loss, the best first.
        target: the AUC for which the epochs to reach it are counted.
        reference: the label of the loss that differences refer to.
        settings: the conditions that all losses shared, in words.
        spaces: the search space of each loss, in words.
        folder: the folder with all records.
        bad_images: photos that could not be read.
    """

    rows: list[Row]
    target: Target
    reference: str
    settings: dict[str, Any]
    spaces: dict[str, str]
    folder: Path
    bad_images: list[BadImage]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "rows": [row.to_dict() for row in self.rows],
            "target": asdict(self.target),
            "reference": self.reference,
            "settings": self.settings,
            "tuned": self.spaces,
            "bad_images": [{"path": b.name, "reason": b.reason} for b in self.bad_images],
            "versions": versions(),
            "machine": describe(),
        }


def compare(
    training: Manifest,
    out: str | Path,
    losses: Sequence[str] = ("all",),
    *,
    unseen: Manifest | None = None,
    recipe: Recipe | None = None,
    seeds: int = 3,
    folds: int = 4,
    trials: int = 3,
    target: float | None = None,
    budget: float | None = None,
    num_threads: int = 1,
    say: Callable[[str], None] = print,
) -> Comparison:
    """Compare losses under equal conditions; an interrupted comparison is resumed.

    All losses share the network and its initial weights, the photos, their augmented views, the
    batches, the budget and the number of tuning trials, as "A Metric Learning Reality Check"
    (Musgrave et al., arXiv 2003.08505) demands. On each fold, every loss is trained with
    ``trials`` points of its search space, and these are compared on validation identities from
    the training part. The best point is then trained on the whole training part with each seed
    and evaluated on test identities that no training or tuning has used. Nothing is selected on
    the test identities, not even the epoch: the last epoch counts.

    Args:
        training: the photos; they are split into folds if ``unseen`` is None.
        out: the folder for the plan, the record of each finished run, and ``compare.json``.
        losses: see ``candidates_of``.
        unseen: a fixed test set of other identities.
        recipe: shared by all runs; its loss is ignored.
        seeds: number of final runs on each fold.
        folds: number of folds, if there is no fixed test set.
        trials: number of tuning trials per loss; with 1, the middle of the search space is used.
        target: the target AUC; see ``summarize``.
        budget: seconds per run, instead of the recipe's epochs: the number of whole epochs that a
            loss trains in that time, measured once at the beginning.
        num_threads: number of torch threads on the CPU; with 1, results do not depend on the
            number of cores.
        say: called with progress messages and with each failure.

    Raises:
        InputError: an argument is wrong, or the folder belongs to another comparison.
        BadImage: a broken photo, with ``data.on_bad_image: refuse``.
        Interrupted: by Ctrl-C; the same call resumes.
        LikewiseError: the disk is full.

    Example:
        >>> from likewise.lab.compare.comparison import compare
        >>> from likewise.training.recipe.recipe import recipe_with
        >>> from likewise.lab.compare.conditions import comparison_recipe
        >>> quick = recipe_with(comparison_recipe(), ["schedule.epochs=1"])
        >>> done = compare(likewise.read_manifest(photos), out, ["softmax"], recipe=quick,
        ...     seeds=1, trials=1)  # doctest: +SKIP
    """
    for name, value in (("seeds", seeds), ("trials", trials), ("threads", num_threads)):
        check_count(f"--{name}", value)
    candidates = candidates_of(losses)
    shared = recipe or comparison_recipe()
    runner = Runner(candidates, shared, Path(out), trials, seeds, budget, say)
    with _torch_threads(num_threads):
        runner.open(training, unseen, folds, num_threads)
        try:
            runs, tuned = runner.complete()
        except KeyboardInterrupt:
            raise Interrupted(
                f"{out}: interrupted after {runner.done} of {runner.total} runs; resume with the "
                "same command",
                signal.SIGINT,
            ) from None
    rows, goal, reference = summarize(runs, tuned, target)
    found = Comparison(
        rows, goal, reference, conditions_of(runner), ranges_of(runner), runner.folder,
        runner.photos.bad,
    )  # fmt: skip
    write_json(runner.folder / RESULT, found.to_dict())
    return found


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """Set the number of torch threads; another number changes the last digits of sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
