"""Why a photo has no face: in one line, with the best candidate and a remedy."""

from __future__ import annotations

from likewise.faces.finder import PhotoFaces

__all__ = ["why_no_face"]

ENLARGE = "try --all-scales"


def why_no_face(found: PhotoFaces, *, all_scales: bool = False) -> str:
    """The reason why no face was found in a photo, in words; empty if there is one.

    Args:
        found: what ``FaceFinder.examine`` gave.
        all_scales: whether all sizes were looked at; if not, the reason proposes it.

    Example:
        >>> from likewise.faces.finder import PhotoFaces
        >>> why_no_face(PhotoFaces((), (), (640, 480)), all_scales=True)
        'no face, nor anything like one, also with the photo turned by 90, 180 or 270°'
    """
    if found.faces:
        return ""
    remedy = "" if all_scales else f"; {ENLARGE}"
    if not found.rejected:
        turned = "also with the photo turned by 90, 180 or 270°"
        return f"no face, nor anything like one, {turned}{remedy}"
    best = found.rejected[0]
    x, y, width, height = best.box
    side = max(width, height)
    return f"no face; the best candidate ({side:.0f} px at {x:.0f}, {y:.0f}): {best.reason}{remedy}"
