"""The runner of a comparison: all trials and final runs, each done once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from likewise.data.manifest import Manifest
from likewise.errors import InputError
from likewise.lab.compare.candidates import Candidate, Choice
from likewise.lab.compare.folds import Fold, make_folds
from likewise.lab.compare.photo_set import PhotoSet, read_photo_set
from likewise.lab.compare.plan import PLAN, keep_plan
from likewise.lab.compare.record import Key, Record
from likewise.lab.compare.single_run import SingleRun, recipe_of
from likewise.lab.compare.time_budget import epochs_within
from likewise.machine import pick_device
from likewise.progress import progress
from likewise.storage import write_text
from likewise.training.recipe.recipe import Recipe
from likewise.training.recipe.unused_keys import refuse_unused_keys
from likewise.training.setup.build import loss_of, network_of, preprocess_of
from likewise.training.setup.initial_weights import read_initial_weights
from likewise.training.trainer import Trainer

__all__ = ["Runner"]

RUNS, BUDGETS, RECIPE = "runs", "pace", "recipe.yaml"
Rows = NDArray[np.int64]


class Runner:
    """Does all runs of a comparison, except those that have a record already.

    Args:
        candidates: the losses.
        recipe: shared by all runs.
        folder: of the plan and the records.
        trials: tuning trials of each loss on each fold.
        seeds: final runs of each loss on each fold.
        budget: seconds per run, instead of the recipe's epochs.
        say: called with progress messages and with each failure.

    Attributes:
        photos: all photos, after ``open``.
        folds: the folds, after ``open``.
        epochs: number of epochs, by loss.
        done: number of runs done.
        total: number of runs in all.
    """

    photos: PhotoSet
    folds: list[Fold]

    def __init__(
        self,
        candidates: list[Candidate],
        recipe: Recipe,
        folder: Path,
        trials: int,
        seeds: int,
        budget: float | None,
        say: Callable[[str], None],
    ) -> None:
        self.candidates, self.recipe, self.folder = candidates, recipe, folder
        self.trials, self.seeds, self.budget, self.say = trials, seeds, budget, say
        self.epochs = {c.label: recipe.schedule.epochs for c in candidates}
        self.done = self.total = 0
        self.fixed_test = False

    def open(
        self, training: Manifest, unseen: Manifest | None, folds: int, num_threads: int
    ) -> None:
        """Check the settings, then read the photos and split them into folds."""
        self._check_settings()
        if not (self.folder / PLAN).exists():
            refuse_unused_keys(self.recipe)
        self.fixed_test = unseen is not None
        conditions = self.recipe.model_dump(mode="json", exclude={"loss"})
        plan = {
            **conditions,
            "photos": training.fingerprint,
            "test photos": None if unseen is None else unseen.fingerprint,
            "--folds": None if unseen is not None else folds,
            "--trials": self.trials,
            "--budget": self.budget,
            "--threads": num_threads,
        }
        continued = keep_plan(self.folder, plan)
        write_text(self.folder / RECIPE, self.recipe.to_yaml())
        self.photos = read_photo_set(training, unseen, self.recipe)
        self.folds = make_folds(self.photos, folds, self.recipe.data.val_identities)
        self.total = len(self.folds) * len(self.candidates) * (self.tried + self.seeds)
        if self.budget is not None:
            self.say(f"measuring the number of epochs that take {self.budget:g} s")
            self.epochs = {c.label: self._within_budget(c, self.budget) for c in self.candidates}
        self.say(
            f"{'resuming: ' if continued else ''}{len(self.candidates)} losses on "
            f"{self._folds_in_words()}: {self.tried} trials and {self.seeds} seeds per fold, "
            f"{self.total} runs of {self.epochs_in_words} epochs"
        )

    def _within_budget(self, candidate: Candidate, seconds: float) -> int:
        fold = self.folds[0]
        key = Key(candidate.label, fold.number, "run", 0)
        choice = self._choice(candidate, fold.training, 0)
        return epochs_within(seconds, self._single(key, choice, fold), self.folder / BUDGETS)

    def _check_settings(self) -> None:
        """Build the trainer, and each loss once, so that mistakes are reported at the start."""
        for key, value in (
            ("schedule.steps", self.recipe.schedule.steps),
            ("training.budget_minutes", self.recipe.training.budget_minutes),
        ):
            if value is not None:
                raise InputError(
                    f"{key}: a comparison counts in epochs; set {key}=null and schedule.epochs"
                )
        start = read_initial_weights(self.recipe)
        for number, candidate in enumerate(self.candidates):
            choice = candidate.choice(0, lr=self.recipe.optimizer.lr, num_classes=10)
            recipe = recipe_of(self.recipe, choice, 0)
            loss = loss_of(recipe, 10)
            if number == 0:
                preprocess = preprocess_of(recipe, start)
                device = pick_device(recipe.training.device)
                Trainer(recipe, network_of(recipe, start), loss, preprocess, device)

    @property
    def tried(self) -> int:
        """Tuning runs of each loss on each fold; none for a single trial, which selects nothing."""
        return self.trials if self.trials > 1 else 0

    @property
    def epochs_in_words(self) -> str:
        """``30``, or ``28 to 31`` where a time budget gives losses different numbers of epochs."""
        least, most = min(self.epochs.values()), max(self.epochs.values())
        return str(least) if least == most else f"{least} to {most}"

    def complete(self) -> tuple[dict[str, list[Record]], dict[str, list[str]]]:
        """Do all runs that have no record; return the final runs and the tuning of each loss.

        Losses alternate within a fold and a seed, so that other load on the machine affects the
        timings of all losses equally.
        """
        runs: dict[str, list[Record]] = {c.label: [] for c in self.candidates}
        tuned: dict[str, list[str]] = {c.label: [] for c in self.candidates}
        images = sum(self._images(fold) for fold in self.folds)
        with progress(f"{self.total} runs", images) as advance:
            for fold in self.folds:
                chosen = {c.label: self._tune(c, fold, advance) for c in self.candidates}
                for label, (_, words) in chosen.items():
                    tuned[label].append(f"fold {fold.number}: {words}")
                for seed in range(self.seeds):
                    for candidate in self.candidates:
                        choice, why = chosen[candidate.label]
                        key = Key(candidate.label, fold.number, "run", seed)
                        if choice is None:
                            self.done += 1
                            middle = self._choice(candidate, fold.training, 0)
                            epochs = self.epochs[candidate.label]
                            record = Record(key, middle, epochs, error=why)
                        else:
                            record = self._run(key, choice, fold, advance)
                        runs[candidate.label].append(record)
        return runs, tuned

    def _tune(
        self, candidate: Candidate, fold: Fold, advance: Callable[[int], None]
    ) -> tuple[Choice | None, str]:
        """The best choice on this fold, and its description; None and a reason if all failed."""
        if self.trials == 1:
            choice = self._choice(candidate, fold.training, 0)
            return choice, choice.describe()
        records = [
            self._run(
                Key(candidate.label, fold.number, "trial", trial),
                self._choice(candidate, fold.fitting, trial),
                fold,
                advance,
            )
            for trial in range(self.trials)
        ]
        best = best_trial(records)
        if best is None:
            return None, f"every trial failed: {records[0].error}"
        # The same point of the search space: its scales depend on the number of classes.
        choice = self._choice(candidate, fold.training, best.key.number)
        validated = best.measured.auc if best.measured else 0.0
        return choice, f"{choice.describe()} (validation AUC {validated:.4f})"

    def _choice(self, candidate: Candidate, rows: Rows, trial: int) -> Choice:
        return candidate.choice(
            trial,
            lr=self.recipe.optimizer.lr,
            num_classes=len(set(self.photos.labels[rows].tolist())),
        )

    def _run(self, key: Key, choice: Choice, fold: Fold, advance: Callable[[int], None]) -> Record:
        """The record of a run, loaded if there is one; otherwise the run is done now."""
        single = self._single(key, choice, fold)
        epochs = self.epochs[key.label]
        record = Record.load(self.folder / RUNS, key, choice, epochs)
        if record is None:
            record = single.complete(advance)
            record.save(self.folder / RUNS)
        else:
            advance(epochs * len(single.training))
        if record.error:
            self.say(f"failed: {key}: {record.error}")
        self.done += 1
        return record

    def _single(self, key: Key, choice: Choice, fold: Fold) -> SingleRun:
        trial = key.stage == "trial"
        schedule = self.recipe.schedule.model_copy(update={"epochs": self.epochs[key.label]})
        return SingleRun(
            key,
            choice,
            self.recipe.model_copy(update={"schedule": schedule}),
            self.photos,
            fold.fitting if trial else fold.training,
            fold.validation if trial else fold.test,
            seed=0 if trial else key.number,
        )

    def _images(self, fold: Fold) -> int:
        each = self.tried * len(fold.fitting) + self.seeds * len(fold.training)
        return each * sum(self.epochs.values())

    def _folds_in_words(self) -> str:
        if self.fixed_test:
            fold = self.folds[0]
            return f"{len(fold.training):,} training photos, {len(fold.test):,} test photos"
        return f"{len(self.photos.labels):,} photos in {len(self.folds)} folds"


def best_trial(trials: Sequence[Record]) -> Record | None:
    """The trial with the highest validation AUC, the first of equals; None if all failed.

    The AUC, because it uses every pair: validation sets are small.
    """
    finished = [trial for trial in trials if trial.measured is not None]
    return max(finished, key=lambda trial: trial.measured.auc if trial.measured else 0.0,
               default=None)  # fmt: skip
