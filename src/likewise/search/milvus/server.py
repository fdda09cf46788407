"""The connection to a Milvus server: every call bounded in time, every failure one line."""

from __future__ import annotations

import logging
import os
import re
import time
from typing import Any
from urllib.parse import urlsplit

from likewise.errors import InputError, LikewiseError, MissingExtra

__all__ = ["TOKEN", "Server"]

TOKEN = "LIKEWISE_MILVUS_TOKEN"  # the environment variable, not a secret
# Between attempts, in seconds: gRPC itself lets some pass before it tries an address again.
PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
# What can be said twice without harm: an upsert writes the same row again.
REPEATABLE = {"search", "query", "upsert", "delete", "describe_collection", "has_collection"}
AWAY = re.compile(r"(?i)unavailable|fail connecting|deadline|timeout|timed out|connection")


class Server:
    """A Milvus server, a cluster's proxy or ``milvus-lite server``.

    The token, if the server wants one, is read from the environment variable
    ``LIKEWISE_MILVUS_TOKEN`` (``user:password`` or an API key); it is never written anywhere.

    Args:
        uri: ``http://HOST:PORT`` or ``https://…``.
        timeout: seconds that one call may take.

    Raises:
        InputError: the URI is none, or holds a password.
        MissingExtra: pymilvus is not installed.
        LikewiseError: the server does not answer.
    """

    def __init__(self, uri: str, *, timeout: float = 60.0) -> None:
        self.uri, self.timeout = _checked_uri(uri), timeout
        try:
            import pymilvus
            from grpc import RpcError
        except ImportError:
            raise MissingExtra("an index on a Milvus server", "milvus") from None
        # It logs a traceback of what it also raises, and we tell in one line.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        self._failures = (pymilvus.MilvusException, RpcError)
        self._pymilvus = pymilvus
        self._client: Any = None
        self._attempt("connect", self._connect, repeat=True)

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of ``pymilvus.MilvusClient``; one that can be repeated is, if need be.

        Raises:
            LikewiseError: the server does not answer, or refuses; says why.
        """

        def work() -> Any:
            return getattr(self._client, method)(*arguments, timeout=self.timeout, **options)

        return self._attempt(method, work, repeat=method in REPEATABLE)

    def _connect(self) -> None:
        self._client = self._pymilvus.MilvusClient(
            uri=self.uri, token=os.environ.get(TOKEN, ""), timeout=self.timeout
        )
        self._client.list_collections(timeout=self.timeout)  # a client that is kept asks nothing

    def _attempt(self, what: str, work: Any, *, repeat: bool) -> Any:
        waited = 0.0
        for pause in (*PAUSES, float("inf")):
            try:
                return work()
            except self._failures as error:
                reason = _reason(error)
                away = bool(AWAY.search(reason))
                if away and repeat and waited + pause <= self.timeout:
                    time.sleep(pause)
                    waited += pause
                    continue
                if away:
                    raise LikewiseError(
                        f"Milvus at {self.uri} does not answer ({reason}); is it running, and "
                        f"{TOKEN} right?"
                    ) from None
                raise LikewiseError(f"Milvus at {self.uri} refuses to {what}: {reason}") from None
        raise AssertionError

    def page(self, pages: Any) -> list[dict[str, Any]]:
        """The next page of a ``query_iterator``; empty at the end."""
        return list(self._attempt("query", pages.next, repeat=False))

    def schema(self, dimension: int, description: str, index: dict[str, Any]) -> dict[str, Any]:
        """What ``create_collection`` wants: int64 ids, vectors, items as JSON, and an index."""
        kind, client = self._pymilvus.DataType, self._pymilvus.MilvusClient
        schema = client.create_schema(
            auto_id=False, enable_dynamic_field=False, description=description
        )
        schema.add_field("id", kind.INT64, is_primary=True)
        schema.add_field("vector", kind.FLOAT_VECTOR, dim=dimension)
        schema.add_field("item", kind.JSON)
        parameters = client.prepare_index_params()
        parameters.add_index("vector", **index)
        return {"schema": schema, "index_params": parameters, "consistency_level": "Strong"}


def _checked_uri(uri: str) -> str:
    try:
        parts = urlsplit(uri)
        known = parts.scheme in ("http", "https") and parts.hostname
        secret = parts.username or parts.password
    except ValueError:
        known = secret = None
    if secret:
        raise InputError(f"the URI of Milvus holds a password; put it into {TOKEN}")
    if not known:
        raise InputError(f"{uri}: the URI of Milvus is http://HOST:PORT or https://HOST:PORT")
    return uri.rstrip("/")


def _reason(error: Exception) -> str:
    text = getattr(error, "message", "") or str(error)
    return " ".join(text.split())[:200].strip("<>") or type(error).__name__
