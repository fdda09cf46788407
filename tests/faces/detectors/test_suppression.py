from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.faces.detectors.suppression import overlaps, suppress

BOXES = st.lists(
    st.tuples(*(st.integers(0, 20),) * 2, *(st.integers(1, 20),) * 2), min_size=1, max_size=12
)


@given(BOXES, BOXES)
@settings(max_examples=50, deadline=None)
def test_overlaps_equal_counted_pixels(
    left: list[tuple[int, ...]], right: list[tuple[int, ...]]
) -> None:
    def pixels(box: tuple[int, ...]) -> set[tuple[int, int]]:
        x, y, width, height = box
        return {(a, b) for a in range(x, x + width) for b in range(y, y + height)}

    found = overlaps(np.array(left, float), np.array(right, float))
    for row, one in enumerate(left):
        for column, other in enumerate(right):
            a, b = pixels(one), pixels(other)
            assert np.isclose(found[row, column], len(a & b) / len(a | b))


@given(BOXES, st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_what_stays_equals_a_plain_loop(boxes: list[tuple[int, ...]], seed: int) -> None:
    array = np.array(boxes, float)
    scores = np.random.default_rng(seed).permutation(len(boxes)).astype(float)
    kept: list[int] = []
    for row in sorted(range(len(boxes)), key=lambda row: -scores[row]):
        if all(overlaps(array[row : row + 1], array[one : one + 1]) <= 0.4 for one in kept):
            kept.append(row)
    assert suppress(array, scores, 0.4).tolist() == kept
