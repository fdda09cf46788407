"""The formats that labelled photos come in, one a file; each is read as a manifest, in place.

A format is known by its look (``recognises``), and read without being unpacked (``read``). The
first of ``FORMATS`` that recognises a path reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

from likewise.data.labels import clean_label
from likewise.data.manifest import Manifest
from likewise.data.text_file import lines_of, marked_encoding

__all__ = ["FORMATS", "Format", "format_of"]

Reader = Callable[[Path, Path | None], Manifest]


@dataclass(frozen=True)
class Format:
    """A format of labelled photos.

    Args:
        name: what a person calls it.
        looks_like: what it is recognised by, for messages.
        module: where its ``read(path, root) -> Manifest`` is; imported when it is used.
        recognises: whether a path that exists looks like this.
    """

    name: str
    looks_like: str
    module: str
    recognises: Callable[[Path], bool]

    def read(self, path: Path, root: Path | None = None) -> Manifest:
        """Read it as a manifest; ``root`` is where the paths of a table start from."""
        reader = cast(Reader, import_module(f"likewise.data.formats.{self.module}").read)
        return reader(path, root)


def _asked(module: str) -> Callable[[Path], bool]:
    """A format that is known by its content: its module's ``recognises`` tells."""

    def recognises(path: Path) -> bool:
        found: bool = import_module(f"likewise.data.formats.{module}").recognises(path)
        return found

    return recognises


def _named(*suffixes: str) -> Callable[[Path], bool]:
    return lambda path: path.is_file() and path.suffix.lower() in suffixes


def _is_record_set(path: Path) -> bool:
    return (path / "train.rec").is_file() or (path.suffix.lower() == ".rec" and path.is_file())


def _is_msceleb(path: Path) -> bool:
    """Whether the first line has seven columns, and they are no header of a manifest."""
    if path.suffix.lower() != ".tsv" or not path.is_file():
        return False
    try:
        with path.open("rb") as stream:  # six of the columns are short
            start = stream.read(2**16)
    except OSError:
        return False
    encoding = marked_encoding(start) or "utf-8"
    fields = next(iter(lines_of(start.decode(encoding, "replace"))), "").split("\t")
    return len(fields) == 7 and not {"path", "identity"} <= set(map(clean_label, fields))


# The more particular come first: a folder of identities is any folder.
FORMATS: tuple[Format, ...] = (
    Format("RecordIO", "a .rec, or a folder that holds train.rec", "insightface", _is_record_set),
    Format("MS-Celeb-1M", "a .tsv of seven columns without header", "msceleb", _is_msceleb),
    Format("huggingface", "a Hugging Face dataset saved to disk", "huggingface",
           _asked("huggingface")),
    Format("parquet", "a .parquet, or a folder of them, with the photos inside", "parquet_photos",
           _asked("parquet_photos")),
    Format("tar", "a .tar, or a folder of them", "tar_shards", _asked("tar_shards")),
    Format("table", "a .csv, .tsv, .parquet or .arrow", "table",
           _named(".csv", ".tsv", ".parquet", ".arrow")),
    Format("verification_bin", "a .bin validation set of InsightFace", "verification_bin",
           _named(".bin")),
    Format("zip", "a .zip with one folder an identity", "zip", _named(".zip")),
    Format("folder", "a folder with one sub-folder an identity", "folder", Path.is_dir),
)  # fmt: skip


def format_of(path: Path) -> Format | None:
    """The format that a path looks like, or None."""
    return next((format for format in FORMATS if format.recognises(path)), None)
