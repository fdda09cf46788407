"""A photo with its faces drawn in: boxes, points and numbers."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from likewise.faces.face import Face

__all__ = ["DOUBTFUL", "FRAME", "framed_picture", "to_draw_in"]

FRAME, BLUE, RED, GREEN = (22, 163, 74), (59, 130, 246), (239, 68, 68), (250, 204, 21)
POINT_COLOURS = (BLUE, RED, GREEN, BLUE, RED)  # left and right of the face in two colours
DOUBTFUL = (217, 119, 6)  # a face with reasons against it
LONGEST = 2000  # pixels of a side: larger photos are shrunk


def to_draw_in(photo: Image.Image) -> tuple[Image.Image, float]:
    """A copy of a photo of at most 2000 pixels a side, and its scale."""
    scale = min(1.0, LONGEST / max(photo.size))
    sides = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
    return (photo.copy() if scale == 1 else photo.resize(sides, reducing_gap=2.0)), scale


def framed_picture(photo: Image.Image, faces: Sequence[Face]) -> Image.Image:
    """A copy of a photo with a frame, five points and a number for each face.

    Frames are green, and orange for a face that is hard to recognise. Points on the left of the
    upright face are blue, on its right red, the nose is yellow.

    Args:
        photo: RGB, upright; one larger than 2000 pixels is shrunk.
        faces: of the photo, numbered from 1 in this order.
    """
    picture, scale = to_draw_in(photo)
    draw = ImageDraw.Draw(picture)
    line = max(1, min(picture.size) // 300)
    for number, face in enumerate(faces, 1):
        x, y, width, height = (value * scale for value in face.box)
        colour = DOUBTFUL if face.reasons else FRAME
        draw.rectangle((x, y, x + width, y + height), outline=colour, width=line)
        radius = max(1.0, face.eye_distance * scale / 16)
        for (px, py), fill in zip(face.points * scale, POINT_COLOURS, strict=True):
            draw.ellipse((px - radius, py - radius, px + radius, py + radius), fill=fill)
        place = (max(0.0, x), max(0.0, y - max(10.0, height / 6) - 2))
        draw.text(place, str(number), fill=colour, font_size=max(10.0, height / 6))
    return picture
