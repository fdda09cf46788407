"""A manifest of a dataset object: a torch ``Dataset``, a Hugging Face dataset, any sequence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from likewise.arrays import as_array
from likewise.data.containers.dataset_store import DatasetPhotos
from likewise.data.formats.identity_level import SPLITS as FOLDERS
from likewise.data.labels import checked_labels, with_identities
from likewise.data.manifest import SPLITS, Manifest
from likewise.data.store import StoredPhoto
from likewise.errors import InputError, first_few
from likewise.progress import progress

__all__ = ["is_dataset", "manifest_of", "photos_of"]

IMAGE, LABEL = ("image", "img"), ("identity", "label")  # names of columns, the first that is there
STORED = ("targets", "labels")  # where datasets of torchvision keep all their labels
CHECKED = 3  # items of which the stored label is compared with that of the item


def is_dataset(value: object) -> bool:
    """Whether this is a dataset, or a dictionary of them by split, rather than a path."""
    return not isinstance(value, str | Path | Manifest) and hasattr(value, "__getitem__")


def manifest_of(
    dataset: Any,
    *,
    labels: ArrayLike | None = None,
    image: str | None = None,
    label: str | None = None,
) -> Manifest:
    """The photos of a dataset as a manifest, which everything else takes.

    A dataset gives ``(image, label)`` for each row: a torch ``Dataset``, a list, or any object with
    ``len()`` and ``[row]``. An image is a PIL image; NumPy [H,W,C] or torch [C,H,W] of uint8 or of
    floats from 0 to 1; encoded bytes or a path. Items may also be dictionaries, as those of a
    Hugging Face ``Dataset`` are. Photos are read when they are needed.

    Args:
        dataset: one dataset; or several by their split: train, val, test, query, gallery, as a
            ``DatasetDict`` has them.
        labels: the identity of each row [N], instead of those in the items. Without them, labels
            are taken from ``targets`` or ``labels`` of the dataset (as in torchvision), from the
            column of a Hugging Face dataset, or else from one pass through all items.
        image: the key of the photo in an item; None: ``image`` or ``img``.
        label: the key of the label; None: ``identity`` or ``label``.

    Returns:
        A manifest whose photos are named by their row. The identity is the name of the class where
        the dataset has names (``classes``, or a ``ClassLabel``), else the label as text. There is
        no identity if the items are bare images.

    Raises:
        InputError: the dataset has no length, an item no photo or no label, or a split is unknown.

    Example:
        >>> import numpy as np
        >>> from likewise.data.formats.own_dataset import manifest_of
        >>> grey = [np.full((32, 32), level, np.uint8) for level in (10, 90, 200)]
        >>> manifest = manifest_of([(grey[0], "anna"), (grey[1], "anna"), (grey[2], "bob")])
        >>> manifest.identities, len(manifest)
        (['anna', 'bob'], 3)
    """
    if isinstance(dataset, Mapping):
        return _by_split(dataset, labels, image, label)
    store, names = _store(dataset, image)
    given = _given(labels, len(store))
    identities = _labels(dataset, store, names, label) if given is None else given
    rows = pa.array([f"{row:09d}" for row in range(len(store))], pa.string())
    columns = {"path": rows, "place": pa.array(np.arange(len(store)))}
    if identities is not None:
        columns["identity"] = pa.array([str(name) for name in identities], pa.string())
    root = Path(type(dataset).__name__)
    return Manifest(with_identities(pa.table(columns), root), root, store)


def photos_of(dataset: Any) -> Iterator[StoredPhoto]:
    """The photos of a dataset in the order of its rows; its labels are not looked at.

    Raises:
        InputError: it has no length.
    """
    store, _ = _store(dataset, None)
    name = type(dataset).__name__
    return (StoredPhoto(f"{name}: {row:09d}", store, row) for row in range(len(store)))


def _by_split(
    datasets: Mapping[Any, Any], labels: ArrayLike | None, image: str | None, label: str | None
) -> Manifest:
    if labels is not None:
        raise InputError("labels: cannot be given for several datasets; give each its own labels")
    if not datasets:
        raise InputError("dataset: an empty dictionary; give a dataset for each split")
    tables: list[pa.Table] = []
    stores: list[DatasetPhotos] = []
    for name, dataset in datasets.items():
        split = name if name in SPLITS else FOLDERS.get(str(name).lower())
        if split is None:
            raise InputError(f"dataset: split {name!r}; must be one of {', '.join(sorted(SPLITS))}")
        found = manifest_of(dataset, image=image, label=label)
        assert isinstance(found.store, DatasetPhotos)
        before = sum(map(len, stores))
        stores.append(found.store)
        columns = {
            "path": pa.array([f"{split}/{row}" for row in found.names]),
            "place": pa.array(np.arange(len(found)) + before),
            "split": pa.array([split] * len(found)),
        }
        if "identity" in found.table.column_names:
            columns["identity"] = found.table["identity"]
        tables.append(pa.table(columns))
    if len({tuple(table.column_names) for table in tables}) > 1:
        raise InputError("dataset: some of the splits have labels and others have none")
    keys = {store.key for store in stores}
    if len(keys) > 1:
        raise InputError("dataset: the splits name their photos differently; name the key: image")
    parts = [part for store in stores for part in store.parts]
    return Manifest(
        pa.concat_tables(tables), Path(type(datasets).__name__), DatasetPhotos(parts, keys.pop())
    )


def _store(dataset: Any, image: str | None) -> tuple[DatasetPhotos, list[str] | None]:
    """The photos of a dataset, and the names of its columns if its items are dictionaries."""
    kind = type(dataset).__name__
    try:
        count = len(dataset)
    except TypeError:
        raise InputError(
            f"dataset: {kind} has no length; give one with len() and [row], not a stream"
        ) from None
    if not hasattr(dataset, "__getitem__"):
        raise InputError(f"dataset: {kind} gives no item by its row; give one with len() and [row]")
    if not count:
        raise InputError(f"dataset: {kind} is empty")
    if _is_hugging_face(dataset):
        names = list(dataset.column_names)
        key = image or _found(IMAGE, names) or _only(dataset, "Image")
        _require(key, names, "image", kind)
        return DatasetPhotos([dataset.with_format(None).select_columns([key])], key), names
    first = dataset[0]
    if isinstance(first, Mapping):
        names = [str(name) for name in first]
        key = image or _found(IMAGE, names)
        _require(key, names, "image", kind)
        return DatasetPhotos([dataset], key), names
    if image is not None:
        raise InputError(f"image: {image!r}, but the items of {kind} are not dictionaries")
    return DatasetPhotos([dataset]), None


def _is_hugging_face(dataset: Any) -> bool:
    """Whether it has the interface of ``datasets.Dataset``; the package is not imported."""
    return all(hasattr(dataset, n) for n in ("column_names", "select_columns", "with_format"))


def _found(wanted: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in wanted if name in names), None)


def _only(dataset: Any, kind: str) -> str | None:
    """The only column of a Hugging Face dataset with a feature of this kind."""
    named = [n for n, f in dataset.features.items() if type(f).__name__ == kind]
    return named[0] if len(named) == 1 else None


def _require(key: str | None, names: Sequence[str], what: str, kind: str) -> None:
    if key not in names:
        wanted = f"no {key!r}" if key else f"none is called {' or '.join(IMAGE)}"
        raise InputError(
            f"{what}: {wanted} among the columns of {kind}: {first_few(names, 20)}; name it with "
            f"{what}="
        )


def _given(labels: ArrayLike | None, count: int) -> NDArray[Any] | None:
    if labels is None:
        return None
    found = checked_labels(labels, "labels")
    if found.shape != (count,):
        raise InputError(
            f"labels: shape {list(found.shape)}; must be [{count}], one for each photo"
        )
    return found


def _labels(
    dataset: Any, store: DatasetPhotos, names: list[str] | None, label: str | None
) -> Sequence[Any] | NDArray[Any] | None:
    """The identity of each row; None if the items are bare images."""
    if _is_hugging_face(dataset):
        assert names is not None
        key = label or _found(LABEL, names) or _only(dataset, "ClassLabel")
        if key is None:
            return None
        _require(key, names, "label", type(dataset).__name__)
        found = _plain(list(dataset.with_format(None)[key]))
        return _named(found, getattr(dataset.features[key], "names", None))
    key = label or (None if names is None else _found(LABEL, names))
    if key is not None and (names is None or key not in names):
        raise InputError(f"label: no {key!r} in the items of {type(dataset).__name__}")
    if key is None and not isinstance(store.item(0), tuple | list):
        return None
    stored = _stored_labels(dataset)
    if stored is not None and len(stored) == len(store):
        spread = np.unique(np.linspace(0, len(store) - 1, CHECKED).astype(np.int64)).tolist()
        if all(_label(store.readable_item(row), key, row) == stored[row] for row in spread):
            return _named(stored, _class_names(dataset))
    found = []
    with progress("reading labels", len(store)) as advance:
        for row in range(len(store)):
            found.append(_label(store.readable_item(row), key, row))
            advance(1)
    return _named(_plain(found), _class_names(dataset))


def _label(item: Any, key: str | None, row: int) -> Any:
    """The label of an item: a number or a text."""
    if key is not None:
        value = item[key]
    elif isinstance(item, tuple | list) and len(item) > 1:
        value = item[1]
    else:
        raise InputError(f"dataset: row {row}: no label; an item must be (image, label)")
    found = as_array(value, "label")
    if found.size != 1:
        raise InputError(
            f"dataset: row {row}: a label of shape {list(found.shape)}; must be one number or name"
        )
    return found.reshape(-1).tolist()[0]


def _plain(labels: list[Any]) -> list[Any]:
    """Labels as numbers or names, none of them missing."""
    checked: list[Any] = checked_labels(labels, "labels").tolist()
    return checked


def _stored_labels(dataset: Any) -> list[Any] | None:
    """All labels of a dataset, where it keeps them, without reading a photo."""
    if (parts := getattr(dataset, "datasets", None)) is not None:  # ConcatDataset
        found = [_stored_labels(part) for part in parts]
        whole = [part for part in found if part is not None]
        return list(chain.from_iterable(whole)) if len(whole) == len(found) else None
    if hasattr(dataset, "dataset") and hasattr(dataset, "indices"):  # Subset
        inner = _stored_labels(dataset.dataset)
        return None if inner is None else [inner[row] for row in dataset.indices]
    if getattr(dataset, "target_transform", None) is not None:
        return None
    for name in STORED:
        values = getattr(dataset, name, None)
        if values is None or callable(values):
            continue
        try:
            array = checked_labels(values, name)
        except InputError:
            continue
        if array.ndim == 1:
            return list(array.tolist())
    return None


def _class_names(dataset: Any) -> list[str] | None:
    """The names of the classes, where the labels are their places in a list."""
    if (parts := getattr(dataset, "datasets", None)) is not None:
        found = [_class_names(part) for part in parts]
        return found[0] if all(names == found[0] for names in found) else None
    if hasattr(dataset, "dataset") and hasattr(dataset, "indices"):
        return _class_names(dataset.dataset)
    if getattr(dataset, "target_transform", None) is not None:
        return None
    names = getattr(dataset, "classes", None)
    return list(names) if isinstance(names, list | tuple) else None


def _named(labels: Sequence[Any], names: Sequence[Any] | None) -> Sequence[Any]:
    """The name of the class of each label, where every label is the place of a name."""
    if names is None or len(set(map(str, names))) != len(names):
        return labels
    whole = all(isinstance(label, int) and 0 <= label < len(names) for label in labels)
    return [str(names[label]) for label in labels] if whole else labels
