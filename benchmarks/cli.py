"""Start-up time: the import of the package, and ``likewise --help``.

python -m benchmarks.cli [--quick] [--json FILE]
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median

from benchmarks.measure import Result, arguments, interleaved, report, row


def python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def import_seconds(rounds: int) -> Result:
    """Seconds of ``import likewise``, without the start of Python itself."""
    ours, bare = interleaved([lambda: python("import likewise"), lambda: python("")], rounds)
    value = median(a - b for a, b in zip(ours, bare, strict=True))
    return row("cli.import_s", value, "s", "<= 0.3", value <= 0.3)


def help_seconds(rounds: int) -> Result:
    """Seconds of ``likewise --help``, including the start of Python."""
    command = [sys.executable, "-m", "likewise", "--help"]
    (found,) = interleaved(
        [lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)], rounds
    )
    value = median(found)
    return row("cli.help_s", value, "s", "<= 0.6", value <= 0.6)


def results(*, quick: bool) -> list[Result]:
    rounds = 7 if quick else 21
    return [import_seconds(rounds), help_seconds(rounds)]


if __name__ == "__main__":
    options = arguments(__doc__)
    report(results(quick=options.quick), options.json)
