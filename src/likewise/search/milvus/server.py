"""The connection to a Milvus server: every call has a timeout, every error is one line."""

from __future__ import annotations

import logging
import os
import re
import time
from typing import Any
from urllib.parse import urlsplit

from likewise.errors import InputError, LikewiseError, MissingExtra

__all__ = ["Server"]

TOKEN = "LIKEWISE_MILVUS_TOKEN"  # the environment variable, not a secret
# Seconds between attempts: gRPC waits too before it retries an address.
PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0)
# Calls that can be repeated safely: an upsert writes the same row again.
IDEMPOTENT = {"search", "query", "upsert", "delete", "describe_collection", "has_collection"}
UNAVAILABLE = re.compile(r"(?i)unavailable|fail connecting|deadline|timeout|timed out|connection")


class Server:
    """A Milvus server, the proxy of a cluster, or ``milvus-lite server``.

    The token, if the server needs one, is read from the environment variable
    ``LIKEWISE_MILVUS_TOKEN`` (``user:password`` or an API key); it is never stored.

    Args:
        uri: ``http://HOST:PORT`` or ``https://…``.
        timeout: time limit of one call, in seconds.

    Raises:
        InputError: the URI is invalid or contains a password.
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
        # pymilvus logs a traceback of every error that it raises.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        self._failures = (pymilvus.MilvusException, RpcError)
        self._pymilvus = pymilvus
        self._client: Any = None
        self._attempt("connect", self._connect, repeat=True)

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call a method of ``pymilvus.MilvusClient``; an idempotent one is retried if need be.

        Raises:
            LikewiseError: the server does not answer or reports an error; gives the reason.
        """

        def work() -> Any:
            return getattr(self._client, method)(*arguments, timeout=self.timeout, **options)

        return self._attempt(method, work, repeat=method in IDEMPOTENT)

    def _connect(self) -> None:
        self._client = self._pymilvus.MilvusClient(
            uri=self.uri, token=os.environ.get(TOKEN, ""), timeout=self.timeout
        )
        self._client.list_collections(
            timeout=self.timeout
        )  # creating a client may not contact the server

    def _attempt(self, what: str, work: Any, *, repeat: bool) -> Any:
        waited = 0.0
        for pause in (*PAUSES, float("inf")):
            try:
                return work()
            except self._failures as error:
                reason = _reason(error)
                unavailable = bool(UNAVAILABLE.search(reason))
                if unavailable and repeat and waited + pause <= self.timeout:
                    time.sleep(pause)
                    waited += pause
                    continue
                if unavailable:
                    raise LikewiseError(
                        f"Milvus at {self.uri} does not answer ({reason}); check that it is "
                        f"running, and {TOKEN}"
                    ) from None
                raise LikewiseError(f"Milvus at {self.uri}: {what} failed: {reason}") from None
        raise AssertionError

    def page(self, pages: Any) -> list[dict[str, Any]]:
        """The next page of a ``query_iterator``; empty at the end."""
        return list(self._attempt("query", pages.next, repeat=False))

    def schema(self, dimension: int, description: str, index: dict[str, Any]) -> dict[str, Any]:
        """The arguments of ``create_collection``: int64 ids, vectors, items as JSON, an index."""
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
        raise InputError(f"the URI of Milvus contains a password; put it into {TOKEN}")
    if not known:
        raise InputError(f"{uri}: not a URI of Milvus; write http://HOST:PORT or https://HOST:PORT")
    return uri.rstrip("/")


def _reason(error: Exception) -> str:
    text = getattr(error, "message", "") or str(error)
    return " ".join(text.split())[:200].strip("<>") or type(error).__name__
