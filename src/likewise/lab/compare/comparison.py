"""The comparison: every loss tuned, trained and measured under equal conditions."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from likewise.data.images import BadImage
from likewise.data.manifest import Manifest
from likewise.errors import InputError
from likewise.lab.compare.candidates import candidates_of
from likewise.lab.compare.conditions import comparison_recipe
from likewise.lab.compare.description import conditions_of, ranges_of
from likewise.lab.compare.laboratory import Laboratory
from likewise.lab.compare.summary import Row, Target, summarise
from likewise.lab.compare.threads import threads
from likewise.machine import describe, versions
from likewise.storage import write_json
from likewise.training.recipe.recipe import Recipe
from likewise.training.stopping import Interrupted

__all__ = ["Comparison", "compare"]

RESULT = "compare.json"


@dataclass(frozen=True)
class Comparison:
    """What came out.

    Args:
        rows: one a loss, the best first.
        target: the AUC that they race to.
        reference: the label that differences are taken from.
        settings: what all of them shared, in words.
        spaces: what was tuned of each loss.
        folder: where everything is.
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
    """Compare losses under equal conditions; an interrupted comparison is continued.

    All share the network and its first weights, the photos, their augmented views, the batches,
    the budget, and the number of tuning trials: what "A Metric Learning Reality Check" (Musgrave
    et al., arXiv 2003.08505) found missing in the literature. On each fold, every loss is tried
    ``trials`` times with points of its declared search space, and judged by validation identities
    taken from the training part; the best point is then trained on the whole training part with
    each seed, and measured on identities that none of this has seen. Nothing is chosen by the
    test identities, not even an epoch: the last one counts.

    Args:
        training: the photos; of them the folds are made, if ``unseen`` is None.
        out: the folder: the plan, a file for each finished run, ``compare.json``.
        losses: see ``candidates_of``.
        unseen: a fixed test set of other identities.
        recipe: what all runs share; its loss is of no account.
        seeds: final runs on each fold.
        folds: into which the identities are divided, if there is no fixed test set.
        trials: points tried for each loss; with 1, the middle of its space is taken untried.
        target: the AUC to race to; see ``summarise``.
        budget: seconds for each run, instead of the recipe's epochs: as many whole epochs as the
            loss does in that time, measured once at the beginning.
        num_threads: of torch, on the CPU; 1, so that the machine's cores change no number.
        say: told what begins, and each failure.

    Raises:
        InputError: an argument is wrong, or the folder belongs to another comparison.
        BadImage: a broken photo, under ``data.on_bad_image: refuse``.
        Interrupted: by Ctrl-C; the same call continues.
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
        if value < 1:
            raise InputError(f"--{name}: {value}; 1 or more")
    candidates = candidates_of(losses)
    shared = recipe or comparison_recipe()
    lab = Laboratory(candidates, shared, Path(out), trials, seeds, budget, say)
    with threads(num_threads):
        lab.open(training, unseen, folds, num_threads)
        try:
            runs, tuned = lab.complete()
        except KeyboardInterrupt:
            raise Interrupted(
                f"{out}: interrupted after {lab.done} of {lab.total} runs; the same command "
                "continues",
                signal.SIGINT,
            ) from None
    rows, race, reference = summarise(runs, tuned, target)
    found = Comparison(
        rows, race, reference, conditions_of(lab), ranges_of(lab), lab.folder, lab.photos.bad
    )
    write_json(lab.folder / RESULT, found.to_dict())
    return found
