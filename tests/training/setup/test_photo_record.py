"""The photos that a run is trained on are the same on all ranks and when it is resumed."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import likewise
from likewise.data.formats import read_manifest
from likewise.data.formats.table import write_table
from likewise.data.photos import keep_readable
from likewise.data.preprocess import Preprocess
from likewise.errors import InputError
from likewise.training.setup.photo_record import PhotoRecord, keep_records, read_records
from likewise.training.trainer import Trainer
from tests.conftest import draw_person, make_photos, quick_recipe
from tests.gloo import together
from tests.integration.runs import same_end

STREAMED = ("data.keep_mib=0",)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return make_photos(tmp_path / "photos", people=6)


@pytest.fixture
def stopped(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Starts a run and stops it after its second step."""

    def begin(*settings: str) -> Path:
        steps = Trainer.step

        def step(self: Trainer, *given: Any) -> Any:
            outcome = steps(self, *given)
            if self.step_number == 2:
                signal.raise_signal(signal.SIGINT)
            return outcome

        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "step", step)
            run = likewise.train(photos, tmp_path / "run", quick_recipe(*settings))
        assert not run.finished
        return run.folder

    return begin


def damage(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:200])


def test_a_record_is_read_as_written(photos: Path, tmp_path: Path) -> None:
    damage(photos / "person01" / "2.png")
    manifest, preprocess = read_manifest(photos), Preprocess(32, 32)
    for keep in (2**30, 0):
        found = keep_readable(manifest, preprocess, on_bad_image="skip", keep_bytes=keep)
        record = PhotoRecord.of(manifest, found, preprocess)
        empty = manifest.take([])
        nothing = keep_readable(empty, preprocess, on_bad_image="skip", keep_bytes=keep)
        keep_records(tmp_path / "f", (record, PhotoRecord.of(empty, nothing, preprocess)))
        again, none = read_records(tmp_path / "f")
        assert again.names.to_pylist() == manifest.names
        assert again.people.to_pylist() == [name.split("/")[0] for name in manifest.names]
        assert again.tried == (keep > 0)
        assert again.bad.tolist() == ([6] if keep else [])
        assert again.seen.tolist() == [row for row in range(24) if row != 6]
        np.testing.assert_array_equal(again.thumbnails, record.thumbnails)
        assert len(none.names) == len(none.seen) == 0


def test_a_thumbnail_has_the_means_of_sixteen_parts(photos: Path) -> None:
    manifest, preprocess = read_manifest(photos), Preprocess(32, 24)
    found = keep_readable(manifest, preprocess, on_bad_image="skip", keep_bytes=2**30)
    looks = PhotoRecord.of(manifest, found, preprocess).thumbnails
    for row, look in enumerate(looks):
        grey = np.asarray(preprocess.image(manifest.photo(row))).astype(float).mean(2)
        parts = grey.reshape(4, 8, 4, 6).mean((1, 3)).ravel()
        assert np.abs(look - parts).max() <= 0.51


def test_a_pixel_that_differs_by_a_level_is_no_change(photos: Path) -> None:
    """Versions of a decoder differ by that much; another photo differs by far more."""
    manifest, preprocess = read_manifest(photos), Preprocess(32, 32)
    found = keep_readable(manifest, preprocess, on_bad_image="skip", keep_bytes=2**30)
    assert found.pixels is not None
    record = PhotoRecord.of(manifest, found, preprocess)
    found.pixels[:, :, ::2] = found.pixels[:, :, ::2].clamp(max=253) + 2
    assert record.changes(manifest, found, preprocess) == []
    found.pixels[7] = found.pixels[12]
    assert record.changes(manifest, found, preprocess) == ["1 changed (person01/3.png)"]


@pytest.mark.parametrize("settings", [(), STREAMED])
def test_replaced_photos_are_named(
    settings: tuple[str, ...], photos: Path, stopped: Callable[..., Path]
) -> None:
    run = stopped(*settings)
    one, other = photos / "person00" / "1.png", photos / "person03" / "2.png"
    shutil.move(one, photos.parent / "aside")
    shutil.move(other, one)
    shutil.move(photos.parent / "aside", other)
    with pytest.raises(
        InputError, match=r"began with: 2 changed \(person00/1.png, person03/2.png\)\. Put them"
    ):
        likewise.train(photos, run, resume=True)


def test_photos_that_became_unreadable_are_named(
    photos: Path, stopped: Callable[..., Path]
) -> None:
    run = stopped("data.val_identities=2")
    for file in (photos / "person02").iterdir():
        damage(file)
    with pytest.raises(InputError, match=r"4 cannot be read now \(person02/0.png, .*, …\)"):
        likewise.train(photos, run, resume=True)


