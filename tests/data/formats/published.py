"""Small copies of published sets in their layouts, with photos made here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy.io

from tests.conftest import draw_person

BIRDS = {1: "001.Albatross", 2: "002.Grackle", 101: "101.Pelican", 200: "200.Yellowthroat"}
CARS = {1: "AM General Hummer", 98: "Ford C/V 2012", 99: "Geo Metro 1993", 196: "smart fortwo"}


def draw(path: Path, person: int, take: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draw_person(person, take).save(path)


def make_cub(folder: Path, each: int = 2) -> Path:
    """CUB-200-2011 with four kinds, the photos in another order than their numbers."""
    images, labels, boxes = [], [], []
    number = 0
    for kind, name in BIRDS.items():
        for take in range(each):
            number += 1
            draw(folder / "images" / name / f"bird {take}.jpg", kind, take)
            images.append(f"{number} {name}/bird {take}.jpg")
            labels.append(f"{number} {kind}")
            boxes.append(f"{number} 4.0 {take}.0 20.0 16.0")
    (folder / "images.txt").write_text("\n".join([*images[1:], images[0]]) + "\n")
    (folder / "image_class_labels.txt").write_text("\n".join(labels) + "\n")
    (folder / "bounding_boxes.txt").write_text("\n".join(boxes) + "\n")
    names = (f"{kind} {name}" for kind, name in BIRDS.items())
    (folder / "classes.txt").write_text("\n".join(names) + "\n")
    return folder


def make_online_products(folder: Path, products: int = 2, each: int = 2) -> Path:
    """Stanford Online Products with some products on each side."""
    number = 0
    everything = ["image_id class_id super_class_id path"]
    for part, first in (("train", 1), ("test", 11_319)):
        lines = everything[:1]
        for product in range(first, first + products):
            for take in range(each):
                number += 1
                name = f"bicycle_final/{product}_{take}.JPG"
                draw(folder / name, product, take)
                lines.append(f"{number} {product} 1 {name}")
        (folder / f"Ebay_{part}.txt").write_text("\n".join(lines) + "\n")
        everything += lines[1:]
    (folder / "Ebay_info.txt").write_text("\n".join(everything) + "\n")
    return folder


def make_in_shop(folder: Path, below: str = "", train: int = 2, searched: int = 2) -> Path:
    """DeepFashion In-Shop: items for training, and items with two queries, two in the gallery."""
    rows = []
    for item in range(train + searched):
        for take in range(4):
            name = f"img/WOMEN/Dresses/id_{item:08d}/0{take}_1_front.jpg"
            draw(folder / below / name, item, take)
            side = "train" if item < train else ("query", "gallery")[take % 2]
            rows.append(f"{name}    id_{item:08d}    {side}")
    (folder / "Eval").mkdir(exist_ok=True)
    head = [str(len(rows)), "image_name item_id evaluation_status"]
    (folder / "Eval" / "list_eval_partition.txt").write_text("\n".join(head + rows) + "\n")
    return folder


def make_cars(folder: Path, each: int = 2, compress: bool = True) -> Path:
    """Cars-196 with ``cars_annos.mat``; the names of the other 192 classes are there too."""
    rows = []
    number = 0
    for kind in CARS:
        for take in range(each):
            number += 1
            name = f"car_ims/{number:06d}.jpg"
            draw(folder / name, kind, take)
            rows.append((name, 3, 1 + take, 30, 25, kind, take % 2))
    fields = ["relative_im_path", "bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "test"]
    _save(folder / "cars_annos.mat", fields, rows, compress=compress, names=True)
    return folder


def make_cars_devkit(folder: Path) -> Path:
    """Cars-196 with the devkit and its two folders of photos."""
    (folder / "devkit").mkdir(parents=True)
    fields = ["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname"]
    for part, file in (("train", "train_annos"), ("test", "test_annos_withlabels")):
        rows = []
        for number, kind in enumerate(CARS, 1):
            draw(folder / f"cars_{part}" / f"{number:05d}.jpg", kind, part == "test")
            rows.append((1, 1, 20, 20, kind, f"{number:05d}.jpg"))
        _save(folder / "devkit" / f"cars_{file}.mat", fields, rows)
    _save(folder / "devkit" / "cars_meta.mat", fields, [], names=True)
    return folder


def _save(
    path: Path, fields: list[str], rows: Sequence[tuple[object, ...]], *, compress: bool = True,
    names: bool = False,
) -> None:  # fmt: skip
    values: dict[str, object] = {}
    if rows:
        annotations = np.empty((1, len(rows)), [(field, object) for field in fields])
        for place, row in enumerate(rows):
            annotations[0, place] = row
        values["annotations"] = annotations
    if names:
        cells = np.empty((1, 196), object)
        cells[0] = [CARS.get(number, f"model {number}") for number in range(1, 197)]
        values["class_names"] = cells
    scipy.io.savemat(path, values, do_compression=compress)
