"""``likewise index build``: an index of photos or embeddings, by a family named or found."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from likewise.cli.aim import Batch, Mates, MaxBuild, MaxMemory, Neighbors, Recall, Seed, limits_of
from likewise.cli.output import (
    AsJson,
    BadImagePolicy,
    Device,
    Flip,
    OnBad,
    Root,
    note,
    print_bad,
    print_json,
)

__all__ = ["build"]


def build(
    data: Annotated[Path, typer.Argument(help="Photos (with --model), or a file of embeddings.")],
    out: Annotated[Path, typer.Option("--out", help="The index's folder.")] = Path("index"),
    model: Annotated[
        str | None,
        typer.Option("--model", envvar="LIKEWISE_MODEL", help="A model's folder or .onnx file."),
    ] = None,
    ids: Annotated[
        Path | None, typer.Option("--ids", help="The names of a .npy file's rows, one a line.")
    ] = None,
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help="cosine, dot, euclidean, manhattan or mahalanobis:FILE.npy.",
        ),
    ] = "cosine",
    family: Annotated[
        str | None, typer.Option("--family", help="How it searches: exact, hnsw, ivf_flat, …")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A build knob of the family: KNOB=VALUE; repeatable."),
    ] = None,
    search_: Annotated[
        list[str] | None,
        typer.Option("--search", help="A search knob of the family: KNOB=VALUE; repeatable."),
    ] = None,
    recall: Recall = None,
    mates: Mates = None,
    k: Neighbors = 10,
    batch: Batch = 1,
    max_memory: MaxMemory = None,
    max_build: MaxBuild = None,
    seed: Seed = 0,
    flip: Flip = False,
    on_bad_image: OnBad = BadImagePolicy.skip,
    device: Device = "auto",
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Build an index; an existing one is replaced in one step.

    With --recall or --mates it is tuned first: the fastest family and settings that reach it.

    Example: likewise index build photos/ --model runs/photos/model --out index --recall 0.95
    """
    from likewise.cli.source import embeddings_of
    from likewise.errors import InputError
    from likewise.search.aim import Aim
    from likewise.search.families import family_named
    from likewise.search.index import Index
    from likewise.search.knobs import parse_settings, settled
    from likewise.storage import output_folder

    limits = limits_of(max_memory, max_build)
    tuned = recall is not None or mates is not None
    if not tuned and (max_memory or max_build):
        raise InputError("--max-memory, --max-build: need --recall or --mates to tune for")
    kind = family_named(family or "exact")  # what is wrong is said before photos are embedded
    settings = parse_settings(set_ or [])
    search_settings = parse_settings(search_ or [], "--search")
    if tuned:
        Aim(recall, mates, k, batch)
    else:
        settled(kind.name, kind.build_knobs, settings)
        settled(kind.name, kind.search_knobs, search_settings)
    kind.require()
    output_folder(out)
    source = embeddings_of(
        data, model, ids=ids, root=root, device=device, flip=flip, policy=on_bad_image
    )
    embeddings = source.embeddings
    built = Index.build(
        embeddings.vectors,
        family=family,
        settings=settings,
        search_settings=search_settings,
        metric=metric,
        fingerprint=embeddings.fingerprint,
        items=embeddings.items,
        recall=recall,
        mates=mates,
        k=k,
        batch=batch,
        limits=limits,
        seed=seed,
    )
    built.save(out)
    if as_json:
        print_json(
            {
                "index": str(out),
                "family": built.family,
                "settings": built.settings,
                "search_settings": built.search_settings,
                "metric": built.metric,
                "count": len(built),
                "dimension": built.dimension,
                "fingerprint": built.fingerprint,
                "evidence": built.evidence,
                "bad_images": [{"path": b.name, "reason": b.reason} for b in source.bad],
            }
        )
        return
    print_bad(source.bad)
    typer.echo(f"{len(built):,} vectors of {built.dimension} numbers: {out}")
    if built.evidence:
        note(_told(built))


def _told(built: object) -> str:
    """The evidence of a tuned index in a line."""
    from likewise.search.evidence import Evidence
    from likewise.search.frontier import settings_text
    from likewise.search.index import Index

    assert isinstance(built, Index)
    evidence = Evidence.from_dict(built.evidence)
    recalls = ", ".join(
        f"{name} {found.value:.4f} (above {found.low:.4f} with 95 % confidence)"
        for name, found in evidence.recalls.items()
        if name in evidence.asked
    )
    knobs = settings_text({**built.settings, **built.search_settings})
    return (
        f"{built.family} {knobs}".rstrip()
        + f": {recalls}; {1000 * evidence.seconds:.3g} ms a query, {evidence.speed:.3g}× exact"
    )
