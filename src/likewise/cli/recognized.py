"""How commands print recognised faces and what became of a gallery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from likewise.cli.output import bad_images_json, note, print_bad_images
from likewise.errors import first_few

if TYPE_CHECKING:
    from likewise.recognition.folder_gallery.report import FolderReport
    from likewise.recognition.gallery import Answer, Gallery

__all__ = ["answer_json", "gallery_json", "tell_gallery"]


def answer_json(answer: Answer) -> dict[str, Any]:
    """Who a face is."""
    return {
        "name": answer.name,
        "score": answer.score,
        "probability": answer.probability,
        "gallery_photo": answer.photo,
        "note": answer.note,
        "candidates": [
            {"name": some.name, "score": some.score, "gallery_photo": some.photo}
            for some in answer.candidates
        ],
    }


def gallery_json(path: str, gallery: Gallery, report: FolderReport | None) -> dict[str, Any]:
    """A gallery, its threshold, and what became of the photos of its folder."""
    limit = gallery.threshold
    found: dict[str, Any] = {
        "path": path,
        "people": gallery.people,
        "threshold": limit.threshold,
        "comparisons": limit.comparisons,
        "fmr": limit.fmr,
        "fpir": limit.fpir,
        "extrapolated": limit.extrapolated,
    }
    if report is not None:
        found |= {
            "photos": report.photos,
            "embedded": report.embedded,
            "forgotten": report.forgotten,
            "no_face": report.no_face,
            "broken": bad_images_json(report.broken),
            "several_faces": report.several,
            "unclear": report.unclear,
            "poor": {name: list(reasons) for name, reasons in report.poor.items()},
            "outside": report.outside,
            "under_two_people": [list(pair) for pair in report.twice],
            "without_face": report.without_face,
        }
    return found


def tell_gallery(gallery: Gallery, report: FolderReport | None) -> None:
    """Print on stderr how large a gallery is, its threshold, and which photos are not in it."""
    if report is not None:
        _tell_report(report)
    limit = gallery.threshold
    rates = ""
    if limit.fmr is not None and limit.fpir is not None:
        rates = (
            f": of 1,000 strangers {1000 * limit.fpir:.3g} are taken for someone (FMR "
            f"{limit.fmr:.2g} in each of {limit.comparisons:,} comparison"
            f"{'' if limit.comparisons == 1 else 's'}"
            f"{', beyond what was measured for the model' if limit.extrapolated else ''})"
        )
    people = "person" if gallery.people == 1 else "people"
    note(f"gallery: {gallery.people:,} {people}; threshold {limit.threshold:.4f}{rates}")


def _tell_report(report: FolderReport) -> None:
    print_bad_images(report.broken)
    counted: list[tuple[Sequence[str], str]] = [
        (report.no_face, "without a face"),
        (report.several, "with several faces; taken is the one like the person's other photos"),
        (
            report.unclear,
            "with several faces; the person's other photos do not tell which is meant, so left out",
        ),
        (list(report.poor), "with a poor face, left out where there is a better photo"),
        (report.outside, "outside of the subfolders: nobody's"),
        ([f"{one} = {other}" for one, other in report.twice], "under two people: left out of both"),
    ]
    for names, what in counted:
        if names:
            photos = "photo" if len(names) == 1 else "photos"
            note(f"gallery: {len(names):,} {photos} {what}: {first_few(names)}")
    if report.without_face:
        people = "person" if len(report.without_face) == 1 else "people"
        note(
            f"gallery: {len(report.without_face):,} {people} without a usable face: "
            f"{first_few(report.without_face)}"
        )
    if report.left_out:
        note(f"gallery: {report.left_out}")
    if report.embedded or report.forgotten:
        photos = "photo" if report.embedded == 1 else "photos"
        note(f"gallery: {report.embedded:,} {photos} embedded, {report.forgotten:,} forgotten")
