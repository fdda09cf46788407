"""Embedding by several processes gives the rows of one, and broken photos in order."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

import likewise
from likewise.data.images import BadImage
from likewise.models.shared_embedding import embed_distributed
from likewise.shares import Share
from tests.conftest import make_photos


def test_several_processes_give_the_embeddings_of_one(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=7)
    for broken in ("person00/1.png", "person03/0.png", "person06/3.png"):
        (photos / broken).write_bytes(b"no photo")
    manifest, embedder = likewise.read_manifest(photos), likewise.load(model)
    alone, bad = embedder.embed_manifest(manifest, batch_size=4, on_bad_image="skip")
    found: dict[int, object] = {}

    def one(rank: int) -> None:
        share = Share(rank, 3, tmp_path / "shares")
        found[rank] = embed_distributed(
            embedder, manifest, share, batch_size=4, on_bad_image="skip", everywhere=rank == 1
        )

    threads = [threading.Thread(target=one, args=(rank,), daemon=True) for rank in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found[2] is None
    for rank in (0, 1):
        embeddings, broken = found[rank]
        np.testing.assert_array_equal(embeddings.vectors, alone.vectors)
        assert embeddings.items.equals(alone.items)
        assert embeddings.fingerprint == alone.fingerprint
        assert [str(b) for b in broken] == [str(b) for b in bad]
    with pytest.raises(BadImage, match="person00"):
        embed_distributed(embedder, manifest, Share(0, 3, tmp_path / "shares"), batch_size=4)


def test_a_changed_photo_is_embedded_again(model: Path, tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=2)
    embedder = likewise.load(model)
    share = Share(0, 2, tmp_path / "shares")

    def vectors() -> np.ndarray:
        manifest = likewise.read_manifest(photos)
        embed_distributed(embedder, manifest, Share(1, 2, share.folder))
        return embed_distributed(embedder, manifest, share)[0].vectors

    before = vectors()
    (photos / "person00" / "0.png").write_bytes((photos / "person01" / "0.png").read_bytes())
    after = vectors()
    assert not np.array_equal(after[0], before[0])
    np.testing.assert_allclose(after[0], after[4], atol=1e-6)
