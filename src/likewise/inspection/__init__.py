"""What is in a set of photos: counts, broken files, doubles, wrong labels, people under two names.

``inspect_photos`` looks; what it found is an ``Inspection``; ``write_inspection`` makes a page.
"""

from likewise.inspection.inspection import Inspection, InspectSettings, inspect_photos
from likewise.inspection.report import write_inspection

__all__ = ["InspectSettings", "Inspection", "inspect_photos", "write_inspection"]
