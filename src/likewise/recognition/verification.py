"""Do two photos show the same person? From the photos to same, different, or cannot decide."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from likewise.arguments import check_number, one_of
from likewise.data.images import BadImage, ImageSource
from likewise.distances import Distance, parse_distance
from likewise.errors import InputError
from likewise.evaluation.verification.metrics import pair_scores
from likewise.faces.choice import RULES, choose, prominent
from likewise.faces.explain import why_no_face
from likewise.models.embedder import Embedder
from likewise.models.operating_point import OperatingPoint, at_fmr
from likewise.recognition.named import embedder_of, recognizer_of
from likewise.recognition.poor import why_poor
from likewise.recognition.recognizer import RecognizedFace, RecognizedPhoto, Recognizer
from likewise.recognition.verification_answer import ComparedPhoto, VerificationAnswer

__all__ = ["FACE_RULES", "ComparedPhoto", "VerificationAnswer", "verify"]

FACE_RULES = (*RULES, "best")
_UNMEASURED = "the model has no measured threshold; give one with --threshold"
_OTHER_DISTANCE = "thresholds are measured for the cosine only; give one with --threshold"


def verify(
    a: ImageSource,
    b: ImageSource,
    model: str | Path | Embedder | Recognizer = "sface",
    *,
    threshold: float | None = None,
    fmr: float | None = None,
    prior: float = 0.5,
    face: str | None = None,
    flip: bool = False,
    device: str = "cpu",
    detect: bool | None = None,
    distance: str = "cosine",
) -> VerificationAnswer:
    """Decide whether two photos show the same person, or the same object.

    For a model of aligned faces the face in each photo is found first. A poor face (small, blurred,
    …) that matches is a match; if it does not match, or if both faces are poor, nothing follows,
    and the answer is None. Other models compare the photos as they are.

    Args:
        a, b: paths, encoded bytes, PIL images or uint8 pixels [H,W,3] in RGB.
        model: a name or a path as for ``likewise.load``, an embedder, or a ``Recognizer``, which
            saves loading it again.
        threshold: the lowest score of the same person; by default the model's.
        fmr: take the threshold measured at this false match rate.
        prior: the probability that they are one person before the photos are looked at.
        face: which of several faces: a key of ``likewise.faces.choice.RULES``, or ``best``: the
            pair with the highest score. By default the largest, if it is much larger than the
            others, or in the middle of the photo.
        flip: add the embedding of the mirrored faces.
        device: of a model that is loaded here.
        detect: find the faces; by default if the model expects aligned ones, or is a
            ``Recognizer``.
        distance: of photos that are compared as they are; see ``likewise.distances``. Measured
            thresholds and the probability are of the cosine.

    Raises:
        BadImage: a photo cannot be decoded.
        InputError: an argument is out of range, or the model has no threshold at ``fmr``.
        MissingExtra: the extra ``faces`` is not installed.

    Example:
        >>> import likewise
        >>> embedder = likewise.load(model)
        >>> answer = likewise.verify(photo_a, photo_b, embedder, threshold=0.5)
        >>> answer.same, answer.score > 0.5
        (True, True)
    """
    check_number("prior", prior, above=0, below=1)
    if face is not None:
        one_of("face", face, FACE_RULES)
    metric = parse_distance(distance)
    by_cosine = metric.name == "cosine"
    if threshold is not None:
        most = 1.0 if by_cosine else math.inf
        check_number("threshold", threshold, least=-most, most=most)
        if fmr is not None:
            raise InputError("threshold and fmr: give one of the two")
    if fmr is not None and not by_cosine:
        raise InputError("fmr: was measured for the cosine; give a threshold of this distance")
    embedder = embedder_of(model, device=device)
    if detect is None:
        detect = isinstance(model, Recognizer) or embedder.preprocess.alignment is not None
    measured = embedder.operating_point if fmr is None else at_fmr(embedder.operating_points, fmr)
    point = measured if threshold is None and by_cosine else None
    limit = point.threshold if point is not None else threshold
    rate = _measured_rate(embedder, limit, point) if by_cosine else None
    names = [_name(photo, letter) for photo, letter in ((a, "a"), (b, "b"))]
    if not detect:
        if face is not None:
            raise InputError("face: no faces are looked for; add detect")
        if isinstance(model, Recognizer):
            flip = model.flip
        return _as_they_are((a, b), names, embedder, metric, limit, point, prior, rate, flip=flip)
    if not by_cosine:
        raise InputError(f"distance: {distance}; faces are compared by the cosine: leave it out")
    recognizer = recognizer_of(model if _is_kept(model) else embedder, flip=flip, device=device)
    found = []
    for photo in recognizer.recognize_many([a, b]):
        if isinstance(photo, BadImage):
            raise photo
        found.append(photo)
    photos, reasons, notes = _compared(names, found, face)
    score = probability = same = None
    first, second = (photo.chosen for photo in photos)
    if first is not None and second is not None:
        score = float(np.clip(first.vector @ second.vector, -1, 1))
        calibration = embedder.calibration
        probability = None if calibration is None else calibration.probability(score, prior)
        same, more, told = _decided(score, limit, photos)
        reasons, notes = reasons + more, notes + told
    return VerificationAnswer(
        same, score, probability, prior, limit, point, tuple(reasons), tuple(notes), photos,
        fmr=rate,
    )  # fmt: skip


def _measured_rate(
    embedder: Embedder, limit: float | None, point: OperatingPoint | None
) -> float | None:
    """The false match rate at a threshold; of one that was not measured, an upper bound."""
    if limit is None or point is not None:
        return None if point is None else point.far
    below = [one for one in embedder.operating_points if one.threshold <= limit]
    return min((one.far for one in below), default=None)


def _is_kept(model: str | Path | Embedder | Recognizer) -> bool:
    """Whether there is a recogniser already: it is given, or kept since the last call."""
    return isinstance(model, Recognizer) or (isinstance(model, str) and not Path(model).exists())


def _as_they_are(
    pair: tuple[ImageSource, ImageSource],
    names: list[str],
    embedder: Embedder,
    metric: Distance,
    limit: float | None,
    point: OperatingPoint | None,
    prior: float,
    rate: float | None,
    *,
    flip: bool,
) -> VerificationAnswer:
    """Compare two photos without looking for faces."""
    by_cosine = metric.name == "cosine"
    vectors = embedder.embed(list(pair), flip=flip)
    score = float(pair_scores(vectors, np.array([0]), np.array([1]), metric)[0])
    calibration = embedder.calibration if by_cosine else None
    probability = None if calibration is None else calibration.probability(score, prior)
    unmeasured = _UNMEASURED if by_cosine else _OTHER_DISTANCE
    return VerificationAnswer(
        None if limit is None else score >= limit,
        score,
        probability,
        prior,
        limit,
        point,
        (unmeasured,) if limit is None else (),
        (),
        (ComparedPhoto(names[0], ()), ComparedPhoto(names[1], ())),
        of_faces=False,
        distance=metric.name,
        fmr=rate,
    )


def _decided(
    score: float, limit: float | None, photos: tuple[ComparedPhoto, ComparedPhoto]
) -> tuple[bool | None, list[str], list[str]]:
    """The answer, the reasons why there is none, and notes; see ``likewise.recognition.poor``."""
    if limit is None:
        return None, [_UNMEASURED], []
    poor = [f"{photo.name}: {reason}" for photo in photos for reason in photo.poor]
    if all(photo.poor for photo in photos):
        return None, [*poor, "two poor faces look alike, whoever they show"], []
    if score >= limit:
        return True, [], [f"{text}; the match counts nevertheless" for text in poor]
    if poor:
        return None, [*poor, "a better photo may match"], []
    return False, [], []


def _compared(
    names: list[str], found: list[RecognizedPhoto], rule: str | None
) -> tuple[tuple[ComparedPhoto, ComparedPhoto], list[str], list[str]]:
    """The photos with the faces to compare, reasons against a decision, and notes."""
    reasons = [
        f"{name}: {why_no_face(photo.found, all_scales=True)}"
        for name, photo in zip(names, found, strict=True)
        if not photo.faces
    ]
    notes: list[str] = []
    pair: list[int | None] = [None, None]
    if rule == "best" and all(photo.faces for photo in found):
        left, right = (np.stack([face.vector for face in photo.faces]) for photo in found)
        scores = left @ right.T
        pair = [int(place) for place in np.unravel_index(scores.argmax(), scores.shape)]
        if scores.size > 1:
            notes.append(
                f"the best of {scores.size} pairs of faces: the chance of a false match is up to "
                f"{scores.size} times that of one pair"
            )
    else:
        for side, photo in enumerate(found):
            plain = photo.found.faces
            if not plain or rule == "best":
                continue
            if rule is not None:
                pair[side] = choose(plain, photo.found.size, rule)
            elif (row := prominent(plain, photo.found.size)) is not None:
                pair[side] = row
            else:
                reasons.append(
                    f"{names[side]}: {len(plain)} faces, and it is not clear which is meant; "
                    f"choose with --face {', '.join(FACE_RULES[:-1])} or {FACE_RULES[-1]}"
                )
    photos = []
    for name, photo, row in zip(names, found, pair, strict=True):
        chosen = None if row is None else photo.faces[row]
        if chosen is not None and len(photo.faces) > 1:
            notes.append(f"{name}: {len(photo.faces)} faces; compared is {_where(chosen, row)}")
        poor = () if chosen is None else why_poor(chosen)
        photos.append(ComparedPhoto(name, photo.faces, chosen, poor))
    return (photos[0], photos[1]), reasons, notes


def _where(face: RecognizedFace, row: int | None) -> str:
    x, y, width, height = (round(value) for value in face.face.box)
    which = "the largest" if row == 0 else "the one"
    return f"{which} at {x},{y} ({width}×{height} pixels)"


def _name(photo: ImageSource, letter: str) -> str:
    return str(photo) if isinstance(photo, str | Path) else letter
