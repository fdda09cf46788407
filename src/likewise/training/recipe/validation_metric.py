"""The metric by which the epochs of a run are compared, by its name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from likewise.errors import InputError

__all__ = ["AUC", "KNOWN", "Metric"]

Kind = Literal["auc", "eer", "tar", "recall", "map"]
KNOWN = "AUC, EER, TAR@FAR=1e-3 (any rate below 1), Recall@1 (any k), MAP@R"


@dataclass(frozen=True)
class Metric:
    """A metric of a validation.

    Args:
        kind: which one.
        at: of ``tar``: the FAR, in (0, 1); of ``recall``: the k, 1 or more; else 0.

    Example:
        >>> from likewise.training.recipe.validation_metric import Metric
        >>> metric = Metric.of("tar@far=1e-3")
        >>> metric.name, metric.key, metric.lower_is_better
        ('TAR@FAR=0.001', 'tar_at_far_0.001', False)
        >>> Metric.of("EER").lower_is_better
        True
    """

    kind: Kind
    at: float = 0.0

    @property
    def name(self) -> str:
        """As people write it."""
        names = {
            "auc": "AUC",
            "eer": "EER",
            "tar": f"TAR@FAR={self.at:g}",
            "recall": f"Recall@{self.at:g}",
            "map": "MAP@R",
        }
        return names[self.kind]

    @property
    def key(self) -> str:
        """In the log, after ``val/``."""
        keys = {"tar": f"tar_at_far_{self.at:g}", "recall": f"recall_at_{self.at:g}"}
        return keys.get(self.kind, "map_at_r" if self.kind == "map" else self.kind)

    @property
    def lower_is_better(self) -> bool:
        """The direction: an error rate should be low, all others high."""
        return self.kind == "eer"

    @classmethod
    def of(cls, name: str) -> Metric:
        """The metric of this name, in any case.

        Raises:
            InputError: there is none; names those that there are.
        """
        text = name.strip().lower().replace(" ", "")
        if text in ("auc", "eer"):
            return cls("auc" if text == "auc" else "eer")
        if text == "map@r":
            return cls("map")
        found = re.fullmatch(r"tar@far=(\d*\.?\d+(?:e-?\d+)?)", text)
        if found is not None and 0 < (far := float(found[1])) < 1:
            return cls("tar", far)
        if (found := re.fullmatch(r"recall@([1-9]\d{0,5})", text)) is not None:
            return cls("recall", float(found[1]))
        raise InputError(f"training.metric: {name!r} is none of {KNOWN}")


AUC = Metric("auc")
