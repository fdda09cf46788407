"""What the photos of a set are like, by a sample: their size, their colors, drawings or photos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from likewise.data.images import BadImage, ImageSource, decode
from likewise.data.manifest import Manifest
from likewise.data.reader import read_ahead

__all__ = ["PhotoSample", "sample_photos"]

SAMPLE = 64  # photos: enough for medians; half a second where they are large
DECODED_AT = 256  # pixels of the shorter side of a large JPEG
GRAY = 4  # levels by which the channels of a gray photo differ, from its compression
EXTREME = 48  # levels: a pixel this near to black or white is ink or paper
NEARLY_ALL = 0.95  # of the sample
DRAWN = 0.85  # the share of such pixels in a drawing
PLAIN, NEAR = 0.5, 2  # or the share of its background, within so many levels of one gray


@dataclass(frozen=True)
class PhotoSample:
    """What the photos of a set are like.

    Args:
        seen: photos that could be read.
        height: the median height, in pixels; of large photos that of a smaller decoding.
        width: the median width, likewise.
        gray: whether nearly all are without color.
        drawings: whether nearly all are ink on a plain ground: characters, signatures, drawings.
    """

    seen: int
    height: int
    width: int
    gray: bool
    drawings: bool

    @property
    def aspect(self) -> float:
        """The median width over the median height; 1 of a square."""
        return self.width / self.height


def sample_photos(manifest: Manifest) -> PhotoSample:
    """Look at 64 photos spread over the whole set: the same ones each time.

    Broken photos are passed over. If none can be read, the sample says nothing in particular:
    square photos in color. What is broken is reported where the photos are read.

    Example:
        >>> import likewise
        >>> from likewise.training.setup.photo_sample import sample_photos
        >>> sample_photos(likewise.read_manifest(photos)).drawings
        False
    """
    rows = np.unique(np.linspace(0, len(manifest) - 1, SAMPLE).astype(np.int64))
    looks = read_ahead((manifest.photo(row) for row in rows.tolist()), _look)
    seen = [look for look in looks if not isinstance(look, BadImage)]
    if not seen:
        return PhotoSample(0, 112, 112, gray=False, drawings=False)
    values = np.array(seen, np.float64)
    height, width = np.median(values[:, :2], axis=0)
    gray, drawn = values[:, 2:].mean(axis=0) >= NEARLY_ALL
    return PhotoSample(len(seen), int(height), int(width), bool(gray), bool(gray and drawn))


def _look(source: ImageSource) -> tuple[int, int, bool, bool]:
    """Height, width, whether it is gray, and whether it is a drawing."""
    image = decode(source, least=DECODED_AT)
    pixels = np.asarray(image).astype(np.int16)
    gray = int((pixels.max(axis=2) - pixels.min(axis=2)).mean()) <= GRAY
    level = pixels.mean(axis=2)
    extreme = float(((level < EXTREME) | (level > 255 - EXTREME)).mean())
    counts = np.bincount(level.astype(np.int64).ravel(), minlength=256)
    background = np.convolve(counts, np.ones(2 * NEAR + 1)).max() / level.size
    return image.height, image.width, gray, extreme >= DRAWN or background >= PLAIN
