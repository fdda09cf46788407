"""The options that several commands share: each is declared once, with one name and one help text.

The default stands in the signature of the command. It is the same in all commands, except for the
options that tests/cli/test_grammar.py lists with a reason.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

MAX_BUILD = "10min"  # the default of --max-build


class BadImagePolicy(StrEnum):
    """What happens when a photo cannot be decoded."""

    skip = "skip"
    refuse = "refuse"


# Input

Photos = Annotated[
    Path,
    typer.Argument(
        metavar="DATA",
        help="Labeled photos: a folder with one subfolder per identity, a table (.csv, .parquet), "
        "RecordIO, tar, …",
    ),
]
_SOURCE = typer.Argument(
    metavar="DATA", help="Photos (with --model), or embeddings: .parquet, or .npy with --ids."
)
PhotosOrEmbeddings = Annotated[Path, _SOURCE]
PhotosOrEmbeddingsOrNone = Annotated[Path | None, _SOURCE]
IndexFolder = Annotated[Path, typer.Argument(metavar="INDEX", help="The folder of the index.")]

_MODEL = typer.Option(
    "--model", envvar="LIKEWISE_MODEL", help="Model: sface, a folder, a hub id or an .onnx file."
)
Model = Annotated[str, _MODEL]
ModelOrNone = Annotated[str | None, _MODEL]

Ids = Annotated[
    Path | None, typer.Option("--ids", help="Names of the rows of a .npy file, one per line.")
]
Root = Annotated[
    Path | None, typer.Option("--root", help="Folder that the paths of a table are relative to.")
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        help="Format of DATA, instead of the one that is recognized: folder, cub-boxes, "
        "cars-boxes, …",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="Rows of a set with a column split: train, val, test, query, gallery or all.",
    ),
]
Queries = Annotated[
    Path | None,
    typer.Option(
        "--queries",
        help="Query embeddings, .parquet or .npy; to measure recall, of photos not in the index.",
    ),
]
_PAIRS = typer.Option(
    "--pairs",
    help="Pairs: LFW's pairs.txt, a CSV (left, right, same, fold), the folder of CFP, or a .bin.",
)
Pairs = Annotated[Path, _PAIRS]
PairsOrNone = Annotated[Path | None, _PAIRS]
_ON_BAD_IMAGE = typer.Option(
    "--on-bad-image", help="Broken photos: skip them, or refuse them and stop."
)
OnBadImage = Annotated[BadImagePolicy, _ON_BAD_IMAGE]
OnBadImageOrNone = Annotated[BadImagePolicy | None, _ON_BAD_IMAGE]

Detect = Annotated[
    bool | None,
    typer.Option(
        "--detect/--no-detect",
        help="Find the face in each photo and align it first; --no-detect: take the photos as they "
        "are, and say nothing about it.",
    ),
]

DetectorName = Annotated[
    str, typer.Option("--detector", help="What finds the faces: yunet or centerface.")
]

# Output

_OUT = typer.Option("--out", help="File or folder to write.")
Out = Annotated[Path, _OUT]
OutOrNone = Annotated[Path | None, _OUT]
To = Annotated[str, typer.Option("--to", help="Format to write, of those named above.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

# Computation

Device = Annotated[str, typer.Option("--device", help="Device: auto, cpu, cuda, cuda:1 or mps.")]
Seed = Annotated[
    int, typer.Option("--seed", min=0, help="Random seed; the same seed gives the same result.")
]
Flip = Annotated[
    bool, typer.Option("--flip", help="Add the embedding of the mirrored photo to each embedding.")
]
Distance = Annotated[
    str,
    typer.Option(
        "--distance",
        help="Distance: cosine, dot, euclidean, manhattan, chebyshev, minkowski:P or "
        "mahalanobis:FILE.npy.",
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue the interrupted work in the output folder.")
]

Processes = Annotated[int, typer.Option("--processes", min=1, help="Number of processes.")]

# Training

RecipeChoice = Annotated[
    str | None,
    typer.Option("--recipe", help="Recipe: a name (compact, tune, distill, large) or a YAML file."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Set one key of the recipe, like optimizer.lr=0.002; repeatable."),
]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Number of epochs.")]
_STEPS = typer.Option("--steps", min=2, help="Number of training steps.")
Steps = Annotated[int, _STEPS]
StepsOrNone = Annotated[int | None, _STEPS]
Budget = Annotated[
    str | None,
    typer.Option("--budget", help="Time of a run, instead of --epochs: 90s, 10min or 1h."),
]
ValIdentities = Annotated[
    str | None,
    typer.Option("--val-identities", help="Identities for validation: a number, or like 10%."),
]
Losses = Annotated[
    str, typer.Option("--losses", help="Names of losses, separated by commas, or all.")
]
_FOLDS = typer.Option(
    "--folds", min=2, help="Number of cross-validation folds, disjoint by identity."
)
Folds = Annotated[int, _FOLDS]
FoldsOrNone = Annotated[int | None, _FOLDS]

# Evaluation

Threshold = Annotated[
    float | None,
    typer.Option("--threshold", help="Lowest score at which two photos count as the same person."),
]
_FMR = typer.Option("--fmr", help="False match rate (FMR) of the decision threshold, like 1e-3.")
Fmr = Annotated[float, _FMR]
FmrOrNone = Annotated[float | None, _FMR]
Prior = Annotated[float, typer.Option("--prior", help="Prior probability of a match, from 0 to 1.")]
Fpir = Annotated[
    float | None,
    typer.Option(
        "--fpir",
        help="Probability that a stranger is taken for anyone of the gallery; 0.01 if neither "
        "--fmr nor --threshold is given.",
    ),
]
MaxPairs = Annotated[
    int,
    typer.Option(
        "--max-pairs",
        min=1,
        help="Maximum number of genuine and of impostor pairs; above it, a random sample.",
    ),
]
Replicates = Annotated[
    int,
    typer.Option(
        "--replicates", min=0, help="Bootstrap replicates for confidence intervals; 0: none."
    ),
]

# Search

_GALLERY = typer.Option(
    "--gallery",
    help="Known people: a folder with one subfolder per person, an index, or embeddings "
    "(.parquet).",
)
Gallery = Annotated[Path, _GALLERY]
GalleryOrNone = Annotated[Path | None, _GALLERY]
_NEIGHBORS = typer.Option("-k", "--k", min=1, help="Number of neighbors that a search returns.")
Neighbors = Annotated[int, _NEIGHBORS]
NeighborsOrNone = Annotated[int | None, _NEIGHBORS]
_FAMILY = typer.Option("--family", help="Index family: exact, hnsw, ivf_flat, …")
FamilyOrNone = Annotated[str | None, _FAMILY]
Families = Annotated[list[str] | None, _FAMILY]
Recall = Annotated[
    float | None,
    typer.Option("--recall", help="Recall@k to reach: share of the k nearest found, like 0.95."),
]
Mates = Annotated[
    float | None,
    typer.Option(
        "--mates",
        help="Recall of mates to reach: share found of a person's photos above the threshold.",
    ),
]
MaxMemory = Annotated[
    str | None, typer.Option("--max-memory", help="Maximum memory of the index, like 2GB.")
]
MaxBuild = Annotated[
    str | None, typer.Option("--max-build", help=f"Maximum build time; {MAX_BUILD} by default.")
]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Number of queries per search call.")]
