"""An ONNX file as a whole: weights that lie in other files are taken in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from likewise.errors import InputError, MissingExtra
from likewise.models.weights_file import require_weights_file

__all__ = ["read_onnx"]

LIMIT = 2**31 - 1  # bytes: more is no valid protobuf message


def read_onnx(path: Path) -> bytes:
    """The content of an ONNX file; with external data, as a file that holds all of it.

    An exporter may put the weights into files beside (``net.onnx.data``, or one for each tensor).
    What is returned needs no other file. A file without external data is returned byte for byte.

    Args:
        path: of the ``.onnx`` file.

    Raises:
        MissingExtra: onnx is not installed.
        InputError: it is not ONNX, is above 2 GiB, or its weights are missing, cut short, or
            outside of its folder.
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
                f"{path}: its weights take more than {LIMIT:,} bytes with those of the files "
                "beside it; that is more than one ONNX file can hold"
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
    """All tensors of a model: initializers, sparse ones, attributes, those of inner graphs."""
    if isinstance(message, kind):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in [value] if hasattr(value, "ListFields") else value:
                yield from _tensors(inner, kind)


def _place(tensor: Any, path: Path) -> tuple[Path, int, int]:
    """Where a tensor's bytes are: the file, the first byte, how many."""
    told = {entry.key: entry.value for entry in tensor.external_data}
    location = str(told.get("location", ""))  # bytes, where they are no UTF-8
    file = path.parent / location
    # A file of a hub's cache is a link, and what lies beside it is linked to the same folder.
    homes = (path.parent.resolve(), path.resolve().parent)
    parts = {*PurePosixPath(location).parts, *PureWindowsPath(location).parts}
    absolute = PurePosixPath(location).is_absolute() or PureWindowsPath(location).anchor
    inside = any(file.resolve().is_relative_to(home) for home in homes)
    if not location or absolute or ".." in parts or not inside:
        raise InputError(
            f"{path}: wants the weights of {tensor.name!r} from {location!r}, outside of its own "
            "folder; such a file is not read"
        )
    if not file.is_file():
        raise InputError(
            f"{path}: keeps its weights in a second file, {location}, which is not there; put "
            "both into one folder"
        )
    require_weights_file(file)
    size = file.stat().st_size
    try:
        offset = int(told.get("offset", 0))
        length = int(told.get("length", size - offset))
    except ValueError:
        raise InputError(f"{path}: cannot be read as ONNX (no number in {told})") from None
    if offset < 0 or length < 0 or offset + length > size:
        raise InputError(
            f"{file}: cut short: {path.name} wants bytes {offset:,} to {offset + length:,}, it "
            f"has {size:,}; copy it again"
        )
    return file, offset, length
