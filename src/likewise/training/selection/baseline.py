"""Baselines on the held-out people, before the first epoch: raw pixels, and the start model.

A network that is trained for hours and is no better than the pixels of the photos has learned
nothing that helps. So both are measured first, kept in the folder of the run, and compared with the
network after a third of the run and at its end.

The pixels are those of the network's input, averaged to 16 x 16, minus the mean training photo, and
then minus the mean of the photo itself. Of the cheap versions this one is best or near it: on 20
people of the AT&T faces AUC .916 (plain cosine of 56 x 56 pixels: .882), on 200 people of LFW .683
(.628), on 100 Omniglot characters .757 (.617). No held-out photo takes part in the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from likewise.data.manifest import Manifest
from likewise.data.photos import Readable
from likewise.data.preprocess import Preprocess
from likewise.data.reader import read_pixels
from likewise.errors import InputError
from likewise.evaluation.intervals.auc_estimate import AucEstimate, auc_text
from likewise.models.embedder import Embedder
from likewise.progress import progress
from likewise.storage import read_json, write_json
from likewise.training.validation import (
    ENOUGH,
    Interruption,
    embedded,
    interruptible,
    require_nonzero,
    score,
)

__all__ = ["BASELINES", "Baseline", "chosen_photos", "pixels_baseline", "start_baseline"]

BASELINES = "baseline.json"
PIXELS, START = "raw pixels", "the start model"
KEYS = {PIXELS: "pixels", START: "start"}
SIDE = 16  # of the averaged photo
MOST_PHOTOS = 5_000  # held-out photos that are compared
MEAN_PHOTOS = 512  # training photos of the mean: it hardly changes with more
BLOCK = 256

Interrupt = Callable[[], bool]


@dataclass(frozen=True)
class Baseline:
    """The AUC of a baseline on the held-out people.

    Args:
        name: ``raw pixels`` or ``the start model``.
        estimate: its AUC, with the influence of each held-out person.
    """

    name: str
    estimate: AucEstimate

    @property
    def auc(self) -> float:
        """The area under the ROC."""
        return self.estimate.value

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the AUC, over people."""
        found = self.estimate.interval()
        return found.low, found.high

    def __str__(self) -> str:
        return f"{self.name}: {auc_text(self.estimate.interval())}"

    def report(self) -> dict[str, float]:
        """The numbers for the log of the run."""
        (low, high), key = self.interval, f"baseline/{KEYS[self.name]}_auc"
        return {key: self.auc, f"{key}_low": low, f"{key}_high": high}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        low, high = self.interval
        return {"name": self.name, "auc": self.auc, "auc_low": low, "auc_high": high}

    def shortfall(self, network: AucEstimate) -> str:
        """Why the network does not clearly beat this baseline; "" if it does.

        Args:
            network: its AUC on the same people.

        Example:
            >>> import numpy as np
            >>> from likewise.evaluation.intervals.auc_estimate import AucEstimate, auc_text
            >>> from likewise.training.selection.baseline import Baseline
            >>> even = np.tile([0.01, -0.01], 10)
            >>> pixels = Baseline("raw pixels", AucEstimate(0.8, even, 20))
            >>> pixels.shortfall(AucEstimate(0.9, even, 20))
            ''
            >>> pixels.shortfall(AucEstimate(0.81, -even, 20))[:49]
            'does not clearly beat raw pixels on the held-out '
        """
        gap = network.minus(self.estimate).interval()
        if gap.low > 0:
            return ""
        how = "is worse than" if gap.high < 0 else "does not clearly beat"
        unsure = f" (only {network.people}: too few to tell)" if network.people < ENOUGH else ""
        return (
            f"{how} {self.name} on the held-out identities{unsure}: AUC {network.value:.3f} "
            f"against {self.auc:.3f}, 95 % interval of the "
            f"difference {gap.low:+.3f} to {gap.high:+.3f}"
        )


def pixels_baseline(
    training: Readable, held_out: Readable, preprocess: Preprocess, seed: int, interrupt: Interrupt
) -> Baseline:
    """Measure raw pixels.

    Args:
        training: the photos to train on; their mean is subtracted.
        held_out: the photos for validation.
        preprocess: from photos to the network's input.
        seed: draws the photos and pairs if there are too many.
        interrupt: called before each batch of photos.

    Raises:
        Interruption: ``interrupt`` returned True.
    """
    count = len(training.manifest)
    rows = np.sort(np.random.default_rng(seed).permutation(count)[:MEAN_PHOTOS])
    known, _ = _averaged(training, rows, preprocess, interrupt)
    rows = chosen_photos(held_out.manifest, seed)
    vectors, read = _averaged(held_out, rows, preprocess, interrupt)
    vectors = vectors - known.mean(axis=0)
    vectors -= vectors.mean(axis=1, keepdims=True)
    # A photo that is the mean itself has no direction. This one is at 90 degrees to all others.
    vectors[~vectors.any(axis=1)] = 1.0
    return Baseline(PIXELS, _estimate(vectors, held_out.manifest, read, seed))


