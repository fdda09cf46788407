"""Export of an embedder to ONNX or to a program of torch, checked against the original."""

from likewise.models.export.exporting import export
from likewise.models.export.result import Export

__all__ = ["Export", "export"]
