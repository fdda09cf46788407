"""Face detectors: networks that give a box and a score for each face of a photo."""