def start_baseline(
    start: Embedder, held_out: Readable, preprocess: Preprocess, seed: int, interrupt: Interrupt
) -> Baseline:
    """Measure a start model as it is, with its own preprocessing; see ``pixels_baseline``.

    Raises:
        Interruption: ``interrupt`` returned True.
        BadWeights: an embedding is zero or not finite.
    """
    rows = chosen_photos(held_out.manifest, seed)
    pixels = held_out.pixels if _same_pixels(start.preprocess, preprocess) else None
    chosen = None if pixels is None else pixels[torch.from_numpy(rows)]
    with interruptible(start.module, interrupt):
        vectors, _, read = embedded(start, held_out.manifest.take(rows), chosen)
    require_nonzero(vectors, "held-out photos")
    return Baseline(START, _estimate(vectors, held_out.manifest, rows[read], seed))


def read_baselines(path: Path, key: Mapping[str, Any] | None) -> list[Baseline] | None:
    """The baselines of a run that were measured before; None if there are none.

    Args:
        path: of ``baseline.json``.
        key: what they depend on; of another run they count as none. None: they are of this run.
    """
    try:
        values = read_json(path)
        if key is not None and values["of"] != key:
            return None
        return [
            Baseline(str(one["name"]), AucEstimate.from_dict(one["estimate"]))
            for one in values["baselines"]
        ]
    except (InputError, KeyError, TypeError, ValueError):  # none, or damaged
        return None


def write_baselines(path: Path, found: Sequence[Baseline], key: Mapping[str, Any]) -> None:
    """Keep the baselines for a resumed run."""
    rows = [{**one.to_dict(), "estimate": one.estimate.to_dict()} for one in found]
    write_json(path, {"of": dict(key), "baselines": rows})


def _estimate(
    vectors: NDArray[np.float32], manifest: Manifest, rows: NDArray[np.int64], seed: int
) -> AucEstimate:
    return score(vectors, manifest.labels[rows], seed, len(manifest.identities))[1]


def _same_pixels(one: Preprocess, other: Preprocess) -> bool:
    """Whether both turn a photo into the same pixels; they may be normalised differently."""
    return all(
        getattr(one, key) == getattr(other, key) for key in ("height", "width", "channels", "fit")
    )


def chosen_photos(manifest: Manifest, seed: int, most: int | None = None) -> NDArray[np.int64]:
    """The rows of at most ``most`` (5,000) photos: as many of each person, of people drawn.

    Each person who has two keeps at least two.

    Example:
        >>> import likewise
        >>> from likewise.training.selection.baseline import chosen_photos
        >>> chosen_photos(likewise.read_manifest(photos), seed=0, most=6).tolist()
        [0, 2, 4, 7, 9, 11]
    """
    labels, most = manifest.labels, most or MOST_PHOTOS
    if len(labels) <= most:
        return np.arange(len(labels))
    order = np.random.default_rng(seed).permutation(len(labels))
    ranked = order[np.argsort(labels[order], kind="stable")]  # by person, in a random order
    starts = np.flatnonzero(np.diff(labels[ranked], prepend=-1))
    place = np.arange(len(ranked)) - np.repeat(starts, np.diff(starts, append=len(ranked)))
    each = max(2, most // len(starts))
    kept = ranked[place < each]
    if len(kept) > most:
        people = np.random.default_rng(seed).permutation(np.unique(labels))[: most // each]
        kept = kept[np.isin(labels[kept], people)]
    return np.sort(kept)


def _averaged(
    photos: Readable, rows: NDArray[np.int64], preprocess: Preprocess, interrupt: Interrupt
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The averaged pixels of some photos, [N,P], and the rows of those that can be read."""
    size = (min(SIDE, preprocess.height), min(SIDE, preprocess.width))

    def average(pixels: Tensor) -> Tensor:
        if interrupt():
            raise Interruption
        small = torch.nn.functional.adaptive_avg_pool2d(pixels.float(), size)
        return small.flatten(1)

    if photos.pixels is not None:
        parts = torch.from_numpy(rows).split(BLOCK)
        return torch.cat([average(photos.pixels[part]) for part in parts]).numpy(), rows
    found, read = [], []
    some = photos.manifest.take(rows)
    with progress("reading", len(rows)) as advance:
        for row, outcome in zip(rows.tolist(), read_pixels(some.photos(), preprocess), strict=True):
            if isinstance(outcome, Tensor):
                found.append(average(outcome[None]))
                read.append(row)
            advance(1)
    return torch.cat(found).numpy(), np.array(read, np.int64)
