from __future__ import annotations

import numpy as np
import pytest

from likewise.faces.gate import Gate
from likewise.faces.second_look import Look

GATE = Gate(least_score=0.6, least_landmark_score=0.5, least_side=16)


def look(landmark_score: float, turn: float = 0.0, score: float = 0.0) -> Look:
    return Look(np.zeros((5, 2), np.float32), score, landmark_score, turn)


@pytest.mark.parametrize(
    ("side", "score", "seen", "reason"),
    [
        (80, 0.9, look(1.0), ""),
        (80, 0.77, look(0.3), "no eyes, nose and mouth were found in it (0.30 of 0.50)"),
        (30, 0.77, look(0.3), ""),  # too small for the landmarks to judge
        (30, 0.64, look(0.2), "score 0.60; a face needs 0.62"),
        (80, 0.9, look(0.99, 90, 0.9), ""),
        (80, 0.9, look(0.91, 146, 0.9), "it does not look like a face, not even turned by 146°"),
        (80, 0.9, look(0.99, -90, 0.7), "it does not look like a face, not even turned by -90°"),
        (80, 0.9, look(0.91, 45, 0.7), ""),
    ],
)
def test_both_networks_decide(side: float, score: float, seen: Look, reason: str) -> None:
    assert GATE.reason(side, score, seen) == reason


def test_what_cannot_pass_needs_no_landmarks() -> None:
    assert GATE.refuses(80, 0.5) == "score 0.50; a face needs 0.62"
    assert GATE.refuses(12, 0.9) == "only 12 pixels; a face needs 16"
    assert GATE.refuses(16, 0.58) == ""
