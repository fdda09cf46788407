"""Notice photos of faces that are not aligned, by a small sample: alignment decides everything."""

from __future__ import annotations

import shlex
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from likewise.data.images import BadImage, decode
from likewise.data.manifest import Manifest
from likewise.data.preprocess import Preprocess
from likewise.errors import LikewiseError
from likewise.faces.alignment.templates import TEMPLATES, Template
from likewise.faces.choice import faces_taken
from likewise.faces.face import Face
from likewise.faces.finder import FaceFinder

__all__ = ["AlignmentSample", "alignment_notice", "sample_alignment"]

SAMPLE = 32
SECONDS = 2.0  # after which looking ends; what was seen by then decides
LOOKED_AT = 320  # pixels of the longest side: a face that a photo is of is found there, fast
FEWEST = 6  # photos seen from which a conclusion is drawn
FAR = 0.3  # of the distance between the eyes: aligned crops lie below .2, see docs/alignment.md
MOST = 0.5  # share of the sample with a face, and of these that lie far off
DEFAULT = "arcface"


@dataclass(frozen=True)
class AlignmentSample:
    """What a sample of photos shows.

    Args:
        seen: photos looked at.
        offsets: of each photo with a face: the mean distance of its five points from the template,
            after the preprocessing, in units of the template's distance between the eyes.
        template: the name of the template.
    """

    seen: int
    offsets: tuple[float, ...]
    template: str

    @property
    def far(self) -> int:
        """Photos whose face is not aligned."""
        return sum(offset > FAR for offset in self.offsets)

    @property
    def not_aligned(self) -> bool:
        """Whether most photos hold a face, and most of these faces are not aligned."""
        return (
            self.seen >= FEWEST
            and len(self.offsets) >= MOST * self.seen
            and self.far > MOST * len(self.offsets)
        )


def alignment_notice(
    manifest: Manifest, preprocess: Preprocess | None = None, *, source: str = ""
) -> str | None:
    """One line if most photos hold faces that are not aligned; None otherwise, or if unknown.

    It is not known where the extra ``faces`` is missing: nothing is said then. Photos whose
    alignment is recorded are not looked at.

    Args:
        manifest: the photos.
        preprocess: of the model; its alignment names the template. By default ArcFace's, 112 × 112.
        source: the photos as the user named them, for the commands that the line proposes.
    """
    if manifest.alignment is not None:
        return None
    try:
        found = sample_alignment(manifest, preprocess)
    except LikewiseError:  # the extra is missing, or its files are others: detection says so
        return None
    if not found.not_aligned:
        return None
    name = source or str(manifest.root)
    return (
        f"{name}: faces that are not aligned ({found.far} of {found.seen} sampled); aligned crops "
        f"are recognised far better: add --detect, or run: likewise data align "
        f"{shlex.quote(name)} aligned/"
    )


def sample_alignment(
    manifest: Manifest, preprocess: Preprocess | None = None, *, seconds: float | None = None
) -> AlignmentSample:
    """Look for faces in at most 32 photos, the same ones each time, for two seconds.

    Six are looked at however long it takes: a busy machine notices the same.

    Args:
        manifest: the photos.
        preprocess: from a photo to the input of the model.
        seconds: after which no more than six are looked at; None: two.

    Raises:
        MissingExtra: the extra ``faces`` is not installed.
    """
    used = preprocess or Preprocess()
    template = TEMPLATES.get(used.alignment or DEFAULT, TEMPLATES[DEFAULT])
    finder = FaceFinder(scales=(LOOKED_AT,))
    # From all of the set, and shuffled: those that are seen in time are from all of it, too.
    rows = np.unique(np.linspace(0, len(manifest) - 1, SAMPLE).astype(np.int64))
    np.random.default_rng(0).shuffle(rows)
    until = time.monotonic() + (SECONDS if seconds is None else seconds)
    seen, offsets = 0, []
    for row in rows.tolist():
        try:
            photo = decode(manifest.photo(row), least=2 * LOOKED_AT)
            faces = finder.find(photo)
        except BadImage:
            continue
        seen += 1
        if faces:
            face = faces[faces_taken(faces, photo.size)[0]]
            offsets.append(_offset(face, photo.size, used, template))
        if seen >= FEWEST and time.monotonic() > until:
            break
    return AlignmentSample(seen, tuple(offsets), template.name)


def _offset(face: Face, size: tuple[int, int], preprocess: Preprocess, template: Template) -> float:
    points = _preprocessed(face.points, size, preprocess)
    side = max(preprocess.width, preprocess.height)
    # A narrower input is the middle of the template, as 96 × 112 is of 112 × 112.
    margin = np.array([side - preprocess.width, side - preprocess.height]) / 2
    expected = template.at(max(side, 16)) - margin
    eyes = np.linalg.norm(expected[1] - expected[0])
    return float(np.linalg.norm(points - expected, axis=1).mean() / eyes)


def _preprocessed(
    points: NDArray[np.float32], size: tuple[int, int], preprocess: Preprocess
) -> NDArray[np.float64]:
    """Points [5,2] of a photo of this size, in pixels of the network's input."""
    photo = np.array(size, np.float64)
    wanted = np.array([preprocess.width, preprocess.height], np.float64)
    scale = wanted / photo
    if preprocess.fit == "crop":
        scale[:] = scale.max()
    elif preprocess.fit == "pad":
        scale[:] = scale.min()
    return points * scale + (wanted - photo * scale) / 2
