"""The named recipes: each a YAML file in ``training/recipes``, with notes in its first lines."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from likewise.data.text_file import read_text
from likewise.errors import InputError
from likewise.training.recipe.recipe import Recipe, load_recipe

__all__ = ["find_recipe", "list_recipes", "recipe_notes"]

FOLDER = Path(__file__).parents[1] / "recipes"


def list_recipes() -> list[str]:
    """The names of the recipes that come with Likewise.

    Example:
        >>> from likewise.training.recipe.named import list_recipes
        >>> "compact" in list_recipes()
        True
    """
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find_recipe(name: str | Path) -> Recipe:
    """The recipe of this name, or in the file at this path.

    Args:
        name: one of ``list_recipes()``, or the path of a YAML file; a file that exists counts first
            if the path has a suffix or a folder.

    Raises:
        InputError: there is no such name or file (names the closest), or the file is not a recipe.

    Example:
        >>> from likewise.training.recipe.named import find_recipe
        >>> find_recipe("compact").model.name
        'compactnet'
    """
    text = str(name)
    if text in list_recipes():
        return load_recipe(FOLDER / f"{text}.yaml")
    path = Path(name)
    if path.suffix or len(path.parts) > 1 or path.exists():
        return load_recipe(path)
    near = get_close_matches(text, list_recipes(), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(
        f"--recipe {text}: no such recipe; {hint}there are {', '.join(list_recipes())}, and files "
        "such as recipe.yaml"
    )


def recipe_notes(name: str) -> str:
    """What is known of a named recipe: the comment at the beginning of its file.

    Example:
        >>> from likewise.training.recipe.named import recipe_notes
        >>> recipe_notes("compact").splitlines()[0]
        'A small network from scratch, for up to some hundred thousand photos on a CPU.'
    """
    lines = []
    for line in read_text(FOLDER / f"{name}.yaml").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(lines)
