"""All benchmarks of losses: the fused head of the softmax family, and the losses on pairs.

python -m benchmarks.losses [--quick] [--json FILE]
"""

from __future__ import annotations

from benchmarks import pair_losses, softmax_head
from benchmarks.measure import Result, arguments, report


def results(*, quick: bool) -> list[Result]:
    return softmax_head.results(quick=quick) + pair_losses.results(quick=quick)


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
