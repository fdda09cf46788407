"""Align many photos, in order: in this process, or by several."""

from __future__ import annotations

import io
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from likewise.data.images import BadImage, ImageSource, decode
from likewise.data.reader import read_ahead
from likewise.errors import InputError, LikewiseError
from likewise.faces.aligned_set.settings import AlignSettings
from likewise.faces.choice import faces_taken
from likewise.faces.detectors.registry import list_detectors
from likewise.faces.explain import why_no_face
from likewise.faces.face import Face
from likewise.faces.finder import FaceFinder

__all__ = ["Aligned", "align_many", "aligned_photo"]

AHEAD = 4  # photos decoded in advance: each may have 300 MB of pixels
BATCH = 4  # photos that a process is given at a time
QUALITY = 95
TOO_MANY = "end other programs or start fewer with --processes"


@dataclass(frozen=True)
class Aligned:
    """The faces of a photo, or why there are none.

    Args:
        faces: all of them, largest first; their own crops are left out.
        taken: the places of the faces that were taken.
        crops: the encoded crop of each of these.
        reason: why it is broken, or why it has no face; empty if it has one.
        broken: whether the photo is broken.
    """

    faces: tuple[Face, ...] = ()
    taken: tuple[int, ...] = ()
    crops: tuple[bytes, ...] = ()
    reason: str = ""
    broken: bool = False


def aligned_photo(
    photo: Image.Image | BadImage, finder: FaceFinder, settings: AlignSettings
) -> Aligned:
    """The faces of a photo, and the crops of those that the settings take.

    Args:
        photo: decoded, or why it cannot be.
        finder: of ``settings``.
        settings: which faces are taken, and how their crops are encoded.
    """
    if isinstance(photo, BadImage):
        return Aligned(reason=photo.reason, broken=True)
    try:
        found = finder.examine(photo)
    except BadImage as bad:
        return Aligned(reason=bad.reason, broken=True)
    except MemoryError:
        return Aligned(reason="not enough memory to find its faces", broken=True)
    faces = found.faces
    taken = tuple(faces_taken(faces, photo.size, settings.keep))
    crops = tuple(_encoded(faces[place].crop, settings.format) for place in taken)
    why = why_no_face(found, all_scales=True)  # no other sizes can be asked for here
    return Aligned(tuple(map(_without_crop, faces)), taken, crops, why)


def align_many(
    photos: Iterable[ImageSource], settings: AlignSettings, *, processes: int = 1
) -> Iterator[Aligned]:
    """Yield what ``aligned_photo`` gives for each photo, in order.

    Args:
        photos: paths, photos in a store, and the like.
        settings: how they are aligned.
        processes: that work beside this one; 1: this one does it all.

    Raises:
        MissingExtra: the extra ``faces`` is not installed.
        InputError: other processes do not know the detector.
        LikewiseError: a process was ended by the system.
    """
    if processes <= 1:
        finder = settings.finder()
        for photo in read_ahead(photos, decode, ahead=AHEAD):
            yield aligned_photo(photo, finder, settings)
        return
    settings.finder()  # whatever is missing is told once, by this process
    waiting: deque[Future[list[Aligned]]] = deque()
    stream = iter(photos)
    batches = iter(lambda: tuple(islice(stream, BATCH)), ())
    # Spawned, not forked: the threads of torch and ONNX Runtime do not survive a fork.
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (settings,))
    try:
        waiting.extend(pool.submit(_work, batch) for batch in islice(batches, 2 * processes))
        while waiting:
            yield from waiting.popleft().result()
            waiting.extend(pool.submit(_work, batch) for batch in islice(batches, 1))
    except BrokenProcessPool:
        raise LikewiseError(
            f"a process was ended by the system, perhaps for lack of memory; {TOO_MANY}, and "
            "continue with --resume"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


# Of a process that works for another one: what it works with, or why it cannot.
_own: tuple[FaceFinder, AlignSettings] | LikewiseError | None = None


def _begin(settings: AlignSettings) -> None:
    global _own  # set once, at the start of a process
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that gathers
    torch.set_num_threads(1)
    try:
        _own = settings.finder(), settings
    except LikewiseError as error:  # told with the first photos: here it would end the process
        _own = _unknown_here(settings) or error


def _unknown_here(settings: AlignSettings) -> InputError | None:
    if settings.detector in list_detectors():
        return None
    return InputError(
        f"detector {settings.detector}: other processes do not know it; register it at the top of "
        "the script or of a module that it imports, or use one process"
    )


def _work(photos: tuple[ImageSource, ...]) -> list[Aligned]:
    assert _own is not None
    if isinstance(_own, LikewiseError):
        raise _own
    return [aligned_photo(_decoded(photo), *_own) for photo in photos]


def _decoded(photo: ImageSource) -> Image.Image | BadImage:
    try:
        return decode(photo)
    except BadImage as bad:
        return bad


def _without_crop(face: Face) -> Face:
    none = np.zeros((0, 0, 3), np.uint8)
    return Face(face.box, face.points, face.score, face.landmark_score, face.turn, none,
                face.reasons, face.signals)  # fmt: skip


def _encoded(crop: NDArray[np.uint8], format: str) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(crop)
    if format == "png":
        image.save(buffer, "PNG")
    else:
        image.save(buffer, "JPEG", quality=QUALITY, subsampling=0)
    return buffer.getvalue()
