"""CUB-200-2011, Online Products, In-Shop and Cars-196: read from their layouts as published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from likewise.data.formats import format_of, read_manifest
from likewise.data.images import BadImage, decode
from likewise.data.manifest import Manifest
from likewise.data.missing_photos import require_some_photo
from likewise.errors import InputError
from tests.data.formats.published import (
    BIRDS,
    CARS,
    make_cars,
    make_cars_devkit,
    make_cub,
    make_in_shop,
    make_online_products,
)

MAKERS: dict[str, Callable[[Path], Path]] = {
    "cub": make_cub,
    "online-products": make_online_products,
    "in-shop": make_in_shop,
    "cars": make_cars,
}


def sides(manifest: Manifest) -> dict[str, str]:
    """The split of each photo by its path."""
    return dict(zip(manifest.names, manifest.table["split"].to_pylist(), strict=True))


def people(manifest: Manifest) -> dict[str, str]:
    return dict(zip(manifest.names, manifest.table["identity"].to_pylist(), strict=True))


@pytest.mark.parametrize("name", MAKERS)
def test_a_published_set_is_recognised_and_its_splits_share_no_class(
    name: str, tmp_path: Path
) -> None:
    folder = MAKERS[name](tmp_path / "set")
    format = format_of(folder)
    assert format is not None
    assert format.name == name
    manifest = read_manifest(folder)
    require_some_photo(manifest)
    for photo in manifest.photos():
        assert decode(photo).size == (40, 40)
    training, rest = set(manifest.split("train").identities), {
        person
        for side in ("test", "query", "gallery")
        for person in set(manifest.split(side).table["identity"].to_pylist())
    }  # fmt: skip
    assert len(training) == len(rest) == 2
    assert not training & rest


def test_birds(tmp_path: Path) -> None:
    manifest = read_manifest(make_cub(tmp_path))
    assert manifest.names[0] == "001.Albatross/bird 1.jpg"  # in the order of images.txt
    assert all(name.startswith(kind + "/") for name, kind in people(manifest).items())
    early = {f"{BIRDS[1]}/bird 0.jpg", f"{BIRDS[2]}/bird 1.jpg"}
    late = {f"{BIRDS[101]}/bird 0.jpg", f"{BIRDS[200]}/bird 1.jpg"}
    assert {sides(manifest)[name] for name in early} == {"train"}
    assert {sides(manifest)[name] for name in late} == {"test"}
    row = manifest.names.index("101.Pelican/bird 1.jpg")
    box = [
        manifest.table[f"box_{side}"][row].as_py() for side in ("left", "top", "right", "bottom")
    ]
    assert box == [4.0, 1.0, 24.0, 17.0]


def test_birds_cropped_to_their_boxes(tmp_path: Path) -> None:
    cropped = read_manifest(make_cub(tmp_path), format="cub-boxes")
    whole = read_manifest(tmp_path)
    assert cropped.names == whole.names
    photo = cropped.photo(cropped.names.index("101.Pelican/bird 1.jpg"))
    with Image.open(tmp_path / "images/101.Pelican/bird 1.jpg") as image:
        expected = np.asarray(image.convert("RGB"))[1:17, 4:24]
    np.testing.assert_array_equal(np.asarray(decode(photo)), expected)
    assert not isinstance(photo, Path)
    np.testing.assert_array_equal(np.asarray(decode(photo.read())), expected)  # as for a copy


def test_birds_without_boxes(tmp_path: Path) -> None:
    (make_cub(tmp_path) / "bounding_boxes.txt").unlink()
    assert "box_left" not in read_manifest(tmp_path).table.column_names
    with pytest.raises(InputError, match=r"bounding_boxes\.txt: no such file"):
        read_manifest(tmp_path, format="cub-boxes")


def test_a_box_outside_its_photo_is_a_bad_image(tmp_path: Path) -> None:
    path = make_cub(tmp_path) / "bounding_boxes.txt"
    path.write_text(path.read_text().replace("1 4.0 0.0 20.0 16.0", "1 38.0 0.0 20.0 16.0"))
    manifest = read_manifest(tmp_path, format="cub-boxes")
    with pytest.raises(BadImage, match="holds less than 8×8 of its 40×40 pixels"):
        decode(manifest.photo(manifest.names.index("001.Albatross/bird 0.jpg")))


def test_products(tmp_path: Path) -> None:
    manifest = read_manifest(make_online_products(tmp_path))
    assert people(manifest)["bicycle_final/11320_1.JPG"] == "11320"
    assert sides(manifest)["bicycle_final/2_0.JPG"] == "train"
    assert sides(manifest)["bicycle_final/11319_0.JPG"] == "test"
    assert set(manifest.table["super_class"].to_pylist()) == {"bicycle"}
    for name in ("train", "test"):
        (tmp_path / f"Ebay_{name}.txt").unlink()
    assert read_manifest(tmp_path).table.equals(manifest.table)  # from Ebay_info.txt


@pytest.mark.parametrize("below", ["", "Img"])
def test_clothes(below: str, tmp_path: Path) -> None:
    manifest = read_manifest(make_in_shop(tmp_path, below))
    require_some_photo(manifest)
    assert Counter(sides(manifest).values()) == {"train": 8, "query": 4, "gallery": 4}
    name = "img/WOMEN/Dresses/id_00000002/01_1_front.jpg"
    assert (people(manifest)[name], sides(manifest)[name]) == ("id_00000002", "gallery")
    assert manifest.photo(0) == tmp_path / below / manifest.names[0]


@pytest.mark.parametrize("compress", [True, False])
def test_cars(compress: bool, tmp_path: Path) -> None:
    manifest = read_manifest(make_cars(tmp_path, compress=compress))
    assert manifest.identities == sorted(CARS.values())
    assert sides(manifest)["car_ims/000004.jpg"] == "train"  # of class 98
    assert sides(manifest)["car_ims/000005.jpg"] == "test"  # of class 99
    cropped = read_manifest(tmp_path, format="cars-boxes")
    with Image.open(tmp_path / "car_ims/000002.jpg") as image:
        expected = np.asarray(image.convert("RGB"))[1:25, 2:30]  # both ends counted, from 1
    np.testing.assert_array_equal(np.asarray(decode(cropped.photo(1))), expected)


def test_cars_of_the_devkit(tmp_path: Path) -> None:
    manifest = read_manifest(make_cars_devkit(tmp_path))
    assert len(manifest) == 8
    assert people(manifest)["cars_test/00003.jpg"] == CARS[99]
    assert sides(manifest)["cars_test/00001.jpg"] == "train"  # by its class, not by its folder
    (tmp_path / "devkit" / "cars_test_annos_withlabels.mat").unlink()
    with pytest.raises(InputError, match="withlabels.mat: no such file; it names the classes"):
        read_manifest(tmp_path)


def test_a_set_with_lists_can_be_read_as_bare_folders(tmp_path: Path) -> None:
    make_cub(tmp_path)
    assert read_manifest(tmp_path / "images", format="folder").identities == list(BIRDS.values())
    with pytest.raises(InputError, match="format: unknown value 'cubs'; did you mean 'cub'"):
        read_manifest(tmp_path, format="cubs")


def test_a_table_may_choose_from_a_published_set(tmp_path: Path) -> None:
    make_cub(tmp_path / "set")
    (tmp_path / "some.csv").write_text("path,identity\nimages/001.Albatross/bird 0.jpg,a\n")
    manifest = read_manifest(tmp_path / "some.csv", tmp_path / "set")
    assert decode(manifest.photo(0)).size == (40, 40)


BROKEN: list[tuple[Callable[[Path], Path], str, str, str, str]] = [
    (make_cub, "image_class_labels.txt", "3 2\n", "3 two\n",
     r"image_class_labels\.txt: row 3: class_id is 'two'; must be a whole number"),
    (make_cub, "image_class_labels.txt", "3 2\n", "3 7\n",
     r"labels\.txt: row 3: the class_id 7 is not in classes\.txt"),
    (make_cub, "image_class_labels.txt", "3 2\n", "",
     r"images\.txt: row 2: the image_id 3 is not in image_class_labels\.txt"),
    (make_cub, "image_class_labels.txt", "3 2\n", "3 2\n99 2\n",
     r"labels\.txt: row 4: the image_id 99 is not in images\.txt"),
    (make_cub, "images.txt", "3 002.Grackle/bird 0.jpg\n", "3\n",
     r"images\.txt: row 2: 1 of 2 columns \(image_id path\): '3'"),
    (make_cub, "images.txt", "3 002.Grackle", "4 002.Grackle",
     r"images\.txt: rows 2 and 3: both have the image_id 4"),
    (make_cub, "images.txt", "3 002.Grackle/", "3 ../../",
     r"images\.txt: row 2: the path points outside"),
    (make_cub, "bounding_boxes.txt", "2 4.0 1.0 20.0 16.0", "2 4.0 1.0 20.0 wide",
     r"bounding_boxes\.txt: row 2: x, y, width and height must be numbers"),
    (make_cub, "bounding_boxes.txt", "2 4.0 1.0 20.0 16.0", "2 4.0 1.0 -20.0 16.0",
     r"bounding_boxes\.txt: row 2: the box .* is empty or not finite"),
    (make_online_products, "Ebay_test.txt", "image_id", "id",
     r"Ebay_test\.txt: row 1: the header is 'id class_id"),
    (make_online_products, "Ebay_test.txt", "6 11319", "6 2",
     r"Ebay_test\.txt: row 3: the class_id 2 is in Ebay_train\.txt too"),
    (make_in_shop, "Eval/list_eval_partition.txt", "16\n", "17\n",
     r"partition\.txt: row 1: says 17 photos, but 16 follow"),
    (make_in_shop, "Eval/list_eval_partition.txt", "16\n", "image_name\n",
     r"partition\.txt: row 1: must be the number of photos"),
    (make_in_shop, "Eval/list_eval_partition.txt", "    train\n", "    val\n",
     r"partition\.txt: row 3: evaluation_status is 'val'"),
    (make_in_shop, "Eval/list_eval_partition.txt", "    train\n", "    query\n",
     r"row 4: the item 'id_00000000' is in training and in query or gallery"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "file", "old", "new", "message"), BROKEN)
def test_a_broken_list_is_one_clear_line(
    make: Callable[[Path], Path], file: str, old: str, new: str, message: str, tmp_path: Path
) -> None:
    path = make(tmp_path) / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message) as caught:
        read_manifest(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ((98, "class"), np.array([[197]]), r"cars_annos\.mat: row 3: class is 197; must be from 1"),
        ((98, "class"), np.array([[1.5]]), r"cars_annos\.mat: row 3: class is 1\.5; must be"),
        ((98, "class"), "one", r"cars_annos\.mat: row 3: no number class"),
        ((98, "relative_im_path"), np.array([[1]]), r"row 3: no text relative_im_path"),
        ((98, "relative_im_path"), "/etc/passwd", r"row 3: the path points outside"),
        ((98, "bbox_x2"), np.array([[1]]), r"row 3: the box .* is empty"),
    ],
)
def test_broken_annotations_of_cars(
    old: tuple[int, str], new: object, message: str, tmp_path: Path
) -> None:
    import scipy.io

    path = make_cars(tmp_path) / "cars_annos.mat"
    values = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
    first = next(n for n, row in enumerate(values["annotations"][0]) if row["class"] == old[0])
    values["annotations"][0, first][old[1]] = new
    scipy.io.savemat(path, values)
    with pytest.raises(InputError, match=message):
        read_manifest(tmp_path)
