"""A photo with its faces framed and named."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from likewise.data.images import ImageSource, decode
from likewise.faces.picture import DOUBTFUL, FRAME, to_draw_in
from likewise.models.calibration import probability_text
from likewise.recognition.identification import IdentifiedPhoto

__all__ = ["named_picture"]


def named_picture(source: ImageSource, photo: IdentifiedPhoto) -> Image.Image:
    """The photo with a frame around each face, and its number, name and probability below it.

    Args:
        source: of the photo.
        photo: its faces.

    Raises:
        BadImage: it cannot be decoded.
    """
    image, scale = to_draw_in(decode(source))
    draw = ImageDraw.Draw(image)
    line = max(2, min(image.size) // 250)
    for number, one in enumerate(photo.faces, 1):
        x, y, width, height = (value * scale for value in one.face.face.box)
        colour = DOUBTFUL if one.answer.name is None else FRAME
        draw.rectangle((x, y, x + width, y + height), outline=colour, width=line)
        text = f"{number}: " * (len(photo.faces) > 1) + (one.answer.name or "unknown")
        if one.answer.name is not None and one.answer.probability is not None:
            text += f" {probability_text(one.answer.probability)}"
        size = int(max(11, min(width / 5, 40)))
        room = (image.width - 8) / max(draw.textlength(text, font=_font(size)), 1)
        font = _font(max(6, int(size * min(1.0, room))))
        left, top, right, bottom = draw.textbbox((x, y + height), text, font=font)
        shift = min(0.0, image.height - bottom - 4), min(0.0, image.width - right - 4)
        place = (x + 2 + shift[1], y + height + shift[0])
        box = (left + shift[1], top + shift[0] - 2, right + shift[1] + 4, bottom + shift[0] + 3)
        draw.rectangle(box, fill=colour)
        draw.text(place, text, fill=(255, 255, 255), font=font)
    return image


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """DejaVu Sans, which comes with matplotlib: Latin, Greek and Cyrillic letters."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), size)
