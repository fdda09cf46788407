"""Likewise: learn, measure and search likeness.

The public API. Each name is imported when it is first used, so that ``import likewise`` is fast and
does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from likewise.data.batch_sampler import PKSampler
    from likewise.data.embeddings import Embeddings, read_embeddings, write_embeddings
    from likewise.data.formats import read_manifest
    from likewise.data.manifest import Manifest
    from likewise.data.pairs import Pairs
    from likewise.data.preprocess import Preprocess
    from likewise.data.protocols import read_pairs
    from likewise.errors import InputError, LikewiseError
    from likewise.evaluation.calibration.fit import calibrate
    from likewise.evaluation.clustering import cluster
    from likewise.evaluation.experiment import Experiment, evaluate
    from likewise.evaluation.identification.closed_set import identification
    from likewise.evaluation.report.page import write_report
    from likewise.evaluation.retrieval.metrics import retrieval
    from likewise.evaluation.verification.metrics import Verification, verification
    from likewise.faces.face import Face
    from likewise.faces.finder import FaceFinder, find_faces
    from likewise.losses import create_loss, list_losses
    from likewise.losses.registration import register_loss
    from likewise.models.embedder import Embedder
    from likewise.models.export import Export, export
    from likewise.models.loading import load
    from likewise.models.registration import register_backbone
    from likewise.models.registry import create_backbone, list_backbones
    from likewise.recognition.albums.edit import edit_albums
    from likewise.recognition.albums.update import cluster_photos
    from likewise.recognition.identification import identify
    from likewise.recognition.recognizer import Recognizer
    from likewise.recognition.verification import verify
    from likewise.recognition.video.watch import watch
    from likewise.search.index import Index
    from likewise.search.tuning.tune import tune
    from likewise.training.callbacks import Callback
    from likewise.training.recipe.recipe import Recipe, load_recipe
    from likewise.training.run import TrainingResult, train

__version__ = "0.1.0"

_HOME = {
    "Callback": "training.callbacks",
    "Embedder": "models.embedder",
    "Embeddings": "data.embeddings",
    "Experiment": "evaluation.experiment",
    "Face": "faces.face",
    "FaceFinder": "faces.finder",
    "Export": "models.export",
    "Index": "search.index",
    "InputError": "errors",
    "LikewiseError": "errors",
    "Manifest": "data.manifest",
    "PKSampler": "data.batch_sampler",
    "Pairs": "data.pairs",
    "Preprocess": "data.preprocess",
    "Recipe": "training.recipe.recipe",
    "Recognizer": "recognition.recognizer",
    "TrainingResult": "training.run",
    "Verification": "evaluation.verification.metrics",
    "calibrate": "evaluation.calibration.fit",
    "cluster": "evaluation.clustering",
    "cluster_photos": "recognition.albums.update",
    "create_backbone": "models.registry",
    "create_loss": "losses",
    "edit_albums": "recognition.albums.edit",
    "evaluate": "evaluation.experiment",
    "find_faces": "faces.finder",
    "identification": "evaluation.identification.closed_set",
    "identify": "recognition.identification",
    "export": "models.export",
    "list_backbones": "models.registry",
    "list_losses": "losses",
    "load": "models.loading",
    "load_recipe": "training.recipe.recipe",
    "read_embeddings": "data.embeddings",
    "read_manifest": "data.formats",
    "read_pairs": "data.protocols",
    "register_backbone": "models.registration",
    "register_loss": "losses.registration",
    "retrieval": "evaluation.retrieval.metrics",
    "train": "training.run",
    "tune": "search.tuning.tune",
    "verification": "evaluation.verification.metrics",
    "verify": "recognition.verification",
    "watch": "recognition.video.watch",
    "write_embeddings": "data.embeddings",
    "write_report": "evaluation.report.page",
}

__all__ = [  # noqa: RUF022  # in the order of the work
    "find_faces",
    "verify",
    "identify",
    "cluster_photos",
    "edit_albums",
    "watch",
    "Face",
    "FaceFinder",
    "Recognizer",
    "read_manifest",
    "Manifest",
    "train",
    "Recipe",
    "load_recipe",
    "TrainingResult",
    "Callback",
    "PKSampler",
    "create_loss",
    "list_losses",
    "register_loss",
    "create_backbone",
    "list_backbones",
    "register_backbone",
    "load",
    "Embedder",
    "Preprocess",
    "export",
    "Embeddings",
    "read_embeddings",
    "write_embeddings",
    "evaluate",
    "Experiment",
    "calibrate",
    "read_pairs",
    "Pairs",
    "verification",
    "Verification",
    "identification",
    "retrieval",
    "cluster",
    "write_report",
    "Export",
    "Index",
    "tune",
    "LikewiseError",
    "InputError",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'likewise' has no attribute {name!r}")
    value = getattr(import_module(f"likewise.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
