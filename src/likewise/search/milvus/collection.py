"""One index as a Milvus collection: made under a name of its own, then given the index's name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa

from likewise.errors import InputError, LikewiseError
from likewise.search.engine import Ids, Vectors
from likewise.search.milvus.items import Columns, item_rows
from likewise.search.milvus.server import Server

__all__ = ["LIMIT", "About", "Collection", "among"]

LIMIT = 16_384  # answers of one query, Milvus's limit
KEY = "likewise"
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
MESSAGE_BYTES = 4 * 2**20  # of a message, far below any server's limit
MESSAGE_IDS = 4096
NOT_LOADED = re.compile(r"(?i)not loaded|released|call load")


@dataclass(frozen=True)
class About:
    """What a collection tells of itself."""

    metric: str
    fingerprint: str
    dimension: int
    settings: dict[str, Any]
    search_settings: dict[str, Any]
    columns: Columns | None
    format: int = field(default=1)


class Collection:
    """The rows ``id | vector | item`` of one index, read as of now (consistency level strong).

    The index's name is an alias: a new collection is filled first, and takes the name in one step.
    """

    def __init__(self, server: Server, name: str, about: About) -> None:
        self.server, self.name, self.about = server, name, about

    @classmethod
    def create(
        cls, server: Server, name: str, about: About, index: dict[str, Any],
        ids: Ids, vectors: Vectors, items: pa.Table | None,
    ) -> Collection:  # fmt: skip
        """Make a collection of these rows, in the place of the one that had the name.

        Raises:
            InputError: the name is none, or a collection that is no index of ours has it.
            LikewiseError: the server does not answer, or refuses.
        """
        if not NAME.fullmatch(name):
            raise InputError(f"collection {name!r}: letters, digits and _, at most 200 of them")
        old = None
        if server.call("has_collection", name):
            old = _described(server, name)["collection_name"]
            if old == name:
                raise InputError(f"collection {name}: another program made it; choose another name")
            cls.open(server, name)
        inner = f"{name}_{uuid4().hex[:8]}"
        text = json.dumps(asdict(about), sort_keys=True)
        made = server.schema(about.dimension, text, index)
        server.call("create_collection", inner, properties={KEY: text}, **made)
        try:
            made_one = cls(server, inner, about)
            made_one.write(ids, vectors, items)
            server.call("flush", inner)
            server.call("create_alias" if old is None else "alter_alias", inner, name)
        except BaseException:
            with suppress(LikewiseError):
                server.call("drop_collection", inner)
            raise
        if old is not None:
            server.call("drop_collection", old)
        return cls(server, name, about)

    @classmethod
    def open(cls, server: Server, name: str) -> Collection:
        """The collection that has this name.

        Raises:
            InputError: there is none, or it is no index of ours.
        """
        if not NAME.fullmatch(name) or not server.call("has_collection", name):
            raise InputError(
                f"{server.uri}: has no index {name!r}; make one with MilvusIndex.build"
            )
        described = _described(server, name)
        text = described.get("properties", {}).get(KEY) or described.get("description", "")
        try:
            about = About(**json.loads(str(text)))
        except (TypeError, ValueError):
            raise InputError(f"{server.uri}: collection {name} is no index of Likewise's") from None
        if about.format != 1:
            raise InputError(f"{server.uri}: index {name} is of format {about.format}, not 1")
        return cls(server, name, about)

    def __len__(self) -> int:
        return self.count("")

    def ask(self, method: str, **options: Any) -> Any:
        """Read as of now. A server that was started anew may have to load the collection first.

        Raises:
            LikewiseError: the server does not answer, or refuses.
        """
        options["consistency_level"] = "Strong"
        try:
            return self.server.call(method, self.name, **options)
        except LikewiseError as error:
            if not NOT_LOADED.search(str(error)):
                raise
        self.server.call("load_collection", self.name)
        return self.server.call(method, self.name, **options)

    def count(self, where: str) -> int:
        """How many rows an expression lets through; all if it is empty."""
        found = self.ask("query", filter=where, output_fields=["count(*)"])
        return int(found[0]["count(*)"])

    def write(self, ids: Ids, vectors: Vectors, items: pa.Table | None) -> None:
        """Write rows, in the place of those that have the same ids."""
        described = item_rows(items, len(ids))
        step = max(1, min(MESSAGE_IDS, MESSAGE_BYTES // (4 * vectors.shape[1] + 512)))
        for start in range(0, len(ids), step):
            part = slice(start, start + step)
            rows = [
                {"id": number, "vector": vector, "item": item}
                for number, vector, item in zip(
                    ids[part].tolist(), vectors[part], described[part], strict=True
                )
            ]
            self.server.call("upsert", self.name, rows)

    def delete(self, ids: Ids) -> None:
        """Remove rows by id."""
        for part in _parts(ids):
            self.server.call("delete", self.name, ids=part.tolist())

    def known(self, ids: Ids) -> Ids:
        """Those of the ids that are here, ascending."""
        found = [row["id"] for part in _parts(ids) for row in self.rows(among(part), ["id"])]
        return np.sort(np.array(found, np.int64))

    def rows(self, where: str, fields: Sequence[str]) -> list[dict[str, Any]]:
        """The rows that an expression lets through, at most ``LIMIT``, in any order."""
        found: list[dict[str, Any]] = self.ask(
            "query", filter=where, output_fields=list(fields), limit=LIMIT
        )
        return found

    def pages(self, where: str, fields: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """All rows that an expression lets through, page by page, ids ascending."""
        size = 4 * self.about.dimension if "vector" in fields else 256
        step = max(1, min(MESSAGE_IDS, MESSAGE_BYTES // size))
        pages = self.ask(
            "query_iterator", filter=where, output_fields=list(fields), batch_size=step
        )
        try:
            while page := self.server.page(pages):
                yield page
        finally:
            pages.close()

    def extend(self, columns: Columns) -> None:
        """Note columns that were not here before."""
        both = {**columns, **(self.about.columns or {})}
        if both != self.about.columns:
            self.about = About(**{**asdict(self.about), "columns": both})
            text = json.dumps(asdict(self.about), sort_keys=True)
            inner = _described(self.server, self.name)["collection_name"]
            self.server.call("alter_collection_properties", inner, properties={KEY: text})

    def drop(self) -> None:
        """Remove the index from the server."""
        inner = _described(self.server, self.name)["collection_name"]
        self.server.call("drop_alias", self.name)
        self.server.call("drop_collection", inner)


def among(ids: Ids) -> str:
    """The expression of a set of ids, at most some thousands: whole numbers alone go in."""
    return f"id in [{','.join(map(str, ids.tolist()))}]"


def _parts(ids: Ids) -> Iterator[Ids]:
    return (ids[start : start + MESSAGE_IDS] for start in range(0, len(ids), MESSAGE_IDS))


def _described(server: Server, name: str) -> dict[str, Any]:
    found: dict[str, Any] = server.call("describe_collection", name)
    return found
