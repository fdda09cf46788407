"""The server away, killed, or not what it should be: one line, within its time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from likewise.errors import InputError, LikewiseError, MissingExtra
from likewise.search.milvus.index import MilvusIndex
from tests.search.milvus.lite import LiteServer, free_port

pytest.importorskip("pymilvus", reason="not installed: pip install 'likewise[milvus]'")


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("", "http://HOST:PORT"),
        ("./milvus.db", "http://HOST:PORT"),
        ("ftp://host", "http://HOST:PORT"),
        ("http://", "http://HOST:PORT"),
        ("http://root:hidden@host:19530", "LIKEWISE_MILVUS_TOKEN"),
    ],
)
def test_wrong_uris(uri: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        MilvusIndex.open(uri, "faces")
    assert "hidden" not in str(caught.value)


def test_nobody_there(capfd: pytest.CaptureFixture[str]) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(LikewiseError, match=rf"Milvus at {uri} does not answer") as caught:
        MilvusIndex.open(uri, "faces", timeout=1)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_killed_and_back_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    pytest.importorskip("milvus_lite", reason="not installed: pip install 'likewise[dev]'")
    server = LiteServer(tmp_path)
    index = MilvusIndex.build(np.eye(4), [1, 2, 3, 4], uri=server.uri, collection="faces")
    index.add(2 * np.eye(4)[:1] + 1, [5])
    server.kill()
    index._collection.server.timeout = 1
    with pytest.raises(LikewiseError, match="does not answer"):
        index.search(np.eye(4), 1)
    index._collection.server.timeout = 60
    server.start()
    try:
        assert index.search(np.eye(4), 1)[1][:, 0].tolist() == [1, 2, 3, 4]
        assert len(index) == 5
    finally:
        server.kill()


def test_the_token_goes_to_the_client_and_nowhere_else(
    milvus: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pymilvus

    seen: list[str] = []
    real = pymilvus.MilvusClient.__init__

    def watched(self: object, *arguments: object, token: str = "", **options: object) -> None:
        seen.append(token)
        real(self, *arguments, token=token, **options)

    monkeypatch.setattr(pymilvus.MilvusClient, "__init__", watched)
    monkeypatch.setenv("LIKEWISE_MILVUS_TOKEN", "root:hidden")
    index = MilvusIndex.build(np.eye(3), uri=milvus, collection="token")
    assert seen == ["root:hidden"]
    index.save(tmp_path)
    assert b"hidden" not in (tmp_path / "index.json").read_bytes()
    assert "hidden" not in repr(index)


def test_the_extra_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(MissingExtra, match=r"pip install 'likewise\[milvus\]'"):
        MilvusIndex.open("http://127.0.0.1:1", "faces")


def test_the_interface_loads_no_client() -> None:
    code = "import likewise.search.interface, sys; print({'pymilvus', 'grpc'} & {*sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"
