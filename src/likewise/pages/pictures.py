"""Pictures inside pages: small JPEGs, as data URIs."""

from __future__ import annotations

import base64
import io

from PIL import Image

from likewise.data.images import BadImage, ImageSource, decode

__all__ = ["data_uri", "jpeg", "thumbnail"]


def jpeg(image: Image.Image, quality: int = 85) -> bytes:
    """A picture as JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def data_uri(content: bytes) -> str:
    """A JPEG as a data URI; empty if it is."""
    return "data:image/jpeg;base64," + base64.b64encode(content).decode() if content else ""


def thumbnail(photo: ImageSource, size: int = 96) -> str:
    """A small JPEG of a photo as a data URI; empty if the photo is unreadable."""
    try:
        image = decode(photo)
    except BadImage:
        return ""
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    return data_uri(jpeg(image))
