"""The groups of an album folder and what the user said of them: names, merges, splits, undo."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from likewise.errors import InputError, first_few

__all__ = ["Group", "Groups"]

MOST_EDITS = 100  # that can be undone
LONGEST_NAME = 200
_TITLE = re.compile(r"group \d+")  # of a group without a name


@dataclass
class Group:
    """The faces of one person.

    Args:
        number: it stays the same in further runs.
        name: given by the user; None before.
        faces: their numbers.
        edited: whether the user named, merged or split it: two such groups are merged by the user
            alone.
    """

    number: int
    name: str | None = None
    faces: set[int] = field(default_factory=set)
    edited: bool = False

    @property
    def title(self) -> str:
        """The name, or the number where there is none."""
        return self.name if self.name is not None else f"group {self.number}"


class Groups:
    """Groups of faces with the edits of the user, each of which can be undone.

    Args:
        groups: by their numbers.
        rules: pairs of a face and a group that it does not belong to.
        edits: what was done, the last one last; as plain values.
        next_number: of the next new group.
    """

    def __init__(
        self,
        groups: Iterable[Group] = (),
        rules: Iterable[tuple[int, int]] = (),
        edits: Iterable[dict[str, Any]] = (),
        next_number: int = 1,
    ) -> None:
        self.by_number = {group.number: group for group in groups}
        self.rules = set(rules)
        self.edits = list(edits)
        self.next_number = max([next_number, *(number + 1 for number in self.by_number)])

    def of_face(self) -> dict[int, int]:
        """The number of the group of each face that is in one."""
        return {face: group.number for group in self.by_number.values() for face in group.faces}

    def biggest_first(self) -> list[Group]:
        """All groups by the number of faces; then by their own numbers."""
        return sorted(self.by_number.values(), key=lambda group: (-len(group.faces), group.number))

    def find(self, group: int | str) -> Group:
        """A group by its number or its name.

        Raises:
            InputError: there is none.
        """
        if isinstance(group, str):
            group = group.removeprefix("group ").strip() if _TITLE.fullmatch(group) else group
        if isinstance(group, str) and not group.isdecimal():
            found = [g for g in self.by_number.values() if g.name == group]
        else:
            found = [g for g in (self.by_number.get(int(group)),) if g is not None]
        if found:
            return found[0]
        known = first_few([g.title for g in self.biggest_first()]) or "none"
        raise InputError(f"group {group}: there is none; groups: {known}")

    def new_group(self, faces: Iterable[int], *, edited: bool = False) -> Group:
        """Make a group with the next number."""
        group = Group(self.next_number, None, set(faces), edited)
        self.by_number[group.number] = group
        self.next_number += 1
        return group

    def name(self, group: int | str, name: str) -> Group:
        """Name a group; an empty name takes its name away.

        Raises:
            InputError: there is no such group, another one has this name, or it is no name.
        """
        found, name = self.find(group), " ".join(name.split())
        if len(name) > LONGEST_NAME or not name.isprintable() or name.isdecimal():
            raise InputError(
                f"name {name[:60]!r}: must be printable, at most {LONGEST_NAME} characters, and "
                "not a number alone"
            )
        if _TITLE.fullmatch(name):
            raise InputError(f"name {name!r}: groups without a name are called so; choose another")
        for other in self.by_number.values():
            if name and other is not found and other.name == name:
                raise InputError(
                    f"name {name!r}: group {other.number} has it; if they are one person, merge "
                    f"them: --join {other.number},{found.number}"
                )
        self._record(f"name {found.number}={name}", [found], [])
        found.name, found.edited = name or None, True
        return found

    def merge(self, groups: Sequence[int | str]) -> Group:
        """Move the faces of all further groups into the first one, which keeps its number.

        It keeps its name too; without one it takes the first name among the others.

        Raises:
            InputError: there is no such group, or fewer than two different ones are given.
        """
        found = list({g.number: g for g in map(self.find, groups)}.values())
        if len(found) < 2:
            raise InputError(f"merge {','.join(map(str, groups))}: name two groups or more")
        first, others = found[0], found[1:]
        moved = [face for group in others for face in group.faces]
        self._record(f"merge {','.join(str(g.number) for g in found)}", found, moved)
        for other in others:
            first.faces |= other.faces
            first.name = first.name or other.name
            self._move_rules(other.number, first.number)
            del self.by_number[other.number]
        self.rules -= {(face, first.number) for face in first.faces}
        first.edited = True
        return first

    def split_off(self, group: int | str, faces: Iterable[int]) -> Group:
        """Make a new group of some faces of a group.

        Raises:
            InputError: there is no such group, a face is not in it, or no face would stay.
        """
        found, faces = self._faces_of("split off", group, faces)
        self._record(f"split off {found.number}:{_listed(faces)}", [found], faces)
        found.faces -= faces
        found.edited = True
        return self.new_group(faces, edited=True)

    def not_this(self, group: int | str, faces: Iterable[int]) -> Group:
        """Take faces out of a group for good: further runs do not put them there again.

        Raises:
            InputError: there is no such group, a face is not in it, or no face would stay.
        """
        found, faces = self._faces_of("not", group, faces)
        self._record(f"not {found.number}:{_listed(faces)}", [found], faces)
        found.faces -= faces
        found.edited = True
        self.rules |= {(face, found.number) for face in faces}
        return found

    def undo(self) -> str:
        """Take back the last edit; faces that joined a group since stay there.

        Returns:
            What was taken back.

        Raises:
            InputError: there is nothing to undo.
        """
        if not self.edits:
            raise InputError("undo: there is nothing to undo")
        edit = self.edits.pop()
        for face, number in edit["moved"]:
            for group in self.by_number.values():
                group.faces.discard(face)
            self.by_number.setdefault(number, Group(number)).faces.add(face)
        for number, name, edited in edit["before"]:
            group = self.by_number.setdefault(number, Group(number))
            group.name, group.edited = name, edited
        self.rules = {(face, number) for face, number in edit["rules"]}
        for number in [n for n, group in self.by_number.items() if not group.faces]:
            del self.by_number[number]
        return str(edit["what"])

    def absorb(self, winner: Group, loser: Group) -> None:
        """Merge two groups because further photos showed that they are one; not an edit."""
        winner.faces |= loser.faces
        self._move_rules(loser.number, winner.number)
        del self.by_number[loser.number]

    def forget(self, known: set[int]) -> int:
        """Forget all faces but ``known``, and groups that lose all faces; returns how many."""
        gone = 0
        for group in list(self.by_number.values()):
            gone += len(group.faces - known)
            group.faces &= known
            if not group.faces:
                del self.by_number[group.number]
        self.rules = {(f, g) for f, g in self.rules if f in known and g in self.by_number}
        for edit in self.edits:
            edit["moved"] = [pair for pair in edit["moved"] if pair[0] in known]
            edit["rules"] = [pair for pair in edit["rules"] if pair[0] in known]
        return gone

    def _faces_of(
        self, edit: str, group: int | str, faces: Iterable[int]
    ) -> tuple[Group, set[int]]:
        """A group, and those of its faces that are to leave it."""
        found, wanted = self.find(group), set(faces)
        if strange := sorted(wanted - found.faces):
            raise InputError(
                f"{found.title}: has no face {first_few(strange)}; "
                f"its faces: {first_few(sorted(found.faces), 8)}"
            )
        if not wanted:
            raise InputError(f"{found.title}: name the faces, such as {found.number}:12,19")
        if wanted == found.faces:
            raise InputError(
                f"{edit} {found.title}: all of its faces; leave those of one person, or give the "
                "group another name"
            )
        return found, wanted

    def _move_rules(self, old: int, new: int) -> None:
        self.rules = {(face, new if number == old else number) for face, number in self.rules}

    def _record(self, what: str, before: Iterable[Group], moved: Iterable[int]) -> None:
        of_face = self.of_face()
        self.edits.append(
            {
                "what": what,
                "moved": [[face, of_face[face]] for face in sorted(moved)],
                "before": [[group.number, group.name, group.edited] for group in before],
                "rules": sorted(map(list, self.rules)),
            }
        )
        del self.edits[:-MOST_EDITS]


def _listed(faces: Iterable[int]) -> str:
    return ",".join(map(str, sorted(faces)))
