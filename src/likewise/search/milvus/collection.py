"""One index as a Milvus collection; the name of the index is an alias of the collection."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa

from likewise.errors import InputError, LikewiseError
from likewise.search.contents.space import Space
from likewise.search.engines.engine import Ids, Vectors
from likewise.search.milvus.items import Columns, columns_of, item_rows, united
from likewise.search.milvus.parameters import METRICS
from likewise.search.milvus.server import Server

__all__ = ["LIMIT", "About", "Collection", "among"]

LIMIT = 16_384  # Milvus's limit of results of one query
KEY = "likewise"
MAHALANOBIS = "mahalanobis"
FACTOR = "_factor"  # suffix of the collection that holds the factor of a Mahalanobis distance
PLAIN = {"index_type": "FLAT", "metric_type": "L2", "params": {}}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
MESSAGE_BYTES = 4 * 2**20  # of one message, far below any server's limit
MESSAGE_IDS = 4096
NOT_LOADED = re.compile(r"(?i)not loaded|released|call load")


@dataclass(frozen=True)
class About:
    """The properties of an index, stored with its collection."""

    metric: str
    fingerprint: str
    dimension: int
    settings: dict[str, Any]
    search_settings: dict[str, Any]
    columns: Columns | None
    format: int = field(default=1)


class Collection:
    """The rows ``id | vector | item`` of one index, read with strong consistency.

    The name of the index is an alias: a new collection is filled first, then the alias is switched.
    """

    def __init__(
        self, server: Server, name: str, about: About, factor: Vectors | None = None
    ) -> None:
        self.server, self.name, self.about = server, name, about
        self.space = Space(about.metric, factor)

    @classmethod
    def create(
        cls, server: Server, name: str, about: About, index: dict[str, Any],
        ids: Ids, vectors: Vectors, items: pa.Table | None, factor: Vectors | None = None,
    ) -> Collection:  # fmt: skip
        """Create a collection with these rows; an index of this name is replaced.

        Args:
            server: the connection.
            name: of the index.
            about: the properties of the index.
            index: index type and parameters for the server.
            ids: int64 [N].
            vectors: float32 [N,D], prepared by the space.
            items: N rows, or None.
            factor: the factor, float32 [D,D'], of a Mahalanobis distance; stored in a collection of
                its own, because it is too large for a collection's properties.

        Raises:
            InputError: an invalid name, or one of a collection that is not an index of Likewise.
            LikewiseError: the server does not answer or reports an error.
        """
        if not NAME.fullmatch(name):
            raise InputError(f"collection {name!r}: must be at most 200 letters, digits and _")
        old = None
        if server.call("has_collection", name):
            described = _described(server, name)
            old = described["collection_name"]
            if old == name:
                raise InputError(f"collection {name}: another program made it; choose another name")
            _about(server, name, described)
        inner = f"{name}_{uuid4().hex[:8]}"
        try:
            if factor is not None:
                rows = About("euclidean", about.fingerprint, factor.shape[1], {}, {}, None)
                cls._filled(
                    server, inner + FACTOR, rows, PLAIN, np.arange(len(factor)), factor, None
                )
            cls._filled(server, inner, about, index, ids, vectors, items)
            server.call("create_alias" if old is None else "alter_alias", inner, name)
        except BaseException:
            with suppress(LikewiseError):
                _drop(server, inner)
            raise
        if old is not None:
            _drop(server, old)
        return cls(server, name, about, factor)

    @classmethod
    def _filled(
        cls, server: Server, name: str, about: About, index: dict[str, Any],
        ids: Ids, vectors: Vectors, items: pa.Table | None,
    ) -> None:  # fmt: skip
        text = json.dumps(asdict(about), sort_keys=True)
        made = server.schema(about.dimension, text, index)
        server.call("create_collection", name, properties={KEY: text}, **made)
        cls(server, name, about).write(ids, vectors, items)
        server.call("flush", name)

    @classmethod
    def open(cls, server: Server, name: str) -> Collection:
        """Open the collection of an index.

        Raises:
            InputError: there is none, or it is not an index of Likewise.
        """
        if not NAME.fullmatch(name) or not server.call("has_collection", name):
            raise InputError(
                f"{server.uri}: has no index {name!r}; make one with MilvusIndex.build"
            )
        described = _described(server, name)
        about = _about(server, name, described)
        factor = None
        if about.metric == MAHALANOBIS:
            beside = f"{described['collection_name']}{FACTOR}"
            factor = cls(server, beside, _about(server, beside)).vectors()
        return cls(server, name, about, factor)

    def __len__(self) -> int:
        return self.count("")

    def ask(self, method: str, **options: Any) -> Any:
        """Read with strong consistency; load the collection first if the server was restarted.

        Raises:
            LikewiseError: the server does not answer or reports an error.
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
        """How many rows match an expression; all rows if it is empty."""
        found = self.ask("query", filter=where, output_fields=["count(*)"])
        return int(found[0]["count(*)"])

    def write(self, ids: Ids, vectors: Vectors, items: pa.Table | None) -> None:
        """Write rows; rows with the same ids are replaced.

        Raises:
            InputError: items that JSON cannot hold, or that do not fit the columns.
        """
        described = item_rows(items, len(ids))
        if items is not None:
            self._extend(columns_of(items))
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
        """The ids that the index has, ascending."""
        found = [row["id"] for part in _parts(ids) for row in self.rows(among(part), ["id"])]
        return np.sort(np.array(found, np.int64))

    def rows(self, where: str, fields: Sequence[str]) -> list[dict[str, Any]]:
        """The rows that match an expression, at most ``LIMIT``, in any order."""
        found: list[dict[str, Any]] = self.ask(
            "query", filter=where, output_fields=list(fields), limit=LIMIT
        )
        return found

    def pages(self, where: str, fields: Sequence[str]) -> Iterator[list[dict[str, Any]]]:
        """All rows that match an expression, page by page, by ascending id."""
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

    def vectors(self) -> Vectors:
        """All vectors, float32 [N,D], by ascending id."""
        parts = [np.empty((0, self.about.dimension), np.float32)]
        for page in self.pages("", ["id", "vector"]):
            parts.append(np.array([row["vector"] for row in page], np.float32))
        return np.concatenate(parts)

    def drop(self) -> None:
        """Remove the index from the server."""
        inner = _described(self.server, self.name)["collection_name"]
        self.server.call("drop_alias", self.name)
        _drop(self.server, inner)

    def _extend(self, columns: Columns) -> None:
        """Add new columns to the stored properties, which other clients may have changed."""
        if united(self.about.columns or {}, columns) == self.about.columns:
            return
        described = _described(self.server, self.name)
        now = _about(self.server, self.name, described)
        self.about = replace(now, columns=united(now.columns or {}, columns))
        text = json.dumps(asdict(self.about), sort_keys=True)
        inner = described["collection_name"]
        self.server.call("alter_collection_properties", inner, properties={KEY: text})


def among(ids: Ids) -> str:
    """The expression for a set of at most some thousands of ids."""
    return f"id in [{','.join(map(str, ids.tolist()))}]"


def _parts(ids: Ids) -> Iterator[Ids]:
    return (ids[start : start + MESSAGE_IDS] for start in range(0, len(ids), MESSAGE_IDS))


def _about(server: Server, name: str, described: dict[str, Any] | None = None) -> About:
    described = _described(server, name) if described is None else described
    text = described.get("properties", {}).get(KEY) or described.get("description", "")
    try:
        about = About(**json.loads(str(text)))
        if about.metric not in (*METRICS, MAHALANOBIS):
            raise ValueError(about.metric)
    except (TypeError, ValueError):
        raise InputError(f"{server.uri}: collection {name} is not an index of Likewise") from None
    if about.format != 1:
        raise InputError(f"{server.uri}: index {name} is of format {about.format}, not 1")
    return about


def _drop(server: Server, inner: str) -> None:
    """Drop a collection without an alias, and the collection of its factor."""
    for name in (inner, inner + FACTOR):
        if server.call("has_collection", name):
            server.call("drop_collection", name)


def _described(server: Server, name: str) -> dict[str, Any]:
    found: dict[str, Any] = server.call("describe_collection", name)
    return found
