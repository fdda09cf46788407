"""``python -m docs.figures``: draw the pictures of the index families."""

from __future__ import annotations

import argparse
from pathlib import Path

from docs.figures.search.produce import produce
from likewise.errors import LikewiseError

IMAGES = Path(__file__).parents[1] / "images" / "search"


def main(args: list[str] | None = None) -> None:
    """Draw the given families, or all of them and the overview."""
    parser = argparse.ArgumentParser(prog="python -m docs.figures", description=__doc__)
    parser.add_argument("families", nargs="*", help="for example ivf_flat hnsw; all if none")
    parser.add_argument("--out", type=Path, default=IMAGES, help="the folder to write")
    parser.add_argument("--seed", type=int, default=0, help="of the random vectors")
    given = parser.parse_args(args)
    try:
        drawn = produce(given.out, given.families or None, seed=given.seed)
    except LikewiseError as error:
        parser.exit(error.exit_code, f"{parser.prog}: {error}\n")
    for entry in drawn:
        found = f"{entry.picture.hits} of {len(entry.picture.scene.truth)} found"
        print(f"{entry.picture.family}: {len(entry.picture.compared)} vectors compared, {found}")


if __name__ == "__main__":
    main()