def test_photos_that_can_be_read_again_stay_left_out(
    photos: Path, tmp_path: Path, stopped: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """All photos of a person can be read again: the classes of the run do not change."""
    kept = tmp_path / "kept"
    shutil.move(photos / "person02", kept)
    (photos / "person02").mkdir()
    for file in kept.iterdir():
        (photos / "person02" / file.name).write_bytes(b"no photo")
    likewise.train(photos, tmp_path / "whole", quick_recipe())
    run = stopped()
    for file in kept.iterdir():
        shutil.copy(file, photos / "person02" / file.name)
    result = likewise.train(photos, run, resume=True)
    assert (result.finished, result.identities, result.images) == (True, 5, 20)
    assert "4 can be read again (person02/0.png, " in caplog.text
    same_end(tmp_path / "whole", run)


def test_changed_rows_are_named(photos: Path, tmp_path: Path, stopped: Callable[..., Path]) -> None:
    run = stopped()

    def refused(data: Path) -> str:
        with pytest.raises(InputError, match="not those that the run began with") as error:
            likewise.train(data, run, resume=True)
        assert "\n" not in str(error.value)
        assert str(run / "model") in str(error.value)
        return str(error.value)

    shutil.move(photos / "person05" / "3.png", photos / "person05" / "7.png")
    assert ": 1 gone (person05/3.png); 1 new (person05/7.png)." in refused(photos)
    shutil.move(photos / "person05" / "7.png", photos / "person05" / "3.png")
    manifest = read_manifest(photos)
    people = manifest.table["identity"].to_pylist()

    def as_table(name: str, people: list[str], order: list[int]) -> Path:
        table = manifest.table.set_column(1, "identity", [people]).take(order)
        write_table(likewise.Manifest(table, photos), photos / name)
        return photos / name

    rows = list(range(24))
    assert "began with: in another order." in refused(as_table("a.csv", people, rows[::-1]))
    people[4] = "person00"
    assert "1 of another person (person01/0.png)." in refused(as_table("b.csv", people, rows))
    shutil.move(photos / "person01", photos / "zoe")
    message = refused(photos)
    assert "4 gone (person01/0.png, " in message
    assert "people gone: 1 (person01); people new: 1 (zoe)." in message


def test_a_missing_list_is_a_warning(
    photos: Path, tmp_path: Path, stopped: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    run = stopped("schedule.epochs=4")
    (run / "photos.parquet").write_bytes(b"another run's")
    with pytest.raises(InputError, match=r"photos.parquet: damaged, or of another run"):
        likewise.train(photos, run, resume=True)
    (run / "photos.parquet").unlink()
    assert likewise.train(photos, run, resume=True).finished
    assert "photos.parquet is missing" in caplog.text
    caplog.clear()
    assert likewise.train(photos, run, resume=True, epochs=5).finished
    assert "missing" not in caplog.text


def local_copies(folder: Path, rank: int, world: int) -> list[Any]:
    """Two processes, each with its copy of the photos, one of which has broken photos."""
    result = likewise.train(folder / f"copy{rank}", folder / "both", quick_recipe())
    bad = sorted(Path(str(bad)).name for bad in result.bad_images)
    return [result.identities, result.images, bad]


def test_processes_train_on_photos_that_all_can_read(photos: Path, tmp_path: Path) -> None:
    """A person of whom one process can read no photo is left out, and no label is shifted."""
    broken = [photos / "person01" / f"{n}.png" for n in range(4)] + [photos / "person04" / "0.png"]
    for rank in (0, 1):
        shutil.copytree(photos, tmp_path / f"copy{rank}")
    for file in broken:
        damage(tmp_path / "copy1" / file.relative_to(photos))
        damage(file)
    both = together(partial(local_copies, tmp_path), 2, tmp_path, met=False)
    assert [found[:2] for found in both] == [[5, 19], [5, 19]]
    assert len(both[0][2]) == 5
    assert all(name.endswith("(on process 1)") for name in both[0][2])
    alone = likewise.train(photos, tmp_path / "alone", quick_recipe())
    assert (alone.identities, alone.images) == (5, 19)
    models = [likewise.load(tmp_path / run / "model") for run in ("both", "alone")]
    assert models[0].identities == models[1].identities
    for one, other in zip(*(m.module.state_dict().values() for m in models), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-3)


def test_an_enlarged_photo_is_no_change(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", people=2, each=2)
    manifest, preprocess = read_manifest(photos), Preprocess(32, 32)
    found = keep_readable(manifest, preprocess, on_bad_image="skip", keep_bytes=0)
    record = PhotoRecord.of(manifest, found, preprocess)
    draw_person(0, 0).resize((200, 200), Image.Resampling.BICUBIC).save(
        photos / "person00" / "0.png"
    )
    draw_person(9, 0, 64).save(photos / "person01" / "1.png")
    assert record.changes(manifest, found, preprocess) == ["1 changed (person01/1.png)"]
