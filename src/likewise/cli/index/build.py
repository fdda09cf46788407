"""``likewise index build``: build an index of photos or embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likewise.cli import options
from likewise.cli.output import bad_images_json, note, print_bad_images, print_json
from likewise.cli.units import parse_bytes, parse_seconds

if TYPE_CHECKING:
    from likewise.search.interface import SearchIndex

__all__ = ["build"]


def build(
    context: typer.Context,
    data: options.PhotosOrEmbeddings,
    out: options.Out = Path("index"),
    model: options.ModelOrNone = None,
    ids: options.Ids = None,
    distance: options.Distance = "cosine",
    family: options.FamilyOrNone = None,
    build_parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--build-parameter", help="Build parameter of the family, as NAME=VALUE; repeatable."
        ),
    ] = None,
    search_parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--search-parameter", help="Search parameter of the family, as NAME=VALUE; repeatable."
        ),
    ] = None,
    uri: Annotated[
        str | None,
        typer.Option("--uri", help="Address of the server of --family milvus: http://HOST:PORT."),
    ] = None,
    collection: Annotated[
        str, typer.Option("--collection", help="Name of the collection of --family milvus.")
    ] = "likewise",
    recall: options.Recall = None,
    mates: options.Mates = None,
    k: options.Neighbors = 10,
    batch: options.Batch = 1,
    max_memory: options.MaxMemory = None,
    max_build: options.MaxBuild = None,
    seed: options.Seed = 0,
    flip: options.Flip = False,
    on_bad_image: options.OnBadImage = options.BadImagePolicy.skip,
    device: options.Device = "auto",
    root: options.Root = None,
    as_json: options.AsJson = False,
) -> None:
    """Build an index of photos or embeddings; an index in --out is replaced in one step.

    Without --family and --recall the search is exact. With --recall or --mates the index is tuned:
    it has the fastest family and parameters that reach the recall and take no longer than
    --max-build to build. The distances minkowski and chebyshev are not supported.

    Under torchrun each rank embeds a part of the photos, and rank 0 builds the index. With --family
    milvus the vectors are stored on a Milvus server, and the folder only points to it; the token of
    the server, if it needs one, is read from LIKEWISE_MILVUS_TOKEN.

    Example: likewise index build photos/ --model runs/photos/model --out index --recall 0.95
    """
    from likewise.cli.inputs import read_or_embed_distributed
    from likewise.errors import InputError
    from likewise.search.contents.space import space_of
    from likewise.search.engines.parameters import parse_settings
    from likewise.search.index import Index
    from likewise.search.tuning.target import Limits, Target
    from likewise.search.tuning.tune import tuned_index
    from likewise.shares import own_share
    from likewise.storage import require_writable

    # Wrong options are refused before photos are embedded, which may take hours.
    tuned = recall is not None or mates is not None
    if not tuned:
        _refuse_tuning_options(context)
    longest = (max_build or options.MAX_BUILD) if tuned else None
    limits = Limits(parse_bytes("--max-memory", max_memory), parse_seconds("--max-build", longest))
    if (family == "milvus") != (uri is not None):
        raise InputError("--family milvus and --uri http://HOST:PORT: give both, or neither")
    if tuned and uri is not None:
        raise InputError(
            "--recall, --mates: an index on a Milvus server cannot be tuned; leave them out"
        )
    settings: dict[str, Any] = {
        "settings": parse_settings(build_parameter or [], "--build-parameter"),
        "search_settings": parse_settings(search_parameter or [], "--search-parameter"),
    }
    target = Target(recall, mates, k, batch) if tuned else None
    if uri is None:
        _check_family(family or "exact", distance, settings, tuned=tuned)
    else:
        space_of(distance)
    require_writable(out)
    share = own_share(out)
    source = read_or_embed_distributed(
        data, model, share, ids=ids, root=root, device=device, flip=flip, policy=on_bad_image
    )
    if source is None:
        return
    embeddings = source.embeddings
    given: dict[str, Any] = {
        "metric": distance, "fingerprint": embeddings.fingerprint, "items": embeddings.photo_items,
    }  # fmt: skip
    evidence: dict[str, Any] = {}
    built: SearchIndex
    if uri is None:
        if target is None:
            built = own = Index.build(embeddings.vectors, family=family, **settings, **given)
        else:
            built = own = tuned_index(
                embeddings.vectors, target=target, limits=limits, family=family, seed=seed, **given
            )
        evidence = own.evidence
    else:
        from likewise.search.milvus.index import MilvusIndex

        built = MilvusIndex.build(
            embeddings.vectors, uri=uri, collection=collection, **settings, **given
        )
    built.save(out)
    share.clear()
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
                "evidence": evidence,
                "bad_images": bad_images_json(source.bad),
            }
        )
        return
    print_bad_images(source.bad)
    typer.echo(f"{len(built):,} vectors of dimension {built.dimension}: {out}")
    if evidence:
        note(_evidence_text(built, evidence))
    elif tuned:
        note("too few vectors to tune: the index searches exactly")


def _refuse_tuning_options(context: typer.Context) -> None:
    """Refuse options that have no effect without tuning."""
    from likewise.errors import InputError

    tuning = {
        "max_memory": "--max-memory", "max_build": "--max-build", "k": "-k", "batch": "--batch",
        "seed": "--seed",
    }  # fmt: skip
    given = [
        option
        for name, option in tuning.items()
        if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"
    ]
    if given:
        raise InputError(f"{', '.join(given)}: for tuning only; add --recall or --mates")


def _check_family(name: str, metric: str, given: dict[str, Any], *, tuned: bool) -> None:
    """Refuse unknown names of a family, parameter or distance, and a library not installed."""
    from likewise.errors import InputError
    from likewise.search.contents.space import require_metric, space_of
    from likewise.search.engines.parameters import checked_settings
    from likewise.search.families import family_named

    kind = family_named(name)
    require_metric(kind, space_of(metric))
    if tuned and (given["settings"] or given["search_settings"]):
        raise InputError(
            "--build-parameter, --search-parameter: tuning chooses them; leave them out"
        )
    if not tuned:
        checked_settings(kind.name, kind.build_parameters, given["settings"])
        checked_settings(kind.name, kind.search_parameters, given["search_settings"])
    kind.require()


def _evidence_text(built: SearchIndex, record: dict[str, Any]) -> str:
    """The measured recall and latency of a tuned index in one line."""
    from likewise.search.tuning.evidence import Evidence
    from likewise.search.tuning.frontier import settings_text

    evidence = Evidence.from_dict(record)
    recalls = ", ".join(
        f"{name} {found.value:.4f} (at least {found.low:.4f} with 95 % confidence)"
        for name, found in evidence.recalls.items()
        if name in evidence.asked
    )
    parameters = settings_text({**built.settings, **built.search_settings})
    latency = f"{1000 * evidence.seconds:.3g} ms per query"
    name = f"{built.family} {parameters}".rstrip()
    return f"{name}: {recalls}; {latency}, {evidence.speed:.3g}× as fast as exact search"
