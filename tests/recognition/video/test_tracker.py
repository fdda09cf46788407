"""Tracks of made-up faces: against plain loops, brute force, and what a viewer would say."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from likewise.faces.face import Face
from likewise.recognition.recognizer import RecognizedFace
from likewise.recognition.video.association import assign, distances
from likewise.recognition.video.crops import BestCrops, Crop, fill, mean_vector
from likewise.recognition.video.tracker import Tracker
from likewise.recognition.video.tracks import Track

Box = tuple[float, float, float, float]


def face(person: int, box: Box, *, sharp: float = 1.0, score: float = 0.9) -> Face:
    """A face whose crop is a pattern of the person; ``sharp`` scales its details."""
    pattern = np.random.default_rng(person).normal(size=(7, 7)).repeat(16, 0).repeat(16, 1)
    noise = np.random.default_rng([person, round(1000 * box[0])]).normal(size=(112, 112))
    grey = np.clip(128 + 40 * pattern + 8 * sharp * noise, 1, 255)
    crop = np.repeat(grey[..., None], 3, axis=2).astype(np.uint8)
    crop[0, 0] = person  # what the made-up network reads
    x, y, width, height = box
    points = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)
    return Face(box, points * [width, height] + [x, y], score, 0.99, 0.0, crop)


class Network:
    """A made-up network: one direction a person, and a little noise; counts what it embeds."""

    def __init__(self) -> None:
        self.embedded = 0

    def __call__(self, faces: list[Face]) -> list[RecognizedFace]:
        self.embedded += len(faces)
        vectors = np.stack([np.eye(16)[int(face.crop[0, 0, 0]) % 16] for face in faces])
        vectors += 0.05 * np.random.default_rng(self.embedded).normal(size=vectors.shape)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        pairs = zip(faces, vectors.astype(np.float32), strict=True)
        return [RecognizedFace(face, vector, 10.0) for face, vector in pairs]


def people_of(track: Track) -> set[int]:
    """Who is in the kept crops."""
    return {int(crop.face.crop[0, 0, 0]) for crop in track.best.crops}


def test_distances_are_in_sides_of_the_larger_box() -> None:
    found = distances(np.array([[0, 0, 10, 10]]), np.array([[15, 0, 10, 10], [0, 0, 40, 40]]))
    assert found.tolist() == [[1.5, np.inf]]


@given(st.data())
def test_the_assignment_has_the_highest_sum(data: st.DataObject) -> None:
    rows, columns = data.draw(st.integers(0, 4)), data.draw(st.integers(0, 4))
    gains = np.array(
        data.draw(
            st.lists(
                st.sampled_from([-1.0, 0.0, 0.1, 0.35, 0.5, 0.9, 1.3]),
                min_size=rows * columns,
                max_size=rows * columns,
            )
        )
    ).reshape(rows, columns)
    pairs = assign(gains)
    assert len({r for r, _ in pairs}) == len({c for _, c in pairs}) == len(pairs)
    assert all(gains[pair] > 0 for pair in pairs)
    wide = gains if rows <= columns else gains.T
    best = max(
        sum(max(0.0, wide[row, column]) for row, column in enumerate(some))
        for some in permutations(range(wide.shape[1]), wide.shape[0])
    )
    assert sum(gains[pair] for pair in pairs) == pytest.approx(best)


def test_a_moving_face_is_one_track_and_hardly_anything_is_embedded() -> None:
    network = Network()
    tracker = Tracker(network)
    for step in range(40):
        assert tracker.update(step / 5, [face(1, (10 + 15 * step, 50, 60, 60))]) == []
    (track,) = tracker.active
    assert (track.frames, track.start, track.end, network.embedded) == (40, 0, 7.8, 0)


def test_two_people_who_cross_keep_their_tracks() -> None:
    network = Network()
    tracker = Tracker(network)
    for step in range(41):  # they walk towards each other, meet, and walk on
        x = 10 + 10 * step
        seen = [face(1, (x, 50, 60, 60)), face(2, (420 - x, 52, 60, 60))]
        if step in (20, 21):  # one hides the other
            seen = seen[:1]
        tracker.update(step / 5, seen)
    assert [people_of(track) for track in tracker.active] == [{1}, {2}]
    assert [track.frames for track in tracker.active] == [41, 39]
    assert tracker.active[0].together == {tracker.active[1].number}
    assert 0 < network.embedded < 60


@pytest.mark.parametrize("turned_back", [True, False])
def test_two_people_who_meet_and_turn_back_or_pass(turned_back: bool) -> None:
    """Boxes alone cannot tell whether two people pass or turn back: the embeddings do."""
    tracker = Tracker(Network())
    for step in range(31):
        x = 10 + 10 * (30 - step if turned_back and step > 15 else step)
        tracker.update(step / 5, [face(1, (x, 50, 60, 60)), face(2, (310 - x, 50, 60, 60))])
    assert [people_of(track) for track in tracker.active] == [{1}, {2}]
    assert [track.frames for track in tracker.active] == [31, 31]


def test_a_face_that_was_away_for_a_moment_continues_its_track() -> None:
    for away, tracks in ((0.8, 1), (4.0, 2)):
        tracker = Tracker(Network(), max_gap=1)
        ended = []
        for step in range(10):
            ended += tracker.update(step / 5, [face(1, (100, 50, 60, 60))])
        for time in np.arange(2, 2 + away, 0.2):
            ended += tracker.update(float(time), [])
        ended += tracker.update(2 + away, [face(1, (130, 50, 60, 60))])
        assert len(ended) + len(tracker.active) == tracks


def test_somebody_else_in_the_same_place_begins_a_track() -> None:
    tracker = Tracker(Network())
    for step in range(20):
        tracker.update(step / 5, [face(1 if step < 10 else 2, (100, 50, 60, 60))])
    everyone = tracker.cut()
    assert [people_of(track) for track in everyone] == [{2}]  # the first one has ended by itself
    assert everyone[0].start == 2


def test_a_cut_ends_all_tracks() -> None:
    tracker = Tracker(Network())
    tracker.update(0, [face(1, (100, 50, 60, 60)), face(2, (300, 50, 60, 60))])
    assert len(tracker.cut()) == 2
    tracker.update(0.2, [face(1, (100, 50, 60, 60))])
    assert [track.number for track in tracker.active] == [2]


def test_weak_detections_continue_a_track_and_begin_none() -> None:
    tracker = Tracker(Network())
    tracker.update(0, [face(1, (100, 50, 60, 60))])
    for step in range(1, 10):
        weak = np.array([[100 + 4 * step, 50, 60, 60], [400, 50, 60, 60]], np.float32)
        tracker.update(step / 5, [], weak)
    (track,) = tracker.active
    assert (track.frames, track.end, len(track.best.crops)) == (10, 1.8, 1)


def test_at_a_low_rate_a_track_survives_one_frame_without_the_face() -> None:
    tracker = Tracker(Network(), max_gap=1)
    tracker.update(0, [face(1, (100, 50, 60, 60))])
    assert tracker.update(5, []) == []
    tracker.update(10, [face(1, (100, 50, 60, 60))])
    assert [track.frames for track in tracker.active] == [2]
    assert tracker.update(15, []) == []
    assert len(tracker.update(20, [])) == 1


def test_without_a_network_boxes_decide() -> None:
    tracker = Tracker()
    tracker.update(0, [face(1, (100, 50, 60, 60)), face(2, (400, 50, 60, 60))])
    tracker.update(0.2, [face(2, (405, 50, 60, 60)), face(1, (105, 50, 60, 60))])
    assert [people_of(track) for track in tracker.active] == [{1}, {2}]


def test_the_best_crops_are_few_sharp_and_from_different_moments() -> None:
    best = BestCrops(3)
    sharpness = np.random.default_rng(0).permutation(100) / 20 + 0.2
    crops = [
        Crop(face(1, (10, 10, 60, 60), sharp=s), n / 5) for n, s in enumerate(sharpness.tolist())
    ]
    for crop in crops:
        best.add(crop)
    assert len(best.crops) == 3
    times = sorted(crop.time for crop in best.crops)
    assert np.diff(times).min() >= 0.4
    assert best.best is max(crops, key=lambda crop: crop.value)
    small = Crop(face(1, (10, 10, 20, 20), sharp=5), 99)
    assert small.value < max(crops, key=lambda crop: crop.value).value


def test_the_mean_vector_is_weighted_by_quality() -> None:
    crops = [Crop(face(n, (10, 10, 60, 60)), n) for n in (1, 2)]
    assert mean_vector([]) is None
    fill(crops, Network())
    crops[0].norm, crops[1].norm = 30, 10
    assert crops[0].vector is not None
    assert crops[1].vector is not None
    wanted = 30 * crops[0].vector + 10 * crops[1].vector
    assert mean_vector(crops) == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-6)
