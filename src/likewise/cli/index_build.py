"""``likewise index build``: an index of photos or embeddings, by a family named or found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from likewise.cli.aim import (
    MAX_BUILD,
    Batch,
    Mates,
    MaxBuild,
    MaxMemory,
    Neighbors,
    Recall,
    Seed,
    limits_of,
)
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

if TYPE_CHECKING:
    from likewise.search.interface import SearchIndex

__all__ = ["build"]


def build(
    context: typer.Context,
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
        str | None,
        typer.Option("--family", help="How it searches: exact, hnsw, …; milvus."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="A build knob of the family: KNOB=VALUE; repeatable."),
    ] = None,
    search_: Annotated[
        list[str] | None,
        typer.Option("--search", help="A search knob of the family: KNOB=VALUE; repeatable."),
    ] = None,
    uri: Annotated[
        str | None, typer.Option("--uri", help="For --family milvus: http://HOST:PORT.")
    ] = None,
    collection: Annotated[
        str, typer.Option("--collection", help="For --family milvus: its name there.")
    ] = "likewise",
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

    With --recall or --mates it is tuned first: the fastest family and settings that reach it, of
    those that take no longer than --max-build, 10min if absent, to build.
    Started by torchrun, each process embeds a stretch of the photos, and the first one builds.
    With --family milvus the vectors go to a Milvus server, whose token, if it wants one, is in
    LIKEWISE_MILVUS_TOKEN; the folder then only names it.

    Example: likewise index build photos/ --model runs/photos/model --out index --recall 0.95
    """
    from likewise.cli.source import shared_embeddings_of
    from likewise.errors import InputError
    from likewise.search.contents.space import space_of
    from likewise.search.engines.parameters import parse_settings
    from likewise.search.index import Index
    from likewise.search.tuning.target import Target
    from likewise.search.tuning.tune import tuned_index
    from likewise.shares import own_share
    from likewise.storage import require_writable

    # What is wrong is said before photos are embedded.
    tuned = recall is not None or mates is not None
    if not tuned:
        _refuse_what_only_the_tuner_takes(context)
    limits = limits_of(max_memory, (max_build or MAX_BUILD) if tuned else None)
    if (family == "milvus") != (uri is not None):
        raise InputError("--family milvus and --uri http://HOST:PORT: give both, or neither")
    if tuned and uri is not None:
        raise InputError("--recall, --mates: a Milvus server is not tuned; leave them out")
    settings: dict[str, Any] = {
        "settings": parse_settings(set_ or []),
        "search_settings": parse_settings(search_ or [], "--search"),
    }
    target = Target(recall, mates, k, batch) if tuned else None
    if uri is None:
        _check_family(family or "exact", metric, settings, tuned=tuned)
    else:
        space_of(metric)
    require_writable(out)
    share = own_share(out)
    source = shared_embeddings_of(
        data, model, share, ids=ids, root=root, device=device, flip=flip, policy=on_bad_image
    )
    if source is None:
        return
    embeddings = source.embeddings
    given: dict[str, Any] = {
        "metric": metric, "fingerprint": embeddings.fingerprint, "items": embeddings.items,
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
                "bad_images": [{"path": b.name, "reason": b.reason} for b in source.bad],
            }
        )
        return
    print_bad(source.bad)
    typer.echo(f"{len(built):,} vectors of {built.dimension} numbers: {out}")
    if evidence:
        note(_told(built, evidence))
    elif tuned:
        note("so few vectors are searched exactly; there was nothing to tune")


def _refuse_what_only_the_tuner_takes(context: typer.Context) -> None:
    """An option that would do nothing is a mistake, not a wish."""
    from likewise.errors import InputError

    options = {
        "max_memory": "--max-memory", "max_build": "--max-build", "k": "-k", "batch": "--batch",
        "seed": "--seed",
    }  # fmt: skip
    given = [
        option
        for name, option in options.items()
        if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"
    ]
    if given:
        raise InputError(f"{', '.join(given)}: without --recall or --mates nothing is tuned")


def _check_family(name: str, metric: str, given: dict[str, Any], *, tuned: bool) -> None:
    """Refuse an unknown family, knob or metric, and a family whose library is not installed."""
    from likewise.errors import InputError
    from likewise.search.contents.space import require_metric, space_of
    from likewise.search.engines.parameters import checked_settings
    from likewise.search.families import family_named

    kind = family_named(name)
    require_metric(kind, space_of(metric))
    if tuned and (given["settings"] or given["search_settings"]):
        raise InputError("--set, --search: the tuner chooses them; leave them out, or --recall")
    if not tuned:
        checked_settings(kind.name, kind.build_parameters, given["settings"])
        checked_settings(kind.name, kind.search_parameters, given["search_settings"])
    kind.require()


def _told(built: SearchIndex, record: dict[str, Any]) -> str:
    """The evidence of a tuned index in a line."""
    from likewise.search.tuning.evidence import Evidence
    from likewise.search.tuning.frontier import settings_text

    evidence = Evidence.from_dict(record)
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
