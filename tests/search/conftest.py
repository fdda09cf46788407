"""Where an index can be: in this process by one of the families, or on a server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.util import find_spec
from types import SimpleNamespace

import pytest

from tests.search.backends import BACKENDS, Backend
from tests.search.milvus.lite import LiteServer


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a Milvus server on this machine alone."""
    for package, extra in (("pymilvus", "likewise[milvus]"), ("milvus_lite", "likewise[dev]")):
        if find_spec(package) is None:
            pytest.skip(f"not installed: pip install '{extra}'")
    from pymilvus.client import grpc_handler

    server = LiteServer(tmp_path_factory.mktemp("milvus"))
    # The client sleeps half a second before it asks whether a new collection has its index.
    sooner = SimpleNamespace(time=time.time, sleep=lambda seconds: time.sleep(seconds / 50))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(grpc_handler, "time", sooner)
        yield server.uri
    server.kill()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend in turn."""
    name = request.param
    return Backend(name, request.getfixturevalue("milvus") if name == "milvus" else None)
