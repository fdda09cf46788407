"""Read an ONNX file together with its external data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from likewise.errors import InputError, MissingExtra
from likewise.models.weights_file import require_weights_file

__all__ = ["read_onnx"]

LIMIT = 2**31 - 1  # bytes, the limit of a protobuf message


def read_onnx(path: Path) -> bytes:
    """The content of an ONNX file, with external data included.

    An exporter may write the weights into further files (``net.onnx.data``, or one for each
    tensor); the content returned needs none of them. A file without external data is returned
    unchanged.

    Args:
        path: of the ``.onnx`` file.

    Raises:
        MissingExtra: onnx is not installed.
        InputError: the file is not ONNX or is above 2 GiB, or its weights are missing, truncated or
            outside its folder.
    """
    require_weights_file(path)
    size = path.stat().st_size
    if size > LIMIT:
        raise InputError(f"{path}: holds {size:,} bytes; an ONNX file holds up to {LIMIT:,}")
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise MissingExtra(f"{path.name}", "onnx") from error
    content = path.read_bytes()
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError:
        raise InputError(f"{path}: cannot be read as ONNX; it is damaged or no ONNX file") from None
    outside = [
        tensor
        for tensor in _tensors(model, onnx.TensorProto)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
    ]
    if not outside:
        return content
    total = len(content)
    places = []
    for tensor in outside:
        place = _place(tensor, path)
        total += place[2]
        if total > LIMIT:
            raise InputError(
                f"{path}: with its external data it takes more than {LIMIT:,} bytes, the limit of "
                "an ONNX file"
            )
        places.append(place)
    for tensor, (file, offset, length) in zip(outside, places, strict=True):
        with file.open("rb") as stream:
            stream.seek(offset)
            tensor.raw_data = stream.read(length)
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
    whole: bytes = model.SerializeToString(deterministic=True)
    return whole


def _tensors(message: Any, kind: type) -> Iterator[Any]:
    """All tensors of a model: initializers, sparse tensors, attributes, those of subgraphs."""
    if isinstance(message, kind):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                yield from _tensors(inner, kind)


def _place(tensor: Any, path: Path) -> tuple[Path, int, int]:
    """The location of a tensor's external data: file, offset, length."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = str(entries.get("location", ""))  # bytes if it is not UTF-8
    file = path.parent / location
    # Files in the cache of the hub are links, all into one folder.
    homes = (path.parent.resolve(), path.resolve().parent)
    parts = {*PurePosixPath(location).parts, *PureWindowsPath(location).parts}
    absolute = PurePosixPath(location).is_absolute() or PureWindowsPath(location).anchor
    inside = any(file.resolve().is_relative_to(home) for home in homes)
    if not location or absolute or ".." in parts or not inside:
        raise InputError(
            f"{path}: the weights of {tensor.name!r} are in {location!r}, outside its own folder; "
            "such a file is not read"
        )
    if not file.is_file():
        raise InputError(
            f"{path}: its weights are in a second file, {location}, which is missing; put both "
            "into one folder"
        )
    require_weights_file(file)
    size = file.stat().st_size
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", size - offset))
    except ValueError:
        raise InputError(f"{path}: cannot be read as ONNX (no number in {entries})") from None
    if offset < 0 or length < 0 or offset + length > size:
        raise InputError(
            f"{file}: truncated: {path.name} needs bytes {offset:,} to {offset + length:,}, it has "
            f"{size:,}; copy it again"
        )
    return file, offset, length
