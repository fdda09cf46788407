"""``python -m docs.sface LFW``: measure what comes with SFace: thresholds, calibration, norms.

Writes ``src/likewise/models/zoo/sface.json``. ``LFW`` is the folder of all 13,233 photos of LFW,
aligned to the ArcFace template at 112×112, with a folder for each person; or their embeddings, as
``likewise embed LFW --model sface --out FILE`` writes them.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from likewise.data.embeddings import NORM, Embeddings, read_embeddings, require_same_embedder
from likewise.data.formats import read_manifest
from likewise.data.pairs import draw_pairs
from likewise.evaluation.calibration.fit import calibrate_pairs
from likewise.evaluation.intervals.scored_pairs import scored_pairs
from likewise.evaluation.verification.metrics import pair_scores
from likewise.models.embedded.norms import NormReference
from likewise.models.embedder import Embedder
from likewise.models.zoo.sface import BACKBONE, MEASURED, PREPROCESS, network_of, sface_state
from likewise.storage import write_json

FARS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
FMR = 1e-3
DIGITS = 5  # of scores and rates in the file
PAIRS = 2_000_000  # of each kind at most; at an FMR of 1e-5, 20 of them are accepted


def measure(source: Path) -> None:
    """Embed LFW, fit, and write the file."""
    embedder = Embedder(network_of(sface_state()), PREPROCESS, BACKBONE)
    found = _embeddings(embedder, source)
    require_same_embedder(embedder.fingerprint, found.fingerprint, str(source))
    labels = found.labels
    pairs = draw_pairs(labels, limit=PAIRS, seed=0)
    left, right = np.asarray(pairs.left), np.asarray(pairs.right)
    scores = pair_scores(found.vectors, left, right)
    fitted = calibrate_pairs(
        scored_pairs(scores, pairs.same, labels[left], labels[right]),
        fars=FARS,
        fmr=FMR,
        replicates=200,
    )
    assert fitted.calibration is not None  # SFace separates people
    assert fitted.chosen is not None
    points = [
        replace(
            point,
            threshold=round(point.threshold, DIGITS),
            far=float(f"{point.far:.{DIGITS}g}"),
            tar=round(point.tar, DIGITS),
            far_interval=_rounded(point.far_interval),
            threshold_interval=_rounded(point.threshold_interval),
        ).to_dict()
        for point in fitted.points
    ]
    calibration = {
        key: value if isinstance(value, str) else round(value, DIGITS)
        for key, value in fitted.calibration.to_dict().items()
    }
    norms = NormReference.measured(found.items[NORM].to_numpy(), "LFW")
    assert norms is not None  # the last layer does not normalise
    norms = replace(norms, quantiles=tuple(round(value, DIGITS) for value in norms.quantiles))
    photos, people = len(found.vectors), len(np.unique(labels))
    write_json(
        MEASURED,
        {
            "command": "python -m docs.sface LFW",
            "fingerprint": embedder.fingerprint,
            "operating_point": points[fitted.points.index(fitted.chosen)],
            "operating_points": points,
            "calibration": calibration,
            "norms": norms.to_dict(),
            "about": {
                "Weights": "SFace 2021dec of OpenCV Zoo",
                "License": "Apache-2.0",
                "Calibration": f"measured on LFW ({photos:,} photos, {people:,} people), aligned "
                "from MTCNN points",
            },
        },
    )


def _embeddings(embedder: Embedder, source: Path) -> Embeddings:
    if source.is_file():
        return read_embeddings(source)
    return embedder.embed_manifest(read_manifest(source))[0]


def _rounded(interval: tuple[float, float] | None) -> tuple[float, float] | None:
    if interval is None:
        return None
    return float(f"{interval[0]:.{DIGITS}g}"), float(f"{interval[1]:.{DIGITS}g}")


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m docs.sface")
    parser.add_argument("source", type=Path, metavar="LFW")
    measure(parser.parse_args().source)


if __name__ == "__main__":
    main()
