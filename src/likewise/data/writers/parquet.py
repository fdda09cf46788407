"""Write Parquet files that contain the photos, readable by the Hugging Face hub."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from likewise.data.store import MAX_PHOTO_BYTES
from likewise.data.writers.registry import register_writer
from likewise.errors import InputError
from likewise.storage import new_file

__all__ = ["ParquetWriter"]

GROUP_BYTES = 2**20  # small, because random access to a photo decodes its row group
PART_BYTES = 512 * 2**20
FEATURES = {"image": {"_type": "Image"}, "identity": {"dtype": "string", "_type": "Value"}}
SCHEMA = pa.schema(
    {"image": pa.struct({"bytes": pa.binary(), "path": pa.string()}), "identity": pa.string()},
    {b"huggingface": json.dumps({"info": {"features": FEATURES}}).encode()},
)


@register_writer("parquet")
class ParquetWriter:
    """Writes ``part-00000.parquet`` …: ``image`` as ``{bytes, path}``, and ``identity``.

    The path is the photo's name. Row groups hold 1 MiB of photos, or one larger photo, with
    checksums. An incomplete Parquet file is unreadable, so ``state`` ends the current part: a part
    holds the photos between two calls of ``state``, at most 512 MiB and one photo.

    Args:
        out: the folder.
        state: None, or a value of ``state()`` to continue from.

    Example:
        >>> from likewise.data.formats import read_manifest
        >>> writer = ParquetWriter(out)
        >>> writer.write("anna/1.png", "anna", b"the photo")
        >>> writer.finish()
        >>> read_manifest(out).photo(0).read()
        b'the photo'
    """

    def __init__(self, out: Path, state: dict[str, Any] | None = None) -> None:
        self.out = out
        self._part: int = state["parts"] if state else 0
        for path in (*out.glob("part-*.parquet"), *out.glob(".part-*.tmp")):
            number = path.name.strip(".").split(".")[0].removeprefix("part-")
            if path.suffix == ".tmp" or (number.isdigit() and int(number) >= self._part):
                path.unlink()
        self._open = ExitStack()
        self._writer: pq.ParquetWriter | None = None
        self._rows: list[dict[str, Any]] = []
        self._rows_bytes = self._part_bytes = 0

    def write(self, name: str, identity: str, data: bytes) -> None:
        """Add a photo."""
        if len(data) > MAX_PHOTO_BYTES:
            raise InputError(
                f"{name}: {len(data):,} bytes; at most {MAX_PHOTO_BYTES:,} are written"
            )
        if self._rows and self._rows_bytes + len(data) > GROUP_BYTES:
            self._flush_group()
        self._rows.append({"image": {"bytes": data, "path": name}, "identity": identity})
        self._rows_bytes += len(data)
        if self._part_bytes + self._rows_bytes >= PART_BYTES:
            self._end_part()

    def state(self) -> dict[str, Any]:
        """The position of the writer, after the current part is completed and flushed."""
        self._end_part()
        return {"parts": self._part}

    def finish(self) -> None:
        """Complete the last part."""
        self._end_part()

    def _flush_group(self) -> None:
        if self._writer is None:
            path = self.out / f"part-{self._part:05d}.parquet"
            temporary = self._open.enter_context(new_file(path))
            self._writer = self._open.enter_context(
                pq.ParquetWriter(
                    temporary,
                    SCHEMA,
                    compression="none",  # photos are already compressed
                    use_dictionary=["identity"],
                    write_statistics=["identity"],
                    write_page_checksum=True,
                )
            )
        try:
            self._writer.write_table(pa.Table.from_pylist(self._rows, SCHEMA))
        except OSError:
            self._open.__exit__(*sys.exc_info())  # removes the part and reports the error
            raise
        self._part_bytes += self._rows_bytes
        self._rows, self._rows_bytes = [], 0

    def _end_part(self) -> None:
        if self._rows:
            self._flush_group()
        if self._writer is not None:
            self._open.close()
            self._writer, self._part_bytes = None, 0
            self._part += 1
