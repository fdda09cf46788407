"""The folder --out of photos with their faces drawn in: their names, and what it may not hold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["drawn_folder", "save_picture"]


def drawn_folder(out: Path, files: Sequence[Path], record: str) -> dict[Path, str]:
    """Make the folder; returns a name for each drawn photo, without suffix, no two the same.

    Args:
        out: the folder.
        files: the photos, each once.
        record: the file that every run of the command writes into the folder.

    Raises:
        InputError: the folder holds one of the photos, or a file of such a name although no run
            has written there.
        LikewiseError: it cannot be written.
    """
    from likewise.errors import InputError
    from likewise.storage import output_folder

    there = out.resolve()
    if any(file.resolve().is_relative_to(there) for file in files):
        raise InputError(f"--out {out}: holds photos that are read; choose another folder")
    found: dict[Path, str] = {}
    taken: set[str] = set()  # in small letters: some disks ignore case
    for file in files:
        name, number = file.stem, 1
        while name.casefold() in taken:
            number += 1
            name = f"{file.stem}-{number}"
        taken.add(name.casefold())
        found[file] = name
    if not (out / record).exists():
        for name in found.values():
            if (out / f"{name}.jpg").exists():
                raise InputError(
                    f"--out {out}: holds {name}.jpg already, which this command did not write; "
                    "choose another folder"
                )
    output_folder(out)
    return found


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a picture atomically, as PNG or JPEG by its suffix."""
    from likewise.storage import new_file

    with new_file(path) as temporary:
        picture.save(temporary, "PNG" if path.suffix == ".png" else "JPEG", quality=90)
