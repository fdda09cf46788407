"""The recipe for given photos: what decides it, and that it can be written, read and trained."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import likewise
from likewise.data.manifest import Manifest
from likewise.errors import InputError
from likewise.losses import automatic_scale
from likewise.training.recipe.commented import commented
from likewise.training.recipe.named import find_recipe, list_recipes, recipe_notes
from likewise.training.recipe.recipe import Recipe, load_recipe, recipe_with
from likewise.training.recipe.unused_keys import refuse_unused_keys
from likewise.training.setup import choose as choosing
from likewise.training.setup.choose import begin_recipe, choose, recipe_for
from likewise.training.setup.compact import fixed_scale
from likewise.training.setup.components import split_of
from likewise.training.setup.photo_rate import photos_per_second
from likewise.training.setup.photo_sample import sample_photos
from tests.conftest import make_photos


def manifest_of(folder: Path, image: Image.Image, people: int = 4, each: int = 3) -> Manifest:
    """A set in which all photos are the same image."""
    for person in range(people):
        (folder / str(person)).mkdir(parents=True)
        for take in range(each):
            image.save(folder / str(person) / f"{take}.png")
    return likewise.read_manifest(folder)


def noise(width: int, height: int, channels: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(60, 190, (height, width, channels), dtype=np.uint8)
    return Image.fromarray(pixels[:, :, 0] if channels == 1 else pixels)


def ink(width: int, height: int) -> Image.Image:
    paper = np.full((height, width), 255, np.uint8)
    paper[height // 3 : height // 2, 4:-4] = 0
    return Image.fromarray(paper)


def test_nothing_is_left_to_the_data(tmp_path: Path) -> None:
    manifest = likewise.read_manifest(make_photos(tmp_path / "photos", people=8))
    recipe = recipe_for(manifest)
    assert recipe.batch.sampler == "balanced"
    refuse_unused_keys(recipe)
    (tmp_path / "r.yaml").write_text(commented(recipe))
    assert load_recipe(tmp_path / "r.yaml") == recipe


def test_a_scale_that_is_left_to_the_data_counts_the_people_to_train_on(tmp_path: Path) -> None:
    manifest = likewise.read_manifest(make_photos(tmp_path / "photos", people=8))
    scale = recipe_for(manifest, Recipe()).loss.parameters()["scale"]
    assert scale == automatic_scale(6)  # two are held out


def test_one_identity_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="only one identity"):
        recipe_for(likewise.read_manifest(make_photos(tmp_path / "photos", people=1)))


@pytest.mark.parametrize(
    ("image", "channels", "flip", "size"),
    [
        (noise(200, 200, 3), 3, 0.5, (64, 64)),
        (noise(92, 112, 1), 1, 0.5, (64, 64)),
        (noise(56, 58, 3), 3, 0.5, (48, 48)),
        (noise(20, 20, 3), 3, 0.5, (32, 32)),
        (ink(105, 105), 1, 0.0, (64, 64)),
        (noise(300, 100, 3), 3, 0.5, (40, 112)),  # 64² pixels in the form of 3 to 1
        (noise(100, 400, 3), 3, 0.5, (128, 32)),
    ],
)
def test_the_photos_decide_on_the_input(
    tmp_path: Path, image: Image.Image, channels: int, flip: float, size: tuple[int, int]
) -> None:
    recipe = choose(manifest_of(tmp_path / "photos", image)).recipe
    assert recipe.input.channels == channels
    assert recipe.augment.flip == flip
    assert (recipe.input.height, recipe.input.width) == size


def test_more_photos_get_more_steps_and_fewer_passes(tmp_path: Path) -> None:
    few = likewise.read_manifest(make_photos(tmp_path / "photos", people=4))
    recipes = []
    for times in (50, 500, 5000):
        rows = np.tile(np.arange(len(few)), times)
        recipes.append(choose(few.take(rows)).recipe)
    steps = [recipe.schedule.steps or 0 for recipe in recipes]
    passes = [16 * n / (16 * times) for n, times in zip(steps, (50, 500, 5000), strict=True)]
    assert steps == sorted(steps)
    assert passes == sorted(passes, reverse=True)
    dropouts = [recipe.model.dropout for recipe in recipes]
    assert dropouts == sorted(dropouts, reverse=True)
    assert dropouts[0] == 0.5


def with_single_photos(folder: Path, several: int, single: int) -> Manifest:
    counts = [2] * several + [1] * single
    for person, count in enumerate(counts):
        (folder / f"{person:03}").mkdir(parents=True)
        for take in range(count):
            noise(32, 32, 3).save(folder / f"{person:03}" / f"{take}.png")
    return likewise.read_manifest(folder)


def test_identities_with_one_photo_are_left_out_where_the_others_are_many(tmp_path: Path) -> None:
    manifest = with_single_photos(tmp_path, several=24, single=30)
    choice = choose(manifest)
    assert choice.recipe.data.min_photos == 2
    assert choice.seen == (
        "78 color photos of 54 identities, about 1 each, 30 with one photo left out"
    )
    only = choose(with_single_photos(tmp_path / "only", several=24, single=0)).recipe
    without = {"data": only.data, "loss": only.loss, "schedule": only.schedule}
    assert choice.recipe.model_copy(update=without) == only  # and nothing else changes
    training, held_out = split_of(manifest, choice.recipe)
    assert len(training.identities) + len(held_out.identities) == 24
    assert min(np.bincount(training.labels)) == 2


@pytest.mark.parametrize(("several", "single"), [(4, 30), (20, 100), (24, 0)])
def test_single_photos_stay_where_they_are_most_of_the_set(
    several: int, single: int, tmp_path: Path
) -> None:
    manifest = with_single_photos(tmp_path, several, single)
    assert choose(manifest).recipe.data.min_photos == 1


def test_a_setting_decides_who_is_left_out(tmp_path: Path) -> None:
    manifest = with_single_photos(tmp_path, several=24, single=30)
    recipe, why = begin_recipe(manifest, settings=["data.min_photos=1"])
    assert (recipe.data.min_photos, recipe.batch.draw) == (1, "equally")
    assert "left out" not in why
    with pytest.raises(InputError, match="data.min_photos: 3; no identity has so many"):
        begin_recipe(manifest, settings=["data.min_photos=3"])


def test_another_batch_keeps_the_way_to_draw(tmp_path: Path) -> None:
    for person in range(24):
        (tmp_path / str(person)).mkdir()
        for take in range(2 + person % 3):
            noise(32, 32, 3).save(tmp_path / str(person) / f"{take}.png")
    manifest = likewise.read_manifest(tmp_path)
    for setting, draw in (
        ("batch.size=32", "by_photos"), ("loss.name=triplet", "by_photos"),
        ("loss.name=cosface", "equally"), ("batch.draw=equally", "equally"),
    ):  # fmt: skip
        recipe, _ = begin_recipe(manifest, settings=[setting])
        assert recipe.batch.draw == draw, setting
        refuse_unused_keys(recipe)


def test_too_few_identities_with_enough_photos(tmp_path: Path) -> None:
    manifest = with_single_photos(tmp_path, several=8, single=2)
    with pytest.raises(InputError, match="to train on 0 have 3 photos or more; .* data.min_photos"):
        split_of(manifest, recipe_with(Recipe(), ["data.min_photos=3"]))


def test_gray_letters_on_a_plain_ground_are_drawings(tmp_path: Path) -> None:
    """Neither ink nor paper is near black or white; a photo has no ground of one gray."""
    ramp = np.linspace(60, 200, 64)[None].repeat(64, 0)
    letter = np.full((64, 64), 120.0)
    letter[20:40, 10:50] = ramp[20:40, 10:50]
    for name, pixels in (("letters", letter), ("photos", ramp)):
        image = Image.fromarray(pixels.astype(np.uint8))
        manifest = manifest_of(tmp_path / name, image)
        assert sample_photos(manifest).drawings == (name == "letters")
        assert choose(manifest).recipe.augment.flip == (0.0 if name == "letters" else 0.5)


def test_the_fixed_scale_is_that_of_adacos() -> None:
    assert fixed_scale(1000) == pytest.approx(math.sqrt(2) * math.log(999))
    assert fixed_scale(2) == 3.0


@pytest.mark.parametrize(("rate", "side"), [(1e9, 64), (1.0, 48)])
def test_a_budget_too_short_for_the_larger_input_gets_the_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: float, side: int
) -> None:
    monkeypatch.setattr(choosing, "photos_per_second", lambda _: rate)
    manifest = manifest_of(tmp_path / "photos", noise(200, 200, 3))
    found = choose(manifest, budget_minutes=1).recipe
    assert found.input.height == side
    assert found.training.budget_minutes == 1
    assert found.schedule.steps == choose(manifest).recipe.schedule.steps  # at the most
    refuse_unused_keys(found)


def test_the_rate_is_measured_and_leaves_the_random_state_alone() -> None:
    import torch

    torch.manual_seed(3)
    before = torch.get_rng_state()
    assert photos_per_second(find_recipe("compact")) > 1
    assert torch.equal(torch.get_rng_state(), before)


def test_broken_photos_are_passed_over(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path / "photos", noise(80, 60, 1))
    for path in sorted((tmp_path / "photos").glob("*/0.png")):
        path.write_bytes(b"no image")
    sample = sample_photos(manifest)
    assert (sample.seen, sample.width, sample.height, sample.gray) == (8, 80, 60, True)
    for path in (tmp_path / "photos").glob("*/*.png"):
        path.write_bytes(b"no image")
    assert sample_photos(manifest).seen == 0


def test_the_reason_names_what_was_seen(tmp_path: Path) -> None:
    manifest = manifest_of(tmp_path / "photos", noise(80, 80, 1))
    _, why = begin_recipe(manifest, settings=["input.height=48", "schedule.steps=7"])
    assert why == (
        "recipe compact: 12 gray photos of 4 identities, about 3 each: compactnet at 64×48, 7 steps"
    )


def test_named_recipes_are_complete_and_explained() -> None:
    for name in list_recipes():
        assert find_recipe(name)
        assert recipe_notes(name)


def test_an_unknown_name_is_refused_with_the_closest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'compact'"):
        find_recipe("compct")
    with pytest.raises(InputError, match=r"r\.yaml"):
        find_recipe(tmp_path / "r.yaml")


def test_photos_for_the_test_decide_on_nothing(tmp_path: Path) -> None:
    own = manifest_of(tmp_path / "photos", noise(200, 200, 3))
    others = manifest_of(tmp_path / "others", ink(105, 105), people=9)
    alone = choose(own)
    tables = [
        part.table.append_column("split", pa.array([name] * len(part)))
        for part, name in ((own, "train"), (others, "test"))
    ]
    rows = []
    for table, folder in zip(tables, ("photos", "others"), strict=True):
        paths = [f"{folder}/{path}" for path in table["path"].to_pylist()]
        place = table.schema.get_field_index("path")
        rows.append(table.set_column(place, "path", pa.array(paths)))
    both = Manifest(pa.concat_tables(rows), tmp_path)
    assert choose(both) == alone


def test_steps_follow_the_batch_that_the_settings_ask_for(tmp_path: Path) -> None:
    few = likewise.read_manifest(make_photos(tmp_path / "photos", people=40))
    many = few.take(np.tile(np.arange(len(few)), 20))
    whole, _ = begin_recipe(many)
    half, _ = begin_recipe(many, settings=["batch.identities=32"])
    assert (half.schedule.steps or 0) == pytest.approx((whole.schedule.steps or 0) / 2, abs=1)
    own, _ = begin_recipe(many, settings=["batch.identities=32", "schedule.steps=7"])
    assert own.schedule.steps == 7


@pytest.mark.parametrize(("each", "batch"), [(1, (2, 32)), (3, (3, 21)), (9, (4, 16))])
def test_a_batch_has_as_many_photos_of_a_person_as_there_are(
    tmp_path: Path, each: int, batch: tuple[int, int]
) -> None:
    chosen = choose(manifest_of(tmp_path / "photos", noise(40, 40, 1), people=40, each=each))
    assert (chosen.recipe.batch.images, chosen.recipe.batch.identities) == batch


@pytest.mark.parametrize(
    ("setting", "rate"),
    [("seed", 4e-5), ("loss.name=softmax", None), ("optimizer.name=sgd", None)],
)
def test_the_rate_of_the_class_weights_belongs_to_the_loss_and_the_optimizer(
    tmp_path: Path, setting: str, rate: float | None
) -> None:
    manifest = likewise.read_manifest(make_photos(tmp_path / "photos", people=8))
    settings = ["training.seed=1"] if setting == "seed" else [setting]
    assert begin_recipe(manifest, settings=settings)[0].optimizer.loss_lr == rate
    named = begin_recipe(manifest, settings=[*settings, "optimizer.loss_lr=0.5"])[0]
    assert named.optimizer.loss_lr == 0.5


@pytest.mark.parametrize("settings", [None, "input.height=64", {"input.height": 64}])
def test_settings_are_a_list(tmp_path: Path, settings: object) -> None:
    with pytest.raises(InputError, match="settings: a list is expected"):
        begin_recipe(None, Recipe(), settings)  # type: ignore[arg-type]  # on purpose
