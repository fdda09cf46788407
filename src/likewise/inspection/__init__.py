"""Inspection of a set of labeled photos: unreadable files, duplicates, wrong labels, leakage.

``inspect_photos`` returns an ``Inspection``; ``write_inspection`` writes it as JSON and HTML.
"""

from likewise.inspection.inspection import Inspection, InspectSettings
from likewise.inspection.report import write_inspection
from likewise.inspection.run import inspect_photos

__all__ = ["InspectSettings", "Inspection", "inspect_photos", "write_inspection"]
