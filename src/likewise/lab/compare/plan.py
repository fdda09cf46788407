"""The plan of a comparison: a folder is continued only with the settings it was begun with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from likewise.errors import InputError
from likewise.storage import output_folder, read_json, write_json

__all__ = ["PLAN", "keep_plan"]

PLAN = "plan.json"


def keep_plan(folder: Path, plan: dict[str, Any]) -> bool:
    """Write the plan to a new folder, or check that the folder has the same plan.

    Losses and seeds are not in the plan: more of both can be added later.

    Args:
        folder: of the comparison.
        plan: nested dictionaries of plain values.

    Returns:
        Whether the comparison was begun before.

    Raises:
        InputError: the folder has other contents, or another plan; the first setting that differs
            is named.
    """
    output_folder(folder)
    path = folder / PLAN
    if not path.exists():
        if any(folder.iterdir()):
            raise InputError(f"{folder}: holds something else; choose another place with --out")
        write_json(path, plan)
        return False
    before, now = _flat(read_json(path)), _flat(plan)
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key):
            raise InputError(
                f"{folder}: was begun with {key} = {before.get(key)}, which is now "
                f"{now.get(key)}; continue with the same settings, or choose another place with "
                "--out"
            )
    return True


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    flat: dict[str, Any] = {}
    for key, inner in value.items():
        flat |= _flat(inner, f"{name}.{key}" if name else str(key))
    return flat
