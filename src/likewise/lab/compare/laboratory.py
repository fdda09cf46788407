"""The runs of a comparison, in an order that is fair, each of them done once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from likewise.data.manifest import Manifest
from likewise.lab.compare.candidates import Candidate, Choice
from likewise.lab.compare.pace import epochs_within
from likewise.lab.compare.partition import Fold, partition
from likewise.lab.compare.photo_set import PhotoSet, read_photo_set
from likewise.lab.compare.plan import PLAN, keep_plan
from likewise.lab.compare.record import Key, Record
from likewise.lab.compare.single_run import SingleRun, recipe_of
from likewise.lab.compare.tuning import best_trial
from likewise.machine import pick_device
from likewise.progress import progress
from likewise.storage import write_text
from likewise.training.initial_weights import start_of
from likewise.training.recipe.recipe import Recipe
from likewise.training.recipe.unused_keys import refuse_idle_keys
from likewise.training.setup.build import loss_of, network_of, preprocess_of
from likewise.training.trainer import Trainer

__all__ = ["Laboratory"]

RUNS, PACE, RECIPE = "runs", "pace", "recipe.yaml"
Rows = NDArray[np.int64]


class Laboratory:
    """All runs of a comparison, those that are done and those still to do.

    Args:
        candidates: the losses.
        recipe: what all runs share.
        folder: where the plan and the records are.
        trials: points tried for each loss on each fold.
        seeds: final runs of each loss on each fold.
        budget: seconds for a run, instead of the recipe's epochs.
        say: told what begins, and each failure.

    Attributes:
        photos: all photos, once it is open.
        folds: how they are divided, likewise.
        epochs: of each loss.
        done: runs that are done.
        total: runs in all.
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
        """Refuse what cannot work, and only then read the photos."""
        self._try_out()
        if not (self.folder / PLAN).exists():
            refuse_idle_keys(self.recipe)
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
        self.folds = partition(self.photos, folds, self.recipe.data.val_identities)
        self.total = len(self.folds) * len(self.candidates) * (self.tried + self.seeds)
        if self.budget is not None:
            self.say(f"measuring how many epochs fit into {self.budget:g} s")
            self.epochs = {c.label: self._within_budget(c, self.budget) for c in self.candidates}
        self.say(
            f"{'continuing' if continued else 'comparing'} {len(self.candidates)} losses on "
            f"{self._folds_in_words()}: {self.tried} trials and {self.seeds} seeds each, "
            f"{self.total} runs of {self.epochs_in_words} epochs"
        )

    def _within_budget(self, candidate: Candidate, seconds: float) -> int:
        fold = self.folds[0]
        key = Key(candidate.label, fold.number, "run", 0)
        choice = self._choice(candidate, fold.training, 0)
        return epochs_within(seconds, self._single(key, choice, fold), self.folder / PACE)

    def _try_out(self) -> None:
        """Make each loss once, and what they share: a mistake should not wait for its turn."""
        start = start_of(self.recipe)
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
        """Runs of the tuning, for each loss on each fold: a single trial would decide nothing."""
        return self.trials if self.trials > 1 else 0

    @property
    def epochs_in_words(self) -> str:
        """``30``, or ``28 to 31`` where a budget of time makes a difference."""
        least, most = min(self.epochs.values()), max(self.epochs.values())
        return str(least) if least == most else f"{least} to {most}"

    def complete(self) -> tuple[dict[str, list[Record]], dict[str, list[str]]]:
        """All runs that are still to be done, and what is known then.

        Losses take turns within a fold and within a seed, so that whatever else the machine does
        disturbs their timings alike.
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
        """The best choice on this fold, in words too; None and the reason if every trial failed."""
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
        # Scales depend on the number of classes: the point of the space is carried over.
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
        """The record of a run: kept from before, or made now."""
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
            return f"{len(self.folds[0].training):,} photos, {len(self.folds[0].test):,} unseen"
        return f"{len(self.photos.labels):,} photos in {len(self.folds)} folds"
