"""The comparison: every loss tuned, trained and measured under equal conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from likewise.data.images import BadImage
from likewise.data.manifest import Manifest
from likewise.errors import InputError, LikewiseError
from likewise.lab.compare.candidates import Candidate, Choice, candidates_of
from likewise.lab.compare.conditions import comparison_recipe
from likewise.lab.compare.knobs import learning_rate
from likewise.lab.compare.partition import Fold, partition
from likewise.lab.compare.photo_set import VIEWS, PhotoSet, read_photo_set
from likewise.lab.compare.plan import keep_plan
from likewise.lab.compare.record import Key, Record
from likewise.lab.compare.single_run import SingleRun, recipe_of
from likewise.lab.compare.summary import Row, Target, summarise
from likewise.lab.compare.threads import threads
from likewise.lab.compare.tuning import best_trial
from likewise.machine import describe, versions
from likewise.progress import progress
from likewise.storage import write_json, write_text
from likewise.training.parts import loss_of
from likewise.training.recipe import Recipe

__all__ = ["Comparison", "compare"]

RUNS, RECIPE, RESULT = "runs", "recipe.yaml", "compare.json"


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
    folds: int = 2,
    trials: int = 3,
    target: float | None = None,
    num_threads: int = 1,
    say: Callable[[str], None] = print,
) -> Comparison:
    """Compare losses under equal conditions; an interrupted comparison is continued.

    All share the network and its first weights, the photos, their augmented views, the batches,
    the epochs, and the number of tuning trials: what "A Metric Learning Reality Check" (Musgrave
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
        num_threads: of torch, on the CPU; 1, so that the machine's cores change no number.
        say: told what begins, and each failure.

    Raises:
        InputError: an argument is wrong, or the folder belongs to another comparison.
        BadImage: a broken photo, under ``data.on_bad_image: refuse``.
        LikewiseError: interrupted (the same call continues), or the disk is full.

    Example:
        >>> from likewise.lab.compare.comparison import compare
        >>> from likewise.training.recipe import recipe_with
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
    lab = _Lab(candidates, shared, Path(out), trials, seeds, say)
    with threads(num_threads):
        lab.open(training, unseen, folds, num_threads)
        try:
            runs, tuned = lab.complete()
        except KeyboardInterrupt:
            raise LikewiseError(
                f"{out}: interrupted after {lab.done} of {lab.total} runs; the same command "
                "continues"
            ) from None
    rows, race, reference = summarise(runs, tuned, target)
    found = Comparison(
        rows, race, reference, lab.settings(), lab.spaces(), lab.folder, lab.photos.bad
    )
    write_json(lab.folder / RESULT, found.to_dict())
    return found


class _Lab:
    """The parts of a comparison, put together."""

    photos: PhotoSet
    folds: list[Fold]

    def __init__(
        self,
        candidates: list[Candidate],
        recipe: Recipe,
        folder: Path,
        trials: int,
        seeds: int,
        say: Callable[[str], None],
    ) -> None:
        self.candidates, self.recipe, self.folder = candidates, recipe, folder
        self.trials, self.seeds, self.say = trials, seeds, say
        self.done = self.total = 0
        self.fixed_test = False

    def open(
        self, training: Manifest, unseen: Manifest | None, folds: int, num_threads: int
    ) -> None:
        """Refuse what cannot work, and only then read the photos."""
        self._check_losses()
        self.fixed_test = unseen is not None
        conditions = self.recipe.model_dump(mode="json", exclude={"loss"})
        plan = {
            **conditions,
            "photos": training.fingerprint,
            "test photos": None if unseen is None else unseen.fingerprint,
            "--folds": None if unseen is not None else folds,
            "--trials": self.trials,
            "--threads": num_threads,
        }
        continued = keep_plan(self.folder, plan)
        write_text(self.folder / RECIPE, self.recipe.to_yaml())
        self.photos = read_photo_set(training, unseen, self.recipe)
        self.folds = partition(self.photos, folds, self.recipe.data.val_identities)
        self.total = len(self.folds) * len(self.candidates) * (self._tried() + self.seeds)
        self.say(
            f"{'continuing' if continued else 'comparing'} {len(self.candidates)} losses on "
            f"{self._folds_in_words()}: {self._tried()} trials and {self.seeds} seeds each, "
            f"{self.total} runs of {self.recipe.schedule.epochs} epochs"
        )

    def _check_losses(self) -> None:
        """Make each loss once: a wrong argument should not wait for its turn."""
        for candidate in self.candidates:
            choice = candidate.choice(
                0,
                lr=self.recipe.optimizer.lr,
                num_classes=10,
                embedding_dim=self.recipe.model.embedding_dim,
            )
            loss_of(recipe_of(self.recipe, choice, 0), 10)

    def _tried(self) -> int:
        return self.trials if self.trials > 1 else 0  # a single trial would decide nothing

    def complete(self) -> tuple[dict[str, list[Record]], dict[str, list[str]]]:
        """All runs that are still to be done, and what is known then.

        Losses take turns within a fold and within a seed, so that whatever else the machine does
        disturbs their timings alike.
        """
        runs: dict[str, list[Record]] = {c.label: [] for c in self.candidates}
        tuned: dict[str, list[str]] = {c.label: [] for c in self.candidates}
        images = sum(self._images(fold) for fold in self.folds)
        with ExitStack() as stack:
            advance = stack.enter_context(progress(f"{self.total} runs", images))
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
                            record = Record(key, middle, self.recipe.schedule.epochs, error=why)
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

    def _choice(self, candidate: Candidate, rows: Any, trial: int) -> Choice:
        return candidate.choice(
            trial,
            lr=self.recipe.optimizer.lr,
            num_classes=len(set(self.photos.labels[rows].tolist())),
            embedding_dim=self.recipe.model.embedding_dim,
        )

    def _run(self, key: Key, choice: Choice, fold: Fold, advance: Callable[[int], None]) -> Record:
        """The record of a run: kept from before, or made now."""
        trial = key.stage == "trial"
        rows = fold.fitting if trial else fold.training
        epochs = self.recipe.schedule.epochs
        runs = self.folder / RUNS
        record = Record.load(runs, key, choice, epochs)
        if record is None:
            single = SingleRun(
                key,
                choice,
                self.recipe,
                self.photos,
                rows,
                fold.validation if trial else fold.test,
                seed=0 if trial else key.number,
            )
            record = single.complete(advance)
            record.save(runs)
        else:
            advance(epochs * len(rows))
        if record.error:
            self.say(f"failed: {key}: {record.error}")
        self.done += 1
        return record

    def _images(self, fold: Fold) -> int:
        each = self._tried() * len(fold.fitting) + self.seeds * len(fold.training)
        return each * self.recipe.schedule.epochs * len(self.candidates)

    def _folds_in_words(self) -> str:
        if self.fixed_test:
            return f"{len(self.folds[0].training):,} photos, {len(self.folds[0].test):,} unseen"
        return f"{len(self.photos.labels):,} photos in {len(self.folds)} folds"

    def settings(self) -> dict[str, Any]:
        """What all losses shared, for the page."""
        recipe, fold = self.recipe, self.folds[0]
        labels = self.photos.labels

        def people(rows: Any) -> str:
            return f"{len(rows):,} photos of {len(set(labels[rows].tolist())):,} identities"

        size = recipe.input
        return {
            "training": people(fold.training),
            "of these, for the trials": people(fold.fitting),
            "and to judge them": people(fold.validation),
            "test": people(fold.test),
            "folds": "a fixed test set" if self.fixed_test else len(self.folds),
            "seeds": self.seeds,
            "trials of each loss": self._tried() or "none: the middle of each range",
            "epochs": recipe.schedule.epochs,
            "network": f"{recipe.model.name}, {recipe.model.embedding_dim} numbers, from nothing",
            "input": f"{size.height}×{size.width} pixels, {size.channels} channels",
            "batch": _batch(recipe),
            "augmentation": f"the same {VIEWS} views of each photo for all",
            "data fingerprint": self.photos.training.fingerprint,
        }

    def spaces(self) -> dict[str, str]:
        """What is tuned of each loss."""
        rate = learning_rate(self.recipe.optimizer.lr)
        return {
            candidate.label: "; ".join(knob.range() for knob in (rate, *candidate.space.knobs))
            for candidate in self.candidates
        }


def _batch(recipe: Recipe) -> str:
    batch = recipe.batch
    if batch.sampler == "balanced":
        return f"{batch.identities} identities × {batch.images} photos"
    return f"{batch.size} photos ({batch.sampler})"
