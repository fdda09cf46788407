"""Groups and the edits of the user: names, merges, splits, and undo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from likewise.errors import InputError
from likewise.recognition.albums.albums import Albums, album_lock, read_albums, write_albums
from likewise.recognition.albums.grouping import group_faces
from likewise.recognition.albums.groups import Group, Groups


def three() -> Groups:
    return Groups([Group(1, None, {1, 2, 3}), Group(2, None, {4, 5}), Group(3, None, {6, 7})])


def state(groups: Groups) -> object:
    return (
        {n: (g.name, sorted(g.faces), g.edited) for n, g in groups.by_number.items()},
        sorted(groups.rules),
    )


def test_a_merge_keeps_the_first_number_and_a_name() -> None:
    groups = three()
    groups.name(2, " Anna  Lee ")
    merged = groups.merge([3, "Anna Lee"])
    assert (merged.number, merged.name, merged.faces) == (3, "Anna Lee", {4, 5, 6, 7})
    assert 2 not in groups.by_number
    assert groups.new_group([9]).number == 4  # a number is never given twice


def test_splits_and_not_this_person() -> None:
    groups = three()
    new = groups.split_off(1, [3])
    assert (new.number, new.faces, groups.find(1).faces) == (4, {3}, {1, 2})
    groups.not_this(1, [2])
    assert groups.rules == {(2, 1)}
    groups.merge([3, 1])
    assert groups.rules == {(2, 3)}  # the rule follows the group
    groups.find(3).faces.add(8)
    assert groups.undo() == "merge 3,1"
    assert (groups.find(1).faces, groups.find(3).faces) == ({1}, {6, 7, 8})  # 8 came later
    assert groups.undo() == "not 1:2"
    assert groups.undo() == "split off 1:3"
    assert groups.find(1).faces == {1, 2, 3}
    assert 4 not in groups.by_number
    with pytest.raises(InputError, match="nothing to undo"):
        groups.undo()


def test_a_group_is_found_by_the_title_that_is_shown() -> None:
    groups = three()
    assert groups.merge(["group 3", "group 1"]).number == 3
    with pytest.raises(InputError, match="group 1: there is none"):
        groups.find("group 1")


def test_undo_leaves_no_group_without_faces() -> None:
    groups = three()
    groups.not_this(1, [3])
    groups.new_group([3])  # the next run found a group for the face
    groups.merge([1, 2])
    groups.forget({1, 2, 3, 6, 7})  # all photos of group 2 were deleted
    groups.undo()
    groups.undo()
    assert {n: g.faces for n, g in groups.by_number.items()} == {1: {1, 2, 3}, 3: {6, 7}}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5), st.integers(1, 7)), max_size=12))
@settings(max_examples=150, deadline=None)
def test_undo_takes_back_any_edits_one_by_one(steps: list[tuple[int, int, int]]) -> None:
    groups = three()
    states = [state(groups)]
    for kind, group, face in steps:
        try:
            if kind == 0:
                groups.name(group, f"p{face}")
            elif kind == 1:
                groups.merge([group, 1 + face % 4])
            elif kind == 2:
                groups.split_off(group, [face])
            else:
                groups.not_this(group, [face])
        except InputError:
            continue
        states.append(state(groups))
    members = [face for group in groups.by_number.values() for face in group.faces]
    assert len(members) == len(set(members))
    for before in reversed(states[:-1]):
        groups.undo()
        assert state(groups) == before


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda g: g.name(9, "Anna"), "group 9: there is none; groups: group 1, group 2, group 3"),
        (lambda g: g.name("Bob", "Anna"), "group Bob: there is none"),
        (lambda g: g.name(1, "a\x00b"), "must be printable"),
        (lambda g: g.name(1, "12"), "not a number alone"),
        (lambda g: (g.name(1, "A"), g.name(2, "A")), "merge them: --join 1,2"),
        (lambda g: g.merge([1, 1]), "merge 1,1: name two groups or more"),
        (lambda g: g.name(1, "group 2"), "groups without a name are called so"),
        (lambda g: g.split_off(1, [1, 2, 3]), "split off group 1: all of its faces"),
        (lambda g: g.not_this(2, [4, 5]), "not group 2: all of its faces"),
        (lambda g: g.split_off(2, [1]), "group 2: has no face 1; its faces: 4, 5"),
        (lambda g: g.not_this(2, []), "name the faces, such as 2:12,19"),
    ],
)
def test_wrong_edits_are_refused(edit: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        edit(three())  # type: ignore[operator]  # a function


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    groups = three()
    groups.name(1, "Zoë")
    groups.not_this(1, [2])
    write_albums(Albums(groups, "sface", "abc", 2, 10, {"threshold": 0.45}), tmp_path)
    again = read_albums(tmp_path)
    assert state(again.groups) == state(groups)
    assert (again.model, again.generation, again.next_face) == ("sface", 2, 10)
    again.groups.undo()
    again.groups.undo()
    assert state(again.groups) == state(three())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "not the state of albums"),
        ('{"format": "likewise albums", "version": 7}', "version 7; this Likewise reads version 1"),
        ('{"format": "likewise albums", "version": 1, "groups": 3}', "damaged"),
    ],
)
def test_a_damaged_state_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "albums.json").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_albums(tmp_path)
    assert "albums.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_processes_do_not_work_in_one_folder(tmp_path: Path) -> None:
    with album_lock(tmp_path), pytest.raises(InputError, match="another likewise works in it"), \
         album_lock(tmp_path):  # fmt: skip
        pass


def test_forgotten_faces_leave_no_trace() -> None:
    groups = three()
    groups.not_this(1, [2])
    groups.merge([1, 2])
    assert groups.forget({1, 2, 3}) == 4
    assert sorted(groups.by_number) == [1]
    assert groups.edits[-1]["moved"] == []


def test_a_face_taken_out_draws_no_other_face_away() -> None:
    # Face 3 was taken out of group 1; face 4, of the same person, is nearest to it.
    angles = np.deg2rad([0, 4, 30, 26])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    groups = Groups([Group(1, "Anna", {1, 2, 3}, edited=True)])
    groups.not_this(1, [3])
    clear = np.ones(4, bool)
    group_faces(groups, [1, 2, 3, 4], vectors, list("abcd"), clear, clear, 0.8)
    assert groups.find(1).faces == {1, 2, 4}
    assert sorted(groups.by_number) == [1]


def test_two_edited_groups_are_merged_by_the_user_alone() -> None:
    vectors = np.eye(3, dtype=np.float32)[[0, 0, 0, 0, 0, 0]]
    clear, photos = np.ones(6, bool), list("abcdef")
    groups = Groups([Group(1, "Anna", {1, 2}, edited=True), Group(2, "Ann", {3}, edited=True),
                     Group(3, None, {4}), Group(4, None, {5})])  # fmt: skip
    group_faces(groups, [1, 2, 3, 4, 5, 6], vectors, photos, clear, clear, 0.8)
    assert sorted(groups.by_number) == [1, 2]
    assert sum(len(group.faces) for group in groups.by_number.values()) == 6
    untouched = Groups([Group(3, None, {1, 2}), Group(5, None, {3, 4})])
    group_faces(untouched, [1, 2, 3, 4, 5, 6], vectors, photos, clear, clear, 0.8)
    assert [g.number for g in untouched.by_number.values()] == [3]
